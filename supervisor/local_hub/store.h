#pragma once
// Where jobs outlive the process; tests open ":memory:". Every function happens wholly or not at all. Its change is
// in the database when it returns, or in a batch at commit(); the core changes its memory after the former, and says
// so after the latter. Event loop thread only.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/result.h"
#include "supervisor/local_hub/types.h"

namespace emprops::local_hub {

struct StoredJob {
    Job job;
    std::optional<std::string> result;  ///< JSON text, byte for byte as it came
};

/// SQLite in WAL mode with synchronous=NORMAL: nothing is lost when the process dies; a power cut can lose
/// the last moments (not the database). One process at a time: the file is locked while it is open.
class Store {
  public:
    /// Opens or creates the database and brings its schema up to date. Error "database_failed" (not
    /// writable, locked by another hub, not a database) or "schema_too_new", each saying what to do.
    static Result<std::unique_ptr<Store>> open(const std::filesystem::path& path);
    ~Store();

    /// Not within a batch. Looks whether the database's files are still there, and makes what a cleaner removed or
    /// somebody replaced again, with everything that this store has. Empty: nothing was wrong; else what was done, a
    /// sentence for a person. After an error the store goes on without a file that anybody will find.
    Result<std::string> look_after_file();

    /// From here to commit() all changes are one transaction. A function that fails changes nothing even there. May be
    /// called again before commit().
    void begin();
    bool in_batch() const;
    /// After an error none of the changes since begin() is in the database. Without begin() it does nothing.
    Result<> commit();

    /// Takes a new job; gives its sequence number. Error "exists" when the id is known, finished or not.
    Result<std::uint64_t> insert(const Job& job, std::string_view payload);
    /// Writes everything that can change in a job; the result stays as it is.
    Result<> update(const Job& job);
    /// update() and the result.
    Result<> update_with_result(const Job& job, std::string_view result);
    Result<std::optional<StoredJob>> find(const std::string& job_id);
    /// Error "not_found" when there is no such job.
    Result<std::string> payload(const std::string& job_id);
    /// Pending and claimed jobs, oldest first.
    Result<std::vector<Job>> unfinished();
    Result<std::map<JobStatus, std::uint64_t>> count_by_status();
    /// Deletes at most `limit` finished jobs that ended before `epoch_seconds`; gives their number per
    /// status.
    Result<std::map<JobStatus, std::uint64_t>> forget_finished_before(double epoch_seconds, int limit);

    /// Gives space of what was forgotten back to the file system, at most `bytes` of it; some stays for what comes
    /// next. True: there is more to give.
    Result<bool> give_back_space(std::uint64_t bytes);

    /// How SQLite would run each of our statements ("EXPLAIN QUERY PLAN"), for the test that none of them
    /// walks through the finished jobs: SQL text -> plan lines.
    std::map<std::string, std::vector<std::string>> query_plans();

  private:
    struct Impl;
    explicit Store(std::unique_ptr<Impl> impl);
    static Result<std::unique_ptr<Impl>> open_impl(const std::filesystem::path& path);
    std::unique_ptr<Impl> impl_;
};

}  // namespace emprops::local_hub
