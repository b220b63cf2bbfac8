// The end of a job: its result or its failure.

#include <algorithm>
#include <filesystem>
#include <map>

#include "connectors/comfyui/job/job_run.h"
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

Failure JobRun::failure_of(const Outcome& outcome) {
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
    return failure;
}

/// What nodes had put out before the prompt failed, and where it still lies.
Json JobRun::files_left(const Outcome& outcome) const {
    constexpr std::size_t most = 100;
    Json out = Json::array();
    for (const OutputFile& file :
         collect_outputs(outcome.outputs, output_rules_.temp, payload_.outputs.nodes).files) {
        if (!file.named_by.empty() || out.size() >= most) continue;
        out.push_back({{"node", file.node},
                       {"kind", file.kind},
                       {"filename", file.filename},
                       {"subfolder", file.subfolder},
                       {"type", file.type},
                       {"url", api_.public_view_url(file)}});
    }
    return out;
}

void JobRun::fail(const Outcome& outcome) {
    Failure failure = failure_of(outcome);
    Json left = files_left(outcome);
    // What the prompt may still read stays where it is, and so does what is named here.
    if (!outcome.abandoned) clean_up(left.empty());
    failure.details["prompt_id"] = outcome.prompt_id;
    if (!outcome.notes.empty()) failure.details["notes"] = outcome.notes;
    if (!left.empty()) {
        failure.message += "; what other nodes put out lies in ComfyUI's folders (" +
                           std::to_string(left.size()) + (left.size() == 1 ? " file" : " files") +
                           ", see details.files); allow_partial would deliver it";
        failure.details["files"] = std::move(left);
    }
    raise(failure);
}

bool JobRun::is_asked_for(const std::string& node) const {
    const auto& wanted = payload_.outputs.nodes;
    return wanted.empty() || std::any_of(wanted.begin(), wanted.end(),
                                         [&](const auto& each) { return is_of_node(node, each); });
}

/// What is to be delivered, previews too where there is nothing else; says so in `notes`. `pictures`: there
/// are some that came over the WebSocket.
Outputs JobRun::outputs_of_run(const Outcome& outcome, bool pictures, Json& notes) const {
    const auto& nodes = payload_.outputs.nodes;
    Outputs outputs = collect_outputs(outcome.outputs, output_rules_.temp, nodes);
    if (!outputs.files.empty() || pictures) return outputs;
    if (outputs.temp_left_out > 0 && outputs.texts.empty() && payload_.outputs.temp != false) {
        outputs = collect_outputs(outcome.outputs, true, nodes);
        notes.push_back(
            "the workflow has preview nodes only: the previews (type temp) were delivered, since there was "
            "nothing else. Add SaveImage or another saving node, or ask for previews with outputs.temp");
    } else if (outputs.temp_left_out > 0) {
        notes.push_back(std::to_string(outputs.temp_left_out) +
                        " previews (type temp) were left out, and there was no other file: outputs.temp "
                        "asks for them");
    } else if (outputs.texts.empty() && outputs.others_left_out > 0) {
        notes.push_back("the nodes in outputs.nodes put out nothing; " +
                        std::to_string(outputs.others_left_out) + " other nodes did");
    } else if (outputs.texts.empty() && outputs.inputs_left_out > 0) {
        notes.push_back("the workflow put out nothing but its own input files");
    } else if (outputs.texts.empty()) {
        notes.push_back("the workflow put out no file and no text");
    }
    return outputs;
}

namespace {

std::string extension_of_picture(const std::string& mime_type) {
    static const std::map<std::string, std::string> known{
        {"image/png", ".png"}, {"image/jpeg", ".jpg"},  {"image/webp", ".webp"}, {"image/gif", ".gif"},
        {"image/bmp", ".bmp"}, {"image/avif", ".avif"}, {"image/tiff", ".tiff"}};
    const auto at = known.find(mime_type);
    return at == known.end() ? ".bin" : at->second;
}

}  // namespace

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
std::optional<Json> JobRun::deliver(const Outcome& outcome, const std::string& note) {
    const TimePoint began = Clock::now();
    auto pictures = pictures_.take(outcome.outputs);
    pictures.erase(std::remove_if(pictures.begin(), pictures.end(),
                                  [this](const auto& each) { return !is_asked_for(each.node); }),
                   pictures.end());
    Json notes = outcome.notes;
    if (!note.empty()) notes.push_back(note);
    Outputs outputs = outputs_of_run(outcome, !pictures.empty(), notes);
    std::uint64_t text_bytes = 0;
    for (const OutputText& text : outputs.texts) {
        text_bytes += text.text.size();
    }
    // Texts are not put into base64, so they take less of the budget.
    Delivery delivery(api_, settings_, output_rules_,
                      {job_.job_id, outcome.prompt_id, job_.work_dir, own_folder_, outcome.cached_nodes,
                       !outcome.origin.earlier},
                      cancelled_, pause_, text_bytes / 4 * 3);
    Json files = Json::array();
    bool referenced = false;  // a link into ComfyUI was given out
    const auto take = [&](Json entry) {
        referenced = referenced || entry.at("delivery") == "reference";
        files.push_back(std::move(entry));
    };
    const std::size_t total = outputs.files.size() + pictures.size();
    const auto tell_file = [&](const std::string& name) {
        const double share =
            static_cast<double>(files.size()) / static_cast<double>(std::max<std::size_t>(total, 1));
        tell(95 + 4 * share, "delivering " + name, Json::object());
    };
    for (const OutputFile& file : outputs.files) {
        if (cancelled_()) raise(Failure{"cancelled", "cancelled while delivering", false, Json::object()});
        tell_file(file.filename);
        auto entry = delivery.deliver(file);
        if (std::holds_alternative<Delivery::FilesGone>(entry)) {
            if (file.named_by.empty()) return {};
            outputs.texts.push_back({file.node, file.kind, file.named_by});  // it was a text after all
            continue;
        }
        if (auto* failure = std::get_if<Failure>(&entry)) raise(*failure);
        take(std::move(std::get<Json>(entry)));
    }
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        const SocketPicture& picture = pictures[i];
        const OutputFile file{picture.node,
                              "images",
                              "websocket_" + std::to_string(i + 1) + extension_of_picture(picture.mime_type),
                              "",
                              "websocket",
                              picture.mime_type};
        tell_file(file.filename);
        auto entry = delivery.deliver_bytes(file, picture.bytes);
        if (auto* failure = std::get_if<Failure>(&entry)) raise(*failure);
        take(std::move(std::get<Json>(entry)));
    }
    if (!delivery.local_links().empty()) {
        notes.push_back("the links of this result are not for everybody: " + delivery.local_links() +
                        "; reference_base_url makes them usable elsewhere");
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
