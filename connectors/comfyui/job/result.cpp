#include "connectors/comfyui/job/result.h"

#include <algorithm>
#include <map>
#include <utility>

#include "connectors/comfyui/job/failing.h"
#include "connectors/comfyui/job/raise.h"

namespace emprops::comfyui {
namespace {

double as_seconds(Ms time) {
    return static_cast<double>(time.count()) / 1000.0;
}

std::string extension_of_picture(const std::string& mime_type) {
    static const std::map<std::string, std::string> known{
        {"image/png", ".png"}, {"image/jpeg", ".jpg"},  {"image/webp", ".webp"}, {"image/gif", ".gif"},
        {"image/bmp", ".bmp"}, {"image/avif", ".avif"}, {"image/tiff", ".tiff"}};
    const auto at = known.find(mime_type);
    return at == known.end() ? ".bin" : at->second;
}

std::vector<SocketPicture> wanted_pictures(const JobScope& scope, std::vector<SocketPicture> all) {
    all.erase(std::remove_if(all.begin(), all.end(),
                             [&](const auto& each) { return !scope.is_asked_for(each.node); }),
              all.end());
    return all;
}

Json with_notes(Json notes, const std::vector<std::string>& more) {
    for (const std::string& note : more) {
        notes.push_back(note);
    }
    return notes;
}

Fetching::Hand hand_of(const JobScope& scope) {
    return [&context = scope.context](emprops::OutputFile file) { return context.add_file(std::move(file)); };
}

/// What texts take of the budget for inline files, which counts bytes before base64; texts stay as they are.
std::uint64_t inline_size(const std::vector<OutputText>& texts) {
    std::uint64_t bytes = 0;
    for (const OutputText& text : texts) {
        bytes += text.text.size();
    }
    return bytes / 4 * 3;
}

}  // namespace

Outputs outputs_to_deliver(const Json& named, const Wanted& wanted, const OutputWishes& wishes, bool pictures,
                           Json& notes) {
    Outputs outputs = collect_outputs(named, wanted.temp, wishes.nodes);
    if (!outputs.files.empty() || pictures) return outputs;
    if (outputs.temp_left_out > 0 && outputs.texts.empty() && wishes.temp != false) {
        outputs = collect_outputs(named, true, wishes.nodes);
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

ResultMaker::ResultMaker(const JobScope& scope, const Outcome& outcome, SocketPictures& pictures,
                         Report& report, const std::string& note, bool released)
    : scope_(scope),
      outcome_(outcome),
      report_(report),
      pictures_(wanted_pictures(scope, pictures.take(outcome.outputs))),
      notes_(with_notes(outcome.notes, scope.payload.notes)),
      outputs_(outputs_to_deliver(outcome.outputs, scope.wanted, scope.payload.outputs, !pictures_.empty(),
                                  notes_)),
      fetching_(scope.api, scope.settings(), scope.wanted,
                {scope.job.work_dir, scope.own_folder, outcome.cached_nodes, !outcome.origin.earlier,
                 released ? outcome.timing.ended_at_ms : std::nullopt},
                scope.cancelled, scope.pause, inline_size(outputs_.texts), hand_of(scope)) {
    if (!note.empty()) notes_.push_back(note);
}

std::variant<Json, OutputFile> ResultMaker::make() {
    const TimePoint began = Clock::now();
    if (auto gone = fetch_files()) return std::move(*gone);
    keep_pictures();
    Json texts = Json::array();
    for (const OutputText& text : outputs_.texts) {
        texts.push_back({{"node", text.node}, {"kind", text.kind}, {"text", text.text}});
    }
    if (outcome_.timing.execute) report_.learn(*outcome_.timing.execute, outcome_.cached_nodes.size());
    Json output = {{"prompt_id", outcome_.prompt_id},
                   {"files", std::move(files_)},
                   {"texts", std::move(texts)},
                   {"timing", timing(since(began, Clock::now()))},
                   {"cached_nodes", outcome_.cached_nodes}};
    fetching_.remove_originals();
    scope_.clean_up(!fetching_.gave_links());
    if (!notes_.empty()) output["notes"] = std::move(notes_);
    if (outputs_.temp_left_out > 0) output["temp_files_left_out"] = outputs_.temp_left_out;
    if (outputs_.inputs_left_out > 0) output["input_files_left_out"] = outputs_.inputs_left_out;
    return Json{{"status", "success"}, {"output", std::move(output)}};
}

/// The one that ComfyUI does not have.
std::optional<OutputFile> ResultMaker::fetch_files() {
    for (const OutputFile& file : outputs_.files) {
        if (scope_.cancelled()) raise_cancelled("cancelled while its files were fetched");
        tell(file.filename);
        auto entry = fetching_.fetch(file);
        if (std::holds_alternative<Fetching::FilesGone>(entry)) {
            if (file.named_by.empty()) return file;
            outputs_.texts.push_back({file.node, file.kind, file.named_by});  // it was a text after all
            continue;
        }
        if (fetching_.found_replaced()) scope_.shared.keeps_slot = true;
        if (auto* failure = std::get_if<Failure>(&entry)) give_up(std::move(*failure));
        files_.push_back(std::move(std::get<Json>(entry)));
    }
    return {};
}

void ResultMaker::keep_pictures() {
    for (std::size_t i = 0; i < pictures_.size(); ++i) {
        const SocketPicture& picture = pictures_[i];
        const OutputFile file{picture.node,
                              "images",
                              "websocket_" + std::to_string(i + 1) + extension_of_picture(picture.mime_type),
                              "",
                              "websocket",
                              picture.mime_type};
        tell(file.filename);
        auto entry = fetching_.keep(file, picture.bytes);
        if (auto* failure = std::get_if<Failure>(&entry)) give_up(std::move(*failure));
        files_.push_back(std::move(std::get<Json>(entry)));
    }
}

void ResultMaker::give_up(Failure failure) const {
    if (failure.code == "cancelled") raise(failure);
    Json left = files_left(scope_, outcome_);
    failure.details["prompt_id"] = outcome_.prompt_id;
    if (!left.empty()) failure.details["files"] = std::move(left);
    raise(failure);
}

void ResultMaker::tell(const std::string& file) const {
    const std::size_t total = std::max<std::size_t>(outputs_.files.size() + pictures_.size(), 1);
    report_.tell(95 + 4 * static_cast<double>(files_.size()) / static_cast<double>(total),
                 "fetching " + file);
}

Json ResultMaker::timing(Ms download) const {
    const auto seconds = [](const std::optional<Ms>& time) {
        return time ? Json(as_seconds(*time)) : Json();
    };
    return {{"queued", seconds(outcome_.timing.queued)},
            {"load", seconds(outcome_.timing.load)},
            {"execute", seconds(outcome_.timing.execute)},
            {"download", as_seconds(download)}};
}

}  // namespace emprops::comfyui
