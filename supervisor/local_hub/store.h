#pragma once
// Where jobs outlive the process. The core works through Store; SqliteStore is the one that ships, and tests
// use it with ":memory:". Every function happens wholly or not at all and is in the database when it returns;
// the core changes its memory and answers only after that. Event loop thread only.

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

class Store {
  public:
    virtual ~Store() = default;

    /// Takes a new job; gives its sequence number. Error "exists" when the id is known, finished or not.
    virtual Result<std::uint64_t> insert(const Job& job, std::string_view payload) = 0;
    /// Writes everything that can change in a job; the result stays as it is.
    virtual Result<> update(const Job& job) = 0;
    /// update() and the result.
    virtual Result<> update_with_result(const Job& job, std::string_view result) = 0;
    virtual Result<std::optional<StoredJob>> find(const std::string& job_id) = 0;
    /// Error "not_found" when there is no such job.
    virtual Result<std::string> payload(const std::string& job_id) = 0;
    /// Pending and claimed jobs, oldest first.
    virtual Result<std::vector<Job>> unfinished() = 0;
    virtual Result<std::map<JobStatus, std::uint64_t>> count_by_status() = 0;
    /// Deletes at most `limit` finished jobs that ended before `epoch_seconds`; gives their number per
    /// status.
    virtual Result<std::map<JobStatus, std::uint64_t>> forget_finished_before(double epoch_seconds,
                                                                              int limit) = 0;
};

/// SQLite in WAL mode with synchronous=NORMAL: nothing is lost when the process dies; a power cut can lose
/// the last moments (not the database). One process at a time: the file is locked while it is open.
class SqliteStore : public Store {
  public:
    /// Opens or creates the database and brings its schema up to date. Error "database_failed" (not
    /// writable, locked by another hub, not a database) or "schema_too_new", each saying what to do.
    static Result<std::unique_ptr<SqliteStore>> open(const std::filesystem::path& file);
    ~SqliteStore() override;

    Result<std::uint64_t> insert(const Job& job, std::string_view payload) override;
    Result<> update(const Job& job) override;
    Result<> update_with_result(const Job& job, std::string_view result) override;
    Result<std::optional<StoredJob>> find(const std::string& job_id) override;
    Result<std::string> payload(const std::string& job_id) override;
    Result<std::vector<Job>> unfinished() override;
    Result<std::map<JobStatus, std::uint64_t>> count_by_status() override;
    Result<std::map<JobStatus, std::uint64_t>> forget_finished_before(double epoch_seconds,
                                                                      int limit) override;

    /// How SQLite would run each of our statements ("EXPLAIN QUERY PLAN"), for the test that none of them
    /// walks through the finished jobs: SQL text -> plan lines.
    std::map<std::string, std::vector<std::string>> query_plans();

  private:
    struct Impl;
    explicit SqliteStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace emprops::local_hub
