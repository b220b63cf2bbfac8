#include "supervisor/files/kept.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "ipc/envelope.h"
#include "ipc/json_text.h"
#include "ipc/object_text.h"
#include "supervisor/base/privacy.h"

namespace emprops::files {
namespace {

namespace fs = std::filesystem;

std::optional<Kept> read_note(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const ipc::ScanOutcome scanned = ipc::scan_envelope(text, {"delivery", "result"});
    if (!scanned.envelope) return std::nullopt;
    const auto state = scanned.envelope->find("delivery");
    const auto result = scanned.envelope->find("result");
    if (!state || !result) return std::nullopt;
    auto delivery = read_state(ipc::RawJson(std::string(*state)));
    if (!delivery || delivery->folder != file.stem()) return std::nullopt;
    Kept kept;
    kept.delivery = std::move(*delivery);
    kept.delivery.job_id = ipc::text_or_empty(scanned.envelope->fields, "job_id");
    kept.delivery.job_type = ipc::text_or_empty(scanned.envelope->fields, "job_type");
    kept.delivery.result = ipc::RawJson(std::string(*result));
    kept.delivery.resumed = true;
    kept.error = ipc::text_or_empty(scanned.envelope->fields, "error");
    std::error_code error;
    kept.since = fs::last_write_time(file, error);
    return kept;
}

}  // namespace

fs::path note_path(const fs::path& spool, const std::string& name) {
    return spool / (name + ".json");
}

Result<> write_note(const fs::path& spool, const Delivery& delivery, const ipc::JobError& error) {
    ipc::ObjectText note;
    note.add("job_id", delivery.job_id)
        .add("job_type", delivery.job_type)
        .add("error", error.message)
        .add_raw("delivery", state_text(delivery).text())
        .add_raw("result", delivery.result.text());
    const fs::path file = note_path(spool, delivery.folder), made = file.string() + ".new";
    // It may hold a URL that is a secret: for our own eyes, from its first byte.
    if (const int own = open_own_file(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC); own >= 0) ::close(own);
    std::ofstream stream(made, std::ios::binary | std::ios::trunc);
    stream << note.end() << '\n';
    stream.close();
    std::error_code failed;
    if (stream) fs::rename(made, file, failed);
    if (stream && !failed) return Ok{};
    return Error{"disk",
                 "cannot write " + file.string() + (failed ? ": " + failed.message() : " (disk full?)")};
}

std::vector<Kept> all_kept(const fs::path& spool) {
    std::vector<Kept> all;
    std::error_code error;
    for (fs::directory_iterator each(spool, error), end; !error && each != end; each.increment(error)) {
        if (each->path().extension() != ".json") continue;
        if (auto kept = read_note(each->path())) all.push_back(std::move(*kept));
    }
    std::sort(all.begin(), all.end(), [](const Kept& a, const Kept& b) { return a.since < b.since; });
    return all;
}

Result<Kept> find_kept(const fs::path& spool, const std::string& name) {
    std::vector<Kept> all = all_kept(spool);
    const auto found = std::find_if(all.rbegin(), all.rend(), [&](const Kept& each) {
        return each.delivery.folder == name || each.delivery.job_id == name;
    });
    if (found != all.rend()) return std::move(*found);
    return Error{"not_found", "no files of \"" + name + "\" are kept in " + spool.string() +
                                  "; `emprops-worker files` lists those that are"};
}

}  // namespace emprops::files
