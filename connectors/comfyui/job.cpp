#include "connectors/comfyui/job.h"

#include <filesystem>

#include "connectors/comfyui/delivery.h"
#include "connectors/comfyui/inputs.h"
#include "connectors/comfyui/tolerant_json.h"

namespace emprops::comfyui {
namespace {

using Clock = std::chrono::steady_clock;

template <class... Fs>
struct Overload : Fs... {
    using Fs::operator()...;
};
template <class... Fs>
Overload(Fs...) -> Overload<Fs...>;

[[noreturn]] void raise(const Failure& failure) {
    throw JobFailure(failure.code, failure.message, failure.retryable, failure.details);
}
[[noreturn]] void raise(const Error& error) {
    const bool permanent = error.code == "invalid_payload";
    throw JobFailure(error.code, error.message, !permanent, Json::object());
}

double seconds(Ms time) {
    return static_cast<double>(time.count()) / 1000.0;
}

/// Keeps a mailbox registered while the job lives.
class Registration {
  public:
    explicit Registration(Mailboxes& boxes) : boxes_(boxes), box_(std::make_shared<Mailbox>()) {}
    ~Registration() { boxes_.remove(box_); }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    const std::shared_ptr<Mailbox>& box() const { return box_; }

  private:
    Mailboxes& boxes_;
    std::shared_ptr<Mailbox> box_;
};

class JobRun {
  public:
    JobRun(const Shared& shared, const Job& job, JobContext& context, Payload payload,
           OutputSettings output_rules)
        : shared_(shared),
          settings_(shared.settings),
          job_(job),
          context_(context),
          payload_(std::move(payload)),
          output_rules_(std::move(output_rules)),
          registration_(shared.boxes),
          // Once the prompt is being taken back, the requests for that must go through.
          cancelled_([this] { return context_.cancelled() && !withdrawing_; }),
          api_(settings_, cancelled_),
          progress_(payload_.nodes),
          shape_(graph_shape(payload_.nodes)),
          run_(
              rules(), payload_.nodes, [this](int n) { return shared_.names.prompt(job_.job_id, n); },
              Clock::now()) {
        register_prompt();
        run_.on_socket(shared_.boxes.socket_up(), Clock::now());
        context_.on_cancel([box = registration_.box()] { box->wake(); });
        for (const Node& node : payload_.nodes) {
            if (node.class_type == "SaveImageWebsocket") socket_savers_.insert(node.id);
        }
    }

    Json go() {
        while (true) {
            drive();
            const Outcome& outcome = run_.outcome();
            if (outcome.abandoned) shared_.monitor.see_off(outcome.prompt_id);
            if (outcome.kind != Outcome::Kind::succeeded) fail(outcome);
            auto result = deliver(outcome);
            if (result) return std::move(*result);
            if (!run_.files_gone(Clock::now())) {
                raise(Failure{"service_error",
                              "ComfyUI names output files that it no longer has (deleted meanwhile)",
                              true,
                              {{"class", "files_gone"}}});
            }
            progress_.restart();
        }
    }

  private:
    RunRules rules() const {
        RunRules out;
        out.limits = settings_.limits;
        out.poll_interval = settings_.poll_interval;
        out.max_resubmissions = settings_.max_resubmissions;
        out.allow_partial = payload_.allow_partial.value_or(settings_.allow_partial);
        out.resume = job_.resume;
        return out;
    }

    void register_prompt() { shared_.boxes.add(run_.prompt_id(), registration_.box()); }

    void drive() {
        while (true) {
            read_mail(Clock::now());
            if (context_.cancelled() && !withdrawing_) {
                withdrawing_ = true;
                api_.hurry(std::max(settings_.limits.cancel / 4, Ms{500}));
                run_.cancel(Clock::now());
            }
            register_prompt();  // the id changes with each submission, and old servers give one of their own
            const Action action = run_.next(Clock::now());
            if (std::holds_alternative<Finish>(action)) return;
            act(action);
            tell();
        }
    }

    void act(const Action& action) {
        const auto now = [] { return Clock::now(); };
        std::visit(Overload{[&](const SendPrompt& send) {
                                const auto answer = post(send);
                                run_.on_post(answer, now());
                            },
                            [&](const AskHistory& ask) {
                                const auto answer = api_.history(ask.prompt_id);
                                run_.on_history(answer, now());
                            },
                            [&](const AskQueue&) {
                                const auto answer = api_.queue();
                                run_.on_queue(answer, now());
                                if (run_.position() >= 0)
                                    progress_.on_position(run_.position(), run_.queue_length());
                                progress_.expect_outputs(run_.output_nodes());
                            },
                            [&](const DeletePending& remove) {
                                const bool ok = api_.remove_pending(remove.prompt_id);
                                run_.on_done(ok, now());
                            },
                            [&](const Interrupt& interrupt) {
                                const bool ok = api_.interrupt(interrupt.prompt_id);
                                run_.on_done(ok, now());
                            },
                            [&](const FreeMemory&) {
                                const bool ok = api_.free_memory();
                                progress_.restart();
                                run_.on_done(ok, now());
                            },
                            [&](const Reconnect&) {
                                if (shared_.socket != nullptr) shared_.socket->reconnect();
                            },
                            [&](const RestartService& restart) { shared_.monitor.suspect(restart.reason); },
                            [&](const Wait& wait) { read_mail(wait.until); }, [&](const Finish&) {}},
                   action);
    }

    PostAnswer post(const SendPrompt& send) {
        if (!provided_) {
            provided_ = true;
            provide();
        }
        const Json mark = {{"space", shared_.names.space()},
                           {"connector", shared_.connector},
                           {"instance", shared_.instance},
                           {"job_id", job_.job_id},
                           {"submission", send.submission}};
        if (send.submission > 0) progress_.restart();
        return api_.post_prompt(prompt_body(graph_, payload_, shared_.client_id, send.prompt_id, mark));
    }

    /// Inputs are brought only when the prompt is really sent: a resumed job finds its prompt with them.
    void provide() {
        if (!payload_.inputs.empty()) context_.progress(0, "uploading input files", "processing");
        auto names = provide_inputs(api_, payload_, settings_.inputs, job_.job_id, job_.work_dir, cancelled_);
        if (!names.ok()) raise(names.error());
        auto graph = substitute_inputs(payload_.graph_text, *names);
        if (!graph.ok()) raise(graph.error());
        graph_ = std::move(*graph);
        if (settings_.preflight) {
            const auto info = api_.get_json("/object_info", settings_.limits.response);
            const Json parsed = Json::parse(graph_, nullptr, false);
            if (const auto* classes = std::get_if<Json>(&info)) {
                if (const auto failure = preflight(parsed, *classes, payload_.nodes)) raise(*failure);
            }
        }
        context_.service_request("comfyui", "prompt",
                                 {{"url", settings_.server.text()},
                                  {"prompt_id", run_.prompt_id()},
                                  {"nodes", payload_.nodes.size()}});
    }

    void read_mail(TimePoint until) {
        for (Letter& letter : registration_.box()->take(until)) {
            const TimePoint now = Clock::now();
            std::visit(Overload{[&](const Event& event) {
                                    run_.on_event(event, now);
                                    if (event.prompt_id != run_.prompt_id()) return;
                                    if (std::holds_alternative<Started>(event.body)) run_began_ = now;
                                    if (const auto* node = std::get_if<Executing>(&event.body))
                                        node_ = node->node;
                                    progress_.on_event(event.body);
                                },
                                [&](const SocketUp& socket) { run_.on_socket(socket.up, now); },
                                [&](Picture& picture) { take_picture(std::move(picture), now); }},
                       letter);
        }
    }

    void take_picture(Picture picture, TimePoint now) {
        // A frame without an id is ours only while our prompt is the running one.
        if (picture.prompt_id.empty() ? node_.empty() : picture.prompt_id != run_.prompt_id()) return;
        if (socket_savers_.count(node_) > 0 && picture.mime_type == "image/png") {
            pictures_.emplace_back(node_, std::move(picture.bytes));
            return;
        }
        if (!settings_.previews.enabled || picture.bytes.size() > settings_.previews.max_bytes) return;
        if (now - preview_at_ < settings_.previews.interval) return;
        preview_at_ = now;
        preview_ = {{"mime_type", picture.mime_type}, {"data", base64_encode(picture.bytes)}};
    }

    void tell() {
        const std::string message = progress_.message();
        const double percent = progress_.percent();
        if (message == told_message_ && percent == told_percent_ && preview_.is_null()) return;
        told_message_ = message;
        told_percent_ = percent;
        Json details = progress_.details();
        details["prompt_id"] = run_.prompt_id();
        if (progress_.running() && run_began_) {
            const auto elapsed = std::chrono::duration_cast<Ms>(Clock::now() - *run_began_);
            if (const auto left = shared_.etas.left(shape_, elapsed, percent))
                details["eta_seconds"] = seconds(*left);
        }
        if (!preview_.is_null()) details["preview"] = std::exchange(preview_, nullptr);
        context_.progress(percent, message, "processing", details);
    }

    [[noreturn]] void fail(const Outcome& outcome) {
        Failure failure = outcome.failure;
        switch (outcome.kind) {
            case Outcome::Kind::cancelled:
                failure = {"cancelled", "cancelled; the prompt was taken out of ComfyUI", false,
                           Json::object()};
                if (outcome.abandoned) {
                    failure.message =
                        "cancelled; ComfyUI has not let go of the prompt yet, it is being watched";
                }
                break;
            case Outcome::Kind::refused:
                failure = validation_failure(
                    outcome.refusal, payload_.nodes,
                    [this](const std::string& type, const std::string& input) {
                        return choices(type, input);
                    },
                    [this] { return classes(); });
                break;
            case Outcome::Kind::node_failed:
                failure = node_failure(outcome.node_error, payload_.nodes);
                break;
            case Outcome::Kind::failed:
                if (failure.code == "access_denied") {
                    failure =
                        access_failure(failure.details.value("http_status", 0L), settings_.server.text());
                }
                break;
            case Outcome::Kind::succeeded:
                break;
        }
        failure.details["prompt_id"] = outcome.prompt_id;
        if (!outcome.notes.empty()) failure.details["notes"] = outcome.notes;
        raise(failure);
    }

    std::vector<std::string> choices(const std::string& type, const std::string& input) {
        const auto info = api_.get_json("/object_info/" + percent_encode(type), settings_.limits.response);
        const auto* value = std::get_if<Json>(&info);
        return value == nullptr ? std::vector<std::string>{} : choices_of(*value, type, input);
    }

    std::vector<std::string> classes() {
        std::vector<std::string> out;
        const auto info = api_.get_json("/object_info", settings_.limits.response);
        if (const auto* value = std::get_if<Json>(&info); value != nullptr && value->is_object()) {
            for (const auto& entry : value->items()) {
                out.push_back(entry.key());
            }
        }
        return out;
    }

    /// The result; nullopt when ComfyUI no longer has a file.
    std::optional<Json> deliver(const Outcome& outcome) {
        const TimePoint began = Clock::now();
        const Outputs outputs = collect_outputs(outcome.outputs, output_rules_.temp, payload_.outputs.nodes);
        Delivery delivery(api_, settings_, output_rules_, {job_.job_id, outcome.prompt_id, job_.work_dir},
                          cancelled_);
        Json files = Json::array();
        const std::size_t total = outputs.files.size() + pictures_.size();
        const auto tell_file = [&](const std::string& name) {
            const double share =
                static_cast<double>(files.size()) / static_cast<double>(std::max<std::size_t>(total, 1));
            context_.progress(95 + 4 * share, "delivering " + name, "processing");
        };
        for (const OutputFile& file : outputs.files) {
            if (cancelled_())
                raise(Failure{"cancelled", "cancelled while delivering", false, Json::object()});
            tell_file(file.filename);
            auto entry = delivery.deliver(file);
            if (std::holds_alternative<Delivery::FilesGone>(entry)) return {};
            if (auto* failure = std::get_if<Failure>(&entry)) raise(*failure);
            files.push_back(std::move(std::get<Json>(entry)));
        }
        for (std::size_t i = 0; i < pictures_.size(); ++i) {
            const auto& [node, bytes] = pictures_[i];
            if (!payload_.outputs.nodes.empty() &&
                std::find(payload_.outputs.nodes.begin(), payload_.outputs.nodes.end(), node) ==
                    payload_.outputs.nodes.end()) {
                continue;
            }
            const OutputFile file{node, "images",    "websocket_" + std::to_string(i + 1) + ".png",
                                  "",   "websocket", "image/png"};
            tell_file(file.filename);
            auto entry = delivery.deliver_bytes(file, bytes);
            if (auto* failure = std::get_if<Failure>(&entry)) raise(*failure);
            files.push_back(std::move(std::get<Json>(entry)));
        }
        Json texts = Json::array();
        for (const OutputText& text : outputs.texts) {
            texts.push_back({{"node", text.node}, {"kind", text.kind}, {"text", text.text}});
        }
        Json timing = {{"download", seconds(std::chrono::duration_cast<Ms>(Clock::now() - began))}};
        const auto put = [&](const char* key, const std::optional<Ms>& time) {
            timing[key] = time ? Json(seconds(*time)) : Json();
        };
        put("queued", outcome.timing.queued);
        put("load", outcome.timing.load);
        put("execute", outcome.timing.execute);
        if (outcome.timing.execute && !payload_.nodes.empty()) {
            const double share = 1.0 - static_cast<double>(outcome.cached_nodes.size()) /
                                           static_cast<double>(payload_.nodes.size());
            shared_.etas.learn(shape_, *outcome.timing.execute, share);
        }
        clean_up();
        Json output = {{"prompt_id", outcome.prompt_id},
                       {"files", std::move(files)},
                       {"texts", std::move(texts)},
                       {"timing", std::move(timing)},
                       {"cached_nodes", outcome.cached_nodes}};
        if (!outcome.notes.empty()) output["notes"] = outcome.notes;
        if (outputs.temp_left_out > 0) output["temp_files_left_out"] = outputs.temp_left_out;
        return Json{{"status", "success"}, {"output", std::move(output)}};
    }

    void clean_up() {
        if (settings_.comfyui_folder.empty() || payload_.inputs.empty()) return;
        std::error_code ignored;
        std::filesystem::remove_all(
            std::filesystem::path(settings_.comfyui_folder) / "input" / input_subfolder(job_.job_id),
            ignored);
    }

    const Shared& shared_;
    const Settings& settings_;
    const Job& job_;
    JobContext& context_;
    Payload payload_;
    OutputSettings output_rules_;
    Registration registration_;
    std::function<bool()> cancelled_;
    Api api_;
    Progress progress_;
    std::string shape_;
    Run run_;
    std::string graph_;
    bool provided_ = false;
    bool withdrawing_ = false;
    std::string node_;  // executing now
    std::set<std::string> socket_savers_;
    std::vector<std::pair<std::string, std::string>> pictures_;  // node, PNG
    std::optional<TimePoint> run_began_;
    TimePoint preview_at_{};
    Json preview_;
    std::string told_message_;
    double told_percent_ = -1;
};

}  // namespace

Json process(const Shared& shared, const Job& job, JobContext& context) {
    auto payload = read_payload(job.payload_text);
    if (!payload.ok()) raise(payload.error());
    auto rules = output_rules(shared.settings.outputs, payload->outputs);
    if (!rules.ok()) raise(rules.error());
    JobRun run(shared, job, context, std::move(*payload), std::move(*rules));
    return run.go();
}

}  // namespace emprops::comfyui
