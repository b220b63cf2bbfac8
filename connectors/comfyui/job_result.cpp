// The end of a job: its result or its failure.

#include <filesystem>

#include "connectors/comfyui/job_run.h"
#include "ipc/text/percent.h"

namespace emprops::comfyui {
namespace {

double as_seconds(Ms time) {
    return static_cast<double>(time.count()) / 1000.0;
}

const char* class_for(const std::string& code) {
    if (code == "invalid_payload") return "validation";
    if (code == "service_unavailable") return "unreachable";
    if (code == "access_denied") return "access";
    if (code == "cancelled") return "cancelled";
    if (code == "internal") return "disk";
    return "server_error";
}

}  // namespace

void raise(const Failure& failure) {
    throw JobFailure(failure.code, failure.message, failure.retryable, failure.details);
}

void raise(const Error& error) {
    const bool permanent = error.code == "invalid_payload";
    throw JobFailure(error.code, error.message, !permanent, {{"class", class_for(error.code)}});
}

void JobRun::fail(const Outcome& outcome) {
    Failure failure = outcome.failure;
    switch (outcome.kind) {
        case Outcome::Kind::cancelled:
            failure = {"cancelled", "cancelled; the prompt was taken out of ComfyUI", false, Json::object()};
            if (outcome.abandoned) {
                failure.message = "cancelled; ComfyUI has not let go of the prompt yet, it is being watched";
            }
            break;
        case Outcome::Kind::refused:
            failure = validation_failure(
                outcome.refusal, payload_.nodes,
                [this](const std::string& type, const std::string& input) { return choices(type, input); },
                [this] { return classes(); });
            break;
        case Outcome::Kind::node_failed:
            failure = node_failure(outcome.node_error, payload_.nodes);
            break;
        case Outcome::Kind::failed:
            if (failure.code == "access_denied") {
                failure = access_failure(failure.details.value("http_status", 0L), settings_.server.text());
            }
            break;
        case Outcome::Kind::succeeded:
            break;
    }
    failure.details["prompt_id"] = outcome.prompt_id;
    if (!outcome.notes.empty()) failure.details["notes"] = outcome.notes;
    raise(failure);
}

std::vector<std::string> JobRun::choices(const std::string& type, const std::string& input) {
    const auto info = api_.get_json("/object_info/" + text::percent_encode(type), settings_.limits.response);
    const auto* value = std::get_if<Json>(&info);
    return value == nullptr ? std::vector<std::string>{} : choices_of(*value, type, input);
}

std::vector<std::string> JobRun::classes() {
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
std::optional<Json> JobRun::deliver(const Outcome& outcome) {
    const TimePoint began = Clock::now();
    const Outputs outputs = collect_outputs(outcome.outputs, output_rules_.temp, payload_.outputs.nodes);
    std::uint64_t text_bytes = 0;
    for (const OutputText& text : outputs.texts) {
        text_bytes += text.text.size();
    }
    // Texts are not put into base64, so they take less of the budget.
    Delivery delivery(
        api_, settings_, output_rules_,
        {job_.job_id, outcome.prompt_id, job_.work_dir, own_folder_, outcome.cached_nodes, !outcome.earlier},
        cancelled_, pause_, text_bytes / 4 * 3);
    Json files = Json::array();
    bool referenced = false;  // a link into ComfyUI was given out
    const auto take = [&](Json entry) {
        referenced = referenced || entry.at("delivery") == "reference";
        files.push_back(std::move(entry));
    };
    const std::size_t total = outputs.files.size() + pictures_.size();
    const auto tell_file = [&](const std::string& name) {
        const double share =
            static_cast<double>(files.size()) / static_cast<double>(std::max<std::size_t>(total, 1));
        tell(95 + 4 * share, "delivering " + name, Json::object());
    };
    for (const OutputFile& file : outputs.files) {
        if (cancelled_()) raise(Failure{"cancelled", "cancelled while delivering", false, Json::object()});
        tell_file(file.filename);
        auto entry = delivery.deliver(file);
        if (std::holds_alternative<Delivery::FilesGone>(entry)) return {};
        if (auto* failure = std::get_if<Failure>(&entry)) raise(*failure);
        take(std::move(std::get<Json>(entry)));
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
        take(std::move(std::get<Json>(entry)));
    }
    Json texts = Json::array();
    for (const OutputText& text : outputs.texts) {
        texts.push_back({{"node", text.node}, {"kind", text.kind}, {"text", text.text}});
    }
    Json timing = {{"download", as_seconds(std::chrono::duration_cast<Ms>(Clock::now() - began))}};
    const auto put = [&](const char* key, const std::optional<Ms>& time) {
        timing[key] = time ? Json(as_seconds(*time)) : Json();
    };
    put("queued", outcome.timing.queued);
    put("load", outcome.timing.load);
    put("execute", outcome.timing.execute);
    if (outcome.timing.execute && !payload_.nodes.empty()) {
        const double share = 1.0 - static_cast<double>(outcome.cached_nodes.size()) /
                                       static_cast<double>(payload_.nodes.size());
        shared_.etas.learn(shape_, *outcome.timing.execute, share);
    }
    delivery.remove_delivered();
    clean_up(!referenced);
    Json output = {{"prompt_id", outcome.prompt_id},
                   {"files", std::move(files)},
                   {"texts", std::move(texts)},
                   {"timing", std::move(timing)},
                   {"cached_nodes", outcome.cached_nodes}};
    Json notes = outcome.notes;
    const int dropped = registration_.box()->pictures_dropped() + pictures_dropped_;
    if (dropped > 0 && !socket_savers_.empty()) {
        notes.push_back(std::to_string(dropped) +
                        " pictures that came over the WebSocket were dropped: they were too many, or "
                        "came faster than they were taken");
    }
    if (!notes.empty()) output["notes"] = std::move(notes);
    if (outputs.temp_left_out > 0) output["temp_files_left_out"] = outputs.temp_left_out;
    if (outputs.inputs_left_out > 0) output["input_files_left_out"] = outputs.inputs_left_out;
    return Json{{"status", "success"}, {"output", std::move(output)}};
}

/// Called when the prompt is gone from ComfyUI: removes the job's folders where they can be reached.
void JobRun::clean_up(bool outputs_too) {
    if (settings_.comfyui_folder.empty()) return;
    const std::filesystem::path base = settings_.comfyui_folder;
    const std::string& own = own_folder_;
    std::error_code ignored;
    if (!payload_.inputs.empty()) std::filesystem::remove_all(base / "input" / own, ignored);
    if (outputs_too && settings_.delete_delivered && settings_.own_output_folder())
        std::filesystem::remove_all(base / "output" / own, ignored);
}

}  // namespace emprops::comfyui
