#include "connectors/comfyui/transfer/fetching.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "connectors/comfyui/transfer/nearby.h"
#include "ipc/text/people.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

namespace fs = std::filesystem;

/// The clock of files is some milliseconds behind that of messages, never before it.
constexpr std::int64_t time_slack_ms = 2;

bool write_output(const std::string& path, std::string_view bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.flush();
    return file.good();
}

}  // namespace

Fetching::Fetching(Api& api, const Settings& settings, Wanted wanted, RunOfFiles run,
                   std::function<bool()> cancelled, const Pause& pause, std::uint64_t inline_used, Hand hand)
    : api_(api),
      settings_(settings),
      wanted_(std::move(wanted)),
      run_(std::move(run)),
      cancelled_(std::move(cancelled)),
      downloads_(settings.limits.unreachable, pause),
      hand_(std::move(hand)),
      inline_used_(inline_used) {}

std::string Fetching::next_path() {
    return run_.work_dir + "/output-" + std::to_string(count_++);
}

/// A copy of the file in ComfyUI's folder, where that is the one that ComfyUI would send; else it sends it.
Api::Download Fetching::bring(const OutputFile& file, const std::string& path) {
    constexpr int most_copies = 2;  // it may be changed during the first
    for (int copies = 0; copies < most_copies; ++copies) {
        const auto near = NearbyFile::open(settings_.comfyui_folder, file);
        if (!near) break;
        auto answer = api_.download(file, path, near->etag());
        if (!std::holds_alternative<Api::Unchanged>(answer)) return answer;
        if (near->size() > settings_.outputs.max_file_bytes) return api_.too_large(file, near->size());
        switch (near->copy_to(path, cancelled_)) {
            case NearbyFile::Copied::whole:
                return Api::Downloaded{near->written_at_ms()};
            case NearbyFile::Copied::not_written:
                return Setback{failure_of(Cause::disk, "cannot write " + path + ": " + std::strerror(errno))};
            case NearbyFile::Copied::cancelled:
                return Setback{failure_of(Cause::cancelled, "cancelled while its files were copied")};
            case NearbyFile::Copied::not_the_same:
                break;
        }
    }
    return api_.download(file, path);
}

std::variant<Json, Fetching::FilesGone, Failure> Fetching::fetch(const OutputFile& file) {
    const std::string path = next_path();
    bool gone = false;
    std::optional<std::int64_t> written_at_ms;
    const auto setback = downloads_.run([&]() -> std::optional<Setback> {
        auto answer = bring(file, path);
        gone = std::holds_alternative<Api::Missing>(answer);
        if (const auto* there = std::get_if<Api::Downloaded>(&answer)) written_at_ms = there->written_at_ms;
        if (auto* failed = std::get_if<Setback>(&answer)) return std::move(*failed);
        return {};
    });
    if (gone) return FilesGone{};
    if (setback && cancelled_())
        return failure_of(Cause::cancelled, "cancelled while its files were fetched");
    if (setback) {
        Failure failure = setback->failure;
        failure.message += ". It still lies in ComfyUI: " + api_.public_view_url(file);
        return failure;
    }
    if (run_.ended_at_ms && written_at_ms && *written_at_ms > *run_.ended_at_ms + time_slack_ms)
        return replaced(file);
    auto handed = hand_over(file, path, true);
    if (auto* failed = std::get_if<Failure>(&handed)) return std::move(*failed);
    return std::move(std::get<Json>(handed));
}

std::variant<Json, Failure> Fetching::keep(const OutputFile& file, const std::string& bytes) {
    const std::string path = next_path();
    if (!write_output(path, bytes)) return failure_of(Cause::disk, "cannot write " + path + " (disk full?)");
    return hand_over(file, path, false);
}

Failure Fetching::replaced(const OutputFile& file) {
    replaced_ = true;
    return failure_of(
        Cause::files_replaced,
        "\"" + file.filename + "\" (node " + file.node +
            ") was written after this job's prompt had ended: it is another prompt's. Let the workflow "
            "save under names of its own, or set output_subfolder");
}

/// Takes `inline` out of `stores` where this job's inline files and texts would be more than is allowed.
std::optional<Failure> Fetching::limit_inline(const OutputFile& file, std::uint64_t size, bool in_comfyui,
                                              std::vector<std::string>& stores) {
    if (!wanted_.inline_max_bytes) return {};
    const std::uint64_t budget = *wanted_.inline_max_bytes;
    if (inline_used_ <= budget && size <= budget - inline_used_) {
        inline_used_ += size;
        return {};
    }
    std::erase(stores, "inline");
    if (!stores.empty()) return {};
    return failure_of(Cause::result_too_large,
                      "\"" + file.filename + "\" (node " + file.node + ") cannot be delivered: it has " +
                          exact_bytes(size) + ", and of inline_max_bytes (" + exact_bytes(budget) +
                          ", for all files and texts of a job together) " +
                          (inline_used_ == 0 ? "nothing is" : exact_bytes(inline_used_) + " are") +
                          " taken. To do: raise inline_max_bytes, or add a store to deliver" +
                          (in_comfyui ? ". It still lies in ComfyUI: " + api_.public_view_url(file)
                                      : ". It came over the WebSocket and lies nowhere else"));
}

/// The file stays in the job's folder, from which the worker takes it.
std::variant<Json, Failure> Fetching::hand_over(const OutputFile& file, const std::string& path,
                                                bool in_comfyui) {
    std::error_code error;
    const std::uint64_t size = fs::file_size(path, error);
    if (error) return failure_of(Cause::disk, "cannot read " + path + " again: " + error.message());
    std::vector<std::string> stores = wanted_.stores;
    if (auto failed = limit_inline(file, size, in_comfyui, stores)) return std::move(*failed);
    emprops::OutputFile out;
    out.path = path;
    out.name = file.filename;
    out.mime_type = file.mime_type;
    out.kind = file.kind;
    out.node = file.node;
    out.strip_metadata = wanted_.strip_metadata;
    out.more = {{"filename", file.filename}, {"subfolder", file.subfolder}, {"type", file.type}};
    if (wanted_.named || stores != wanted_.stores) out.deliver = stores;
    // A link into ComfyUI would lead to the file with its metadata, or to one that is removed. Where there is nothing
    // but links, they are what is wanted.
    const bool only_links = stores == std::vector<std::string>{"reference"};
    const bool linked = wanted_.names("reference") && (only_links || !settings_.delete_delivered);
    if (in_comfyui && !wanted_.strip_metadata && linked) {
        out.url = api_.public_view_url(file);
        gave_links_ = true;
    } else if (in_comfyui) {
        remember_original(file);
    }
    return hand_(std::move(out));
}

void Fetching::remember_original(const OutputFile& file) {
    if (!settings_.delete_delivered || settings_.comfyui_folder.empty() || file.type != "output") return;
    const fs::path inside = (fs::path(file.subfolder) / file.filename).lexically_normal();
    if (inside.empty() || inside.is_absolute() || *inside.begin() == "..") return;
    const bool own_folder = !run_.own_folder.empty() && inside.string().rfind(run_.own_folder + "/", 0) == 0;
    const auto& cached = run_.cached_nodes;
    const bool made_now = run_.own_run && !text::has_item(cached, file.node);
    if (own_folder || made_now)
        originals_.push_back((fs::path(settings_.comfyui_folder) / "output" / inside).string());
}

void Fetching::remove_originals() {
    std::error_code ignored;
    for (const std::string& path : std::exchange(originals_, {})) {
        fs::remove(path, ignored);
    }
}

}  // namespace emprops::comfyui
