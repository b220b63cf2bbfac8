#include "supervisor/local_hub/store.h"

#include <fmt/format.h>

#include "supervisor/local_hub/database_file.h"
#include "supervisor/local_hub/sqlite.h"

namespace emprops::local_hub {
namespace {

using sqlite::Run;

constexpr int schema_version = 1;

// Payloads and results have tables of their own: SQLite would otherwise copy megabytes whenever a status
// changes.
constexpr const char* schema = R"sql(
CREATE TABLE jobs(
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  priority INTEGER NOT NULL,
  status TEXT NOT NULL,
  client_id TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  last_failer TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  created_at REAL NOT NULL,
  claimed_at REAL NOT NULL,
  completed_at REAL NOT NULL,
  progress INTEGER,
  message TEXT,
  error TEXT);
CREATE INDEX jobs_by_status ON jobs(status, type, priority DESC, sequence);
CREATE INDEX jobs_by_end ON jobs(completed_at) WHERE completed_at > 0;
CREATE TABLE payloads(
  sequence INTEGER PRIMARY KEY REFERENCES jobs(sequence) ON DELETE CASCADE,
  json TEXT NOT NULL);
CREATE TABLE results(
  sequence INTEGER PRIMARY KEY REFERENCES jobs(sequence) ON DELETE CASCADE,
  json TEXT NOT NULL);
PRAGMA user_version = 1;
)sql";

#define JOB_COLUMNS                                                                                         \
    "j.sequence, j.id, j.type, j.priority, j.status, j.client_id, j.worker_id, j.last_failer, j.attempts, " \
    "j.created_at, j.claimed_at, j.completed_at, j.progress, j.message, j.error"

constexpr std::uint64_t worth_rewriting_bytes = 16u << 20;
constexpr std::uint64_t kept_free_bytes = 4u << 20;  // for the jobs that come next

JobStatus status_named(std::string_view name) {
    for (const auto status :
         {JobStatus::claimed, JobStatus::completed, JobStatus::failed, JobStatus::cancelled}) {
        if (name == name_of(status)) return status;
    }
    return JobStatus::pending;
}

Job job_from(Run& row) {
    Job job;
    job.sequence = static_cast<std::uint64_t>(row.integer());
    job.id = row.text();
    job.type = row.text();
    job.priority = row.integer();
    job.status = status_named(row.text());
    job.client_id = row.text();
    job.worker_id = row.text();
    job.last_failer = row.text();
    job.attempts = static_cast<std::uint32_t>(row.integer());
    job.created_at = row.number();
    job.claimed_at = row.number();
    job.completed_at = row.number();
    const auto optional_text = [&row]() -> std::optional<std::string> {
        if (!row.null()) return row.text();
        row.skip();
        return std::nullopt;
    };
    if (row.null()) {
        row.skip();
    } else {
        job.progress = static_cast<int>(row.integer());
    }
    job.message = optional_text();
    job.error = optional_text();
    return job;
}

void bind_optional(Run& run, const std::optional<std::string>& text) {
    if (text) {
        run.bind(std::string_view(*text));
    } else {
        run.bind_null();
    }
}

void bind_changing(Run& run, const Job& job) {
    run.bind(name_of(job.status))
        .bind(std::string_view(job.worker_id))
        .bind(std::string_view(job.last_failer));
    run.bind(static_cast<std::int64_t>(job.attempts)).bind(job.claimed_at).bind(job.completed_at);
    if (job.progress) {
        run.bind(static_cast<std::int64_t>(*job.progress));
    } else {
        run.bind_null();
    }
    bind_optional(run, job.message);
    bind_optional(run, job.error);
}

}  // namespace

struct Store::Impl {
    std::unique_ptr<DatabaseFile> file;
    sqlite::Prepared insert_job, insert_payload, update_job, put_result, find_job, find_payload,
        unfinished_jobs, count_jobs, forget_jobs;

    std::vector<std::pair<sqlite::Prepared*, const char*>> statements() {
        return {
            {&insert_job,
             "INSERT INTO jobs(id, type, priority, client_id, created_at, status, worker_id, last_failer, "
             "attempts, claimed_at, completed_at, progress, message, error) "
             "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING"},
            {&insert_payload, "INSERT INTO payloads(sequence, json) VALUES(?,?)"},
            {&update_job,
             "UPDATE jobs SET status=?, worker_id=?, last_failer=?, attempts=?, claimed_at=?, "
             "completed_at=?, progress=?, message=?, error=? WHERE sequence=?"},
            {&put_result, "INSERT OR REPLACE INTO results(sequence, json) VALUES(?,?)"},
            {&find_job, "SELECT " JOB_COLUMNS
                        ", r.json FROM jobs j LEFT JOIN results r ON r.sequence = j.sequence WHERE j.id=?"},
            {&find_payload,
             "SELECT p.json FROM jobs j JOIN payloads p ON p.sequence = j.sequence WHERE j.id=?"},
            {&unfinished_jobs, "SELECT " JOB_COLUMNS
                               " FROM jobs j WHERE j.status IN ('pending','claimed') ORDER BY j.sequence"},
            {&count_jobs, "SELECT status, count(*) FROM jobs GROUP BY status"},
            {&forget_jobs,
             "DELETE FROM jobs WHERE sequence IN (SELECT sequence FROM jobs WHERE completed_at > 0 AND "
             "completed_at < ? ORDER BY completed_at LIMIT ?) RETURNING status"},
        };
    }

    // How a transaction goes, and a part of one.
    sqlite::Prepared begin_all, commit_all, undo_all, begin_part, keep_part, undo_part;
    bool batch = false;  ///< changes wait for commit()
    bool begun = false;  ///< the batch has changed something

    std::vector<std::pair<sqlite::Prepared*, const char*>> transactions() {
        return {{&begin_all, "BEGIN IMMEDIATE"}, {&commit_all, "COMMIT"},
                {&undo_all, "ROLLBACK"},         {&begin_part, "SAVEPOINT part"},
                {&keep_part, "RELEASE part"},    {&undo_part, "ROLLBACK TO part"}};
    }

    Error failure(std::string_view doing) const { return file->failure(doing); }
    bool run_script(const char* sql) { return file->run_script(sql); }
    static bool run(const sqlite::Prepared& statement) { return Run(statement).step() == SQLITE_DONE; }
    /// No transaction is open: a failure may have ended it.
    bool outside() const { return sqlite3_get_autocommit(file->get()) != 0; }

    /// Before a change: the batch, if there is one, is a transaction from here on.
    bool ready_to_change() {
        if (!batch) return true;
        // SQLite may have undone all of it by itself (a full disk): then none of what follows may be stored either.
        if (begun) return !outside();
        return begun = run(begin_all);
    }

    /// Runs `work` (which returns whether it succeeded) wholly or not at all.
    template <class Work>
    Result<> atomically(std::string_view doing, Work work) {
        if (!ready_to_change()) return failure(doing);
        if (!run(begun ? begin_part : begin_all)) return failure(doing);
        if (work() && run(begun ? keep_part : commit_all)) return Ok{};
        auto error = failure(doing);
        if (!begun) {
            run(undo_all);
        } else if (run(undo_part)) {
            run(keep_part);
        }
        return error;
    }

    Result<> commit() {
        batch = false;
        if (!std::exchange(begun, false)) return Ok{};
        constexpr const char* doing = "store what has just happened in";
        if (outside()) return failure(doing);
        if (run(commit_all)) return Ok{};
        auto error = failure(doing);
        if (!outside()) run(undo_all);
        return error;
    }

    bool change(const Job& job) {
        if (!ready_to_change()) return false;
        Run run(update_job);
        bind_changing(run, job);
        run.bind(static_cast<std::int64_t>(job.sequence));
        return run.step() == SQLITE_DONE;
    }

    Result<> prepare() {
        if (auto ready = bring_schema_up_to_date(); !ready.ok()) return ready;
        learn_to_give_back();
        for (const auto& some : {statements(), transactions()}) {
            for (const auto& [slot, sql] : some) {
                sqlite3_stmt* raw = nullptr;
                if (sqlite3_prepare_v3(file->get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) !=
                    SQLITE_OK) {
                    return failure("prepare a statement for");
                }
                slot->reset(raw);
            }
        }
        return Ok{};
    }

    /// The database of an earlier version keeps what it once took. It is rewritten, once, when that is much; where that
    /// does not work (no room for the copy) it stays as it is.
    void learn_to_give_back() {
        if (file->pragma("PRAGMA auto_vacuum").value_or(0) != 0 || file->free_bytes() < worth_rewriting_bytes)
            return;
        run_script("PRAGMA auto_vacuum=INCREMENTAL; VACUUM; PRAGMA wal_checkpoint(TRUNCATE);");
    }

    Result<> bring_schema_up_to_date() {
        const auto version = file->pragma("PRAGMA user_version");
        if (!version) return failure("read");
        if (*version > schema_version) {
            return Error{
                "schema_too_new",
                fmt::format("the hub's database {} has schema version {}, this program knows {}: use a "
                            "newer emprops-worker, or another database file",
                            file->name(), *version, schema_version)};
        }
        if (*version == schema_version) return Ok{};
        if (run_script("BEGIN IMMEDIATE") && run_script(schema) && run_script("COMMIT")) return Ok{};
        auto error = failure("create the tables of");
        run_script("ROLLBACK");
        return error;
    }
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store::Impl>> Store::open_impl(const std::filesystem::path& path) {
    auto file = DatabaseFile::open(path);
    if (!file.ok()) return file.error();
    auto impl = std::make_unique<Impl>();
    impl->file = std::move(file).value();
    if (auto prepared = impl->prepare(); !prepared.ok()) return prepared.error();
    return impl;
}

Result<std::unique_ptr<Store>> Store::open(const std::filesystem::path& path) {
    auto impl = open_impl(path);
    if (!impl.ok()) return impl.error();
    return std::unique_ptr<Store>(new Store(std::move(impl).value()));
}

Result<std::string> Store::look_after_file() {
    const std::string problem = impl_->file->misplaced();
    if (problem.empty()) return std::string();
    const auto fail = [&](const Error& error) {
        return Error{error.code,
                     problem + " and cannot be made again, so that its jobs live as long as this hub: " +
                         error.message};
    };
    const auto put = impl_->file->put_back();
    if (!put.ok()) return fail(put.error());
    auto again = open_impl(impl_->file->name());
    if (!again.ok()) return fail(again.error());
    impl_ = std::move(again).value();
    return problem + " and is made again with all jobs of this hub" + *put +
           "; keep cleaners away from it, or set local_hub.database";
}

void Store::begin() {
    impl_->batch = true;
}

bool Store::in_batch() const {
    return impl_->batch;
}

Result<> Store::commit() {
    return impl_->commit();
}

Result<std::uint64_t> Store::insert(const Job& job, std::string_view payload) {
    bool exists = false;
    std::int64_t sequence = 0;
    const auto stored = impl_->atomically("add a job to", [&] {
        Run row(impl_->insert_job);
        row.bind(std::string_view(job.id)).bind(std::string_view(job.type)).bind(job.priority);
        row.bind(std::string_view(job.client_id)).bind(job.created_at);
        bind_changing(row, job);
        if (row.step() != SQLITE_DONE) return false;
        exists = sqlite3_changes(impl_->file->get()) == 0;
        if (exists) return true;
        sequence = sqlite3_last_insert_rowid(impl_->file->get());
        Run text(impl_->insert_payload);
        return text.bind(sequence).bind(payload).step() == SQLITE_DONE;
    });
    if (!stored.ok()) return stored.error();
    if (exists) return Error{"exists", fmt::format("Job {} already exists", job.id)};
    return static_cast<std::uint64_t>(sequence);
}

Result<> Store::update(const Job& job) {
    if (!impl_->change(job)) return impl_->failure("change a job in");
    return Ok{};
}

Result<> Store::update_with_result(const Job& job, std::string_view result) {
    return impl_->atomically("store a result in", [&] {
        Run text(impl_->put_result);
        text.bind(static_cast<std::int64_t>(job.sequence)).bind(result);
        return text.step() == SQLITE_DONE && impl_->change(job);
    });
}

Result<std::optional<StoredJob>> Store::find(const std::string& job_id) {
    Run run(impl_->find_job);
    const auto step = run.bind(std::string_view(job_id)).step();
    if (step == SQLITE_DONE) return std::optional<StoredJob>();
    if (step != SQLITE_ROW) return impl_->failure("read");
    StoredJob stored{.job = job_from(run), .result = std::nullopt};
    if (!run.null()) stored.result = run.text();
    return std::optional<StoredJob>(std::move(stored));
}

Result<std::string> Store::payload(const std::string& job_id) {
    Run run(impl_->find_payload);
    const auto step = run.bind(std::string_view(job_id)).step();
    if (step == SQLITE_DONE) return Error{"not_found", fmt::format("Job {} not found", job_id)};
    if (step != SQLITE_ROW) return impl_->failure("read");
    return run.text();
}

Result<std::vector<Job>> Store::unfinished() {
    std::vector<Job> jobs;
    Run run(impl_->unfinished_jobs);
    int step = 0;
    while ((step = run.step()) == SQLITE_ROW)
        jobs.push_back(job_from(run));
    if (step != SQLITE_DONE) return impl_->failure("read the queue from");
    return jobs;
}

Result<std::map<JobStatus, std::uint64_t>> Store::count_by_status() {
    std::map<JobStatus, std::uint64_t> counts;
    Run run(impl_->count_jobs);
    int step = 0;
    while ((step = run.step()) == SQLITE_ROW) {
        const auto status = status_named(run.text());
        counts[status] = static_cast<std::uint64_t>(run.integer());
    }
    if (step != SQLITE_DONE) return impl_->failure("count the jobs in");
    return counts;
}

Result<std::map<JobStatus, std::uint64_t>> Store::forget_finished_before(double epoch_seconds, int limit) {
    std::map<JobStatus, std::uint64_t> forgotten;
    if (!impl_->ready_to_change()) return impl_->failure("trim the history of");
    Run run(impl_->forget_jobs);
    run.bind(epoch_seconds).bind(static_cast<std::int64_t>(limit));
    int step = 0;
    while ((step = run.step()) == SQLITE_ROW)
        ++forgotten[status_named(run.text())];
    if (step != SQLITE_DONE) return impl_->failure("trim the history of");
    return forgotten;
}

Result<bool> Store::give_back_space(std::uint64_t bytes) {
    const std::uint64_t free = impl_->file->free_bytes();
    const auto page = impl_->file->pragma("PRAGMA page_size");
    if (free <= kept_free_bytes || !page) return false;
    const std::uint64_t given = std::min(bytes, free - kept_free_bytes);
    const auto pages = given / static_cast<std::uint64_t>(*page);
    if (!impl_->run_script(("PRAGMA incremental_vacuum(" + std::to_string(pages) + ")").c_str()))
        return impl_->failure("give back space of");
    return impl_->file->free_bytes() < free && free - given > kept_free_bytes;
}

std::map<std::string, std::vector<std::string>> Store::query_plans() {
    std::map<std::string, std::vector<std::string>> plans;
    for (const auto& [slot, sql] : impl_->statements()) {
        sqlite3_stmt* raw = nullptr;
        const auto question = std::string("EXPLAIN QUERY PLAN ") + sql;
        sqlite3_prepare_v2(impl_->file->get(), question.c_str(), -1, &raw, nullptr);
        const sqlite::Prepared statement(raw);
        Run run(statement);
        auto& lines = plans[sql];
        while (run.step() == SQLITE_ROW) {
            for (int column = 0; column < 3; ++column)
                run.skip();
            lines.push_back(run.text());
        }
    }
    return plans;
}

}  // namespace emprops::local_hub
