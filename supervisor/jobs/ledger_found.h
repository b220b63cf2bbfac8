#pragma once
// What lies in the ledger's folder when a worker starts: the journal of the one before it, and the files of a worker from
// before the journal. Blocking; for the opener.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "supervisor/jobs/journal/journal.h"
#include "supervisor/jobs/ledger_folder.h"
#include "supervisor/jobs/ledger_record.h"

namespace emprops::jobs {

struct LedgerFound {
    journal::Recovered journal;                        ///< of each number the one record that counts
    std::map<std::uint64_t, journal::DataFiles> data;  ///< which it names
    std::map<std::uint64_t, LedgerRecord> records;     ///< by number, whole; those of the old files, too
    std::map<std::uint64_t, std::string> old_files;    ///< of records that are not in the journal yet
    std::vector<std::string> leftovers;                ///< files that nothing names
    std::vector<std::string> warnings;                 ///< sentences: what is damaged and where it lies now
    std::uint64_t bad = 0;                             ///< so many were set aside
};

/// The records of a journal that can be used, whole, and the files that they name.
struct UsableRecords {
    std::map<std::uint64_t, LedgerRecord> records;     ///< by number
    std::map<std::uint64_t, journal::DataFiles> data;  ///< likewise
    std::vector<std::string> unusable;                 ///< sentences: which record is not, and why
};
/// Of each number the newest record that is whole and whose file is; all others leave `found`. `folder`: for people.
UsableRecords choose_records(const journal::Disk& disk, journal::Recovered& found,
                             const std::filesystem::path& folder = {});

/// It tells an older worker, which reads files only, that there is a journal.
inline constexpr const char* marker_file = "journal.json";

/// Sets aside what is damaged, of which the newest `max_bad` are kept. Error: the folder cannot be read.
Result<LedgerFound> find_ledger(LedgerFolder& folder, std::size_t max_bad);

}  // namespace emprops::jobs
