#include "connector-sdk/cpp/src/job_files.h"

#include <algorithm>
#include <string>
#include <utility>

#include "connector-sdk/cpp/src/json_limits.h"
#include "ipc/result_files.h"

namespace emprops::sdk {
namespace {

ipc::ResultFile to_message(OutputFile file) {
    ipc::ResultFile out;
    out.path = std::move(file.path);
    out.url = std::move(file.url);
    out.name = std::move(file.name);
    out.mime_type = std::move(file.mime_type);
    out.kind = std::move(file.kind);
    out.node = std::move(file.node);
    if (!file.deliver.empty()) out.deliver = std::move(file.deliver);
    out.strip_metadata = file.strip_metadata;
    out.more = std::move(file.more);
    return out;
}

JobFailure too_large(const std::string& what) {
    return {ipc::code::result_too_large, "the files of the result are too many: " + what, false};
}

/// Its length as text; what the worker would not understand is refused here.
std::size_t text_bytes(const ipc::ResultFile& file, const std::string& place) {
    if (!depth_within(file.more, ipc::max_file_depth))
        throw JobFailure(ipc::code::protocol_error,
                         place + " is nested deeper than " + std::to_string(ipc::max_file_depth) + " levels",
                         false);
    try {
        return ipc::to_json(file).dump().size() + 1;  // and a comma
    } catch (const Json::exception&) {
        throw JobFailure(ipc::code::protocol_error, place + " holds text that is not UTF-8", false);
    }
}

}  // namespace

JobFailure no_files() {
    return {
        ipc::code::unsupported,
        "this worker takes no files of results (its `hello` has no `files`): it is older than this connector; "
        "update it",
        false};
}

JobFiles::JobFiles(const std::optional<ipc::FilesOffer>& offer)
    : max_files_(offer ? std::optional(std::min(static_cast<std::size_t>(std::max(offer->max_files, 0)),
                                                ipc::max_result_files))
                       : std::nullopt) {}

Json JobFiles::add(OutputFile file) {
    if (!max_files_) throw no_files();
    std::lock_guard lock(mutex_);
    const std::size_t index = files_.size();
    if (!closed_) {
        if (index >= *max_files_) throw too_large("the worker takes " + std::to_string(*max_files_));
        auto checked = ipc::complete_file(to_message(std::move(file)), index);
        if (!checked) throw JobFailure(checked.error().code, checked.error().message, false);
        const std::size_t bytes =
            bytes_ + text_bytes(checked.value(), "files[" + std::to_string(index) + "]");
        if (bytes >= ipc::max_files_bytes)
            throw too_large("what is said of them has more than " + std::to_string(ipc::max_files_bytes) +
                            " bytes");
        bytes_ = bytes;
        files_.push_back(std::move(checked).value());
    }
    return {{"$file", index}};
}

std::vector<ipc::ResultFile> JobFiles::take() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    return std::exchange(files_, {});
}

bool Releases::take(int limit) {
    std::lock_guard lock(mutex_);
    if (taken_ >= limit) return false;
    ++taken_;
    return true;
}

void Releases::give_back() {
    std::lock_guard lock(mutex_);
    --taken_;
}

}  // namespace emprops::sdk
