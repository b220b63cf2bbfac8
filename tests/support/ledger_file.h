#pragma once
// The job ledger on disk: what a running worker has in it, and records as files of their own, as workers before the
// journal wrote them.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/web/digest.h"
#include "supervisor/jobs/journal/recovery.h"
#include "supervisor/jobs/ledger_folder.h"
#include "supervisor/jobs/ledger_found.h"
#include "supervisor/jobs/ledger_record.h"

namespace emprops::test {

/// What counts in STATE_DIR/ledger.
inline std::vector<jobs::LedgerRecord> ledger_records(const std::filesystem::path& state_dir) {
    std::vector<jobs::LedgerRecord> all;
    const jobs::LedgerFolder folder(state_dir / "ledger", false);
    auto found = jobs::journal::recover(folder);
    if (!found.ok()) return all;
    for (auto& [number, record] : jobs::choose_records(folder, *found).records)
        all.push_back(std::move(record));
    return all;
}

inline std::string sealed_ledger_file(std::string_view covered) {
    return R"({"version":1,"checksum":")" + sha256_hex(covered) + R"(",)" + std::string(covered);
}
inline std::string ledger_file(const jobs::LedgerRecord& record) {
    const std::string members = jobs::encode_record(record);
    return sealed_ledger_file("\"number\":" + std::to_string(record.number) + "," + members + "}\n");
}
/// Any name with this end will do; the old ones were 32 hex digits of a hash.
inline std::string ledger_file_name(std::uint64_t number) {
    return sha256_hex(std::to_string(number)).substr(0, 32) + ".json";
}

}  // namespace emprops::test
