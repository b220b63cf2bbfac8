#include "connectors/comfyui/job/job.h"
#include "ipc/web/digest.h"

#include <filesystem>
#include <fstream>

#include "connectors/comfyui/job/job_run.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/overload.h"
#include "ipc/web/base64.h"

namespace emprops::comfyui {

Registration::Registration(Mailboxes& boxes, std::string job_id)
    : boxes_(boxes), job_id_(std::move(job_id)), box_(boxes.make_box()) {
    boxes_.add_job(job_id_);
}
Registration::~Registration() {
    boxes_.remove(box_);
    boxes_.remove_job(job_id_);
}

JobRun::JobRun(const Shared& shared, const Job& job, JobContext& context, Payload payload,
               OutputSettings output_rules)
    : shared_(shared),
      settings_(shared.settings),
      job_(job),
      context_(context),
      payload_(std::move(payload)),
      output_rules_(std::move(output_rules)),
      registration_(shared.boxes, job.job_id),
      lease_(shared.work_dir, job.job_id, [this](Ms time) { return context_.wait_cancelled(time); }),
      mark_{shared.names.space(), shared.connector, shared.instance, job.job_id,
            sha256_hex(job.payload_text)},
      // Once the prompt is being taken back, the requests for that must go through.
      cancelled_([this] { return context_.cancelled() && !withdrawing_; }),
      pause_([this](Ms time) { return context_.wait_cancelled(time); }),
      api_(settings_, cancelled_),
      progress_(payload_.nodes),
      shape_(graph_shape(payload_.nodes)),
      own_folder_(input_subfolder(shared.names.space(), job.job_id)),
      run_(
          rules(), payload_.nodes,
          [this](int n) { return shared_.names.prompt(job_.job_id, mark_.payload, n); }, Clock::now()),
      pictures_(payload_.nodes, settings_.websocket_nodes, max_picture_bytes) {
    const std::ofstream begun(
        begun_path());  // a resume sees by it that this folder is the one of the earlier process
    register_prompt();
    run_.on_socket(shared_.boxes.socket_up(), Clock::now());
    context_.on_cancel([box = registration_.box()] { box->wake(); });
}

Json JobRun::go() {
    constexpr int most_deaths = 2;
    if (const int deaths = shared_.deaths.of(death_key());
        deaths >= most_deaths && !shared_.deaths.others(death_key())) {
        raise(Failure{"poison",
                      "this workflow ended the ComfyUI process " + std::to_string(deaths) +
                          " times before; it is not sent again",
                      false,
                      {{"class", "ended_comfyui"}}});
    }
    while (true) {
        drive();
        const Outcome& outcome = run_.outcome();
        if (outcome.abandoned) shared_.monitor.see_off(outcome.unwanted, outcome.doubtful);
        const bool succeeded = outcome.kind == Outcome::Kind::succeeded;
        if (succeeded) {
            shared_.deaths.ended_well(death_key());
            wait_for_pictures();
            if (pictures_again()) continue;
        } else {
            shared_.deaths.died(death_key(), outcome.deaths);
            if (!allow_partial() || files_left(outcome).empty()) fail(outcome);
        }
        std::optional<Json> result;
        try {
            result = succeeded ? deliver(outcome)
                               : deliver(outcome, "not all of the workflow was done (allow_partial): " +
                                                      failure_of(outcome).message);
            if (!result && !succeeded) fail(outcome);
        } catch (const JobFailure&) {
            clean_up(false);  // the outputs stay: the next assignment takes them
            throw;
        }
        if (result) return std::move(*result);
        if (!run_.files_gone(Clock::now())) {
            clean_up(true);
            raise(Failure{"service_error",
                          "ComfyUI names output files that it does not have (deleted meanwhile, or not in "
                          "its output folder)",
                          true,
                          {{"class", "files_gone"}}});
        }
    }
}

RunRules JobRun::rules() const {
    RunRules out;
    out.limits = settings_.limits;
    out.poll_interval = settings_.poll_interval;
    out.max_resubmissions = settings_.max_resubmissions;
    out.allow_partial = allow_partial();
    out.resume = job_.resume;
    out.resume_from = job_.resume ? read_note() : std::nullopt;
    // It notes each submission before it sends it; where it did not, it sent none. But the folder goes when
    // the supervisor dies.
    std::error_code ignored;
    const bool same_folder = std::filesystem::exists(begun_path(), ignored);
    out.may_be_sent = out.resume_from.has_value() || !same_folder;
    out.deaths_before = shared_.deaths.of(death_key());
    out.machine_is_sick = shared_.deaths.others(death_key());
    out.mark = mark_;
    return out;
}

/// The job's folder lives as long as the assignment: what stands there is of this one.
std::optional<int> JobRun::read_note() const {
    std::ifstream file(note_path());
    int submission = 0;
    if (file >> submission) return submission;
    return {};
}

void JobRun::write_note() {
    if (noted_ == run_.submission()) return;
    noted_ = run_.submission();
    const std::string partial = note_path() + ".new";
    {
        std::ofstream file(partial, std::ios::trunc);
        file << *noted_ << '\n';
    }
    std::error_code ignored;
    std::filesystem::rename(partial, note_path(), ignored);
}

void JobRun::drive() {
    bool attached = false;
    while (true) {
        read_mail(Clock::now());
        if (context_.cancelled() && !withdrawing_) {
            // The next supervisor gives this job again, and its prompt is looked for.
            if (context_.supervisor_gone()) {
                raise(Failure{"drained", "the supervisor has gone; the prompt was left in ComfyUI", true,
                              Json::object()});
            }
            withdrawing_ = true;
            api_.hurry(std::max(settings_.limits.cancel / 4, Ms{500}));
            run_.cancel(Clock::now());
        }
        register_prompt();  // the id changes with each submission, and old servers give one of their own
        if (run_.attached()) {
            write_note();
            if (!attached) shared_.monitor.keep(run_.prompt_id());
        }
        attached = run_.attached();
        if (run_.begun() && begun_ != run_.submission()) {
            begun_ = run_.submission();
            context_.accepted();  // if ComfyUI dies now, this job is the one that it ran
        }
        const Action action = run_.next(Clock::now());
        if (std::holds_alternative<Finish>(action)) return;
        if (std::holds_alternative<Wait>(action)) tell();
        act(action);
        tell();
    }
}

void JobRun::act(const Action& action) {
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
                        [&](const AskRecent&) {
                            const auto answer = api_.recent();
                            run_.on_recent(answer, now());
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
                            begin_again();
                            provided_ = false;  // the inputs may be what is missing
                            run_.on_done(ok, now());
                        },
                        [&](const Reconnect&) {
                            if (shared_.socket != nullptr) shared_.socket->reconnect();
                        },
                        [&](const RestartService& restart) { shared_.monitor.suspect(restart); },
                        [&](const Blocked& blocked) { shared_.monitor.blocked(blocked); },
                        [&](const Wait& wait) { read_mail(wait.until); }, [&](const Finish&) {}},
               action);
}

PostAnswer JobRun::post(const SendPrompt& send) {
    need_socket();
    if (!provided_) {
        provided_ = true;
        provide();
    }
    begin_again();
    write_note();
    // An earlier prompt of this id may have been given up on: this one is wanted.
    shared_.monitor.keep(send.prompt_id);
    context_.service_request("comfyui", "prompt",
                             {{"url", settings_.server.text()},
                              {"prompt_id", run_.prompt_id()},
                              {"nodes", payload_.nodes.size()}});
    return api_.post_prompt(
        prompt_body(refresh_.empty() ? graph_ : with_fresh_input(graph_, refresh_, send.prompt_id), payload_,
                    shared_.client_id, send.prompt_id, mark_json(mark_, send.submission)));
}

/// Inputs are brought only when the prompt is really sent: a resumed job finds its prompt with them.
void JobRun::provide() {
    check_before_sending();
    if (!payload_.inputs.empty()) tell(0, "uploading input files", Json::object());
    auto names = provide_inputs(api_, payload_, settings_.inputs, own_folder_, job_.work_dir, cancelled_,
                                {settings_.limits.unreachable, pause_});
    if (!names.ok()) {
        clean_up(true);
        raise(names.error());
    }
    auto graph = substitute_inputs(payload_.graph_text, *names);
    if (!graph.ok()) raise(graph.error());
    graph_ = std::move(*graph);
    if (settings_.own_output_folder()) graph_ = with_output_folder(graph_, payload_.nodes, own_folder_);
}

void JobRun::check_before_sending() {
    if (!settings_.preflight) return;
    const auto info = shared_.object_info.get(api_, settings_.limits.response);
    const auto graph = parse_tolerant(payload_.graph_text);
    if (!info || !graph) return;  // ComfyUI's own validation is the judge
    if (const auto failure = preflight(*graph, *info, payload_.nodes)) raise(*failure);
}

/// The number for people never goes backwards, whatever is done again.
void JobRun::tell(double percent, const std::string& message, const Json& details) {
    told_percent_ = std::max(told_percent_, percent);
    context_.progress(told_percent_, message, "processing", details);
}

void JobRun::tell() {
    const std::string message = progress_.message();
    const double percent = progress_.percent();
    if (message == told_message_ && percent <= told_percent_ && preview_.is_null()) return;
    told_message_ = message;
    Json details = progress_.details();
    details["prompt_id"] = run_.prompt_id();
    if (progress_.running() && run_began_) {
        const auto elapsed = std::chrono::duration_cast<Ms>(Clock::now() - *run_began_);
        if (const auto left = shared_.etas.left(shape_, elapsed, percent))
            details["eta_seconds"] = static_cast<double>(left->count()) / 1000.0;
    }
    if (!preview_.is_null()) details["preview"] = std::exchange(preview_, nullptr);
    tell(percent, message, details);
}

Json process(const Shared& shared, const Job& job, JobContext& context) {
    auto payload = read_payload(job.payload_text);
    if (!payload.ok()) raise(payload.error());
    auto rules = output_rules(shared.settings.outputs, payload->outputs);
    if (!rules.ok()) raise(rules.error());
    JobRun run(shared, job, context, std::move(*payload), std::move(*rules));
    return run.go();
}

}  // namespace emprops::comfyui
