#include "supervisor/files/kept.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "ipc/envelope.h"
#include "ipc/json_text.h"
#include "ipc/object_text.h"
#include "supervisor/jobs/ledger_folder.h"

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

Result<> write_note(const fs::path& spool, const Delivery& delivery, const ipc::JobError& error, bool sync) {
    ipc::ObjectText note;
    note.add("job_id", delivery.job_id)
        .add("job_type", delivery.job_type)
        .add("error", error.message)
        .add_raw("delivery", state_text(delivery).text())
        .add_raw("result", delivery.result.text());
    // It may hold a URL that is a secret; the files of such a folder are for our own eyes, from their first byte.
    return jobs::LedgerFolder(spool, sync)
        .replace(note_path(spool, delivery.folder).filename().string(), note.end() + "\n");
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

std::vector<std::string> outdated(const std::vector<Kept>& all, fs::file_time_type now, ipc::Ms age,
                                  std::uint64_t most_bytes) {
    std::vector<std::string> folders;
    std::uint64_t bytes = 0;
    for (auto each = all.rbegin(); each != all.rend(); ++each) {  // the newest first
        bytes += each->delivery.bytes();
        if (now - each->since > age || bytes > most_bytes) folders.push_back(each->delivery.folder);
    }
    return folders;
}

Result<Kept> kept_in(const fs::path& spool, const std::string& folder) {
    if (auto kept = read_note(note_path(spool, folder))) return std::move(*kept);
    return Error{"not_found", "there is no note " + note_path(spool, folder).string()};
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
