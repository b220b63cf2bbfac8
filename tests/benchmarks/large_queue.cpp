#include "tests/benchmarks/large_queue.h"

#include <sqlite3.h>

#include <chrono>
#include <memory>
#include <stdexcept>

#include "tests/support/free_ports.h"
#include "tests/support/worker_harness.h"

namespace emprops::bench {
namespace {

/// Runs the hub on it until it serves: the tables are as it wants them.
void make_tables(const std::string& database) {
    const test::TempDir folder;
    test::ChildOptions options;
    options.argv = {test::worker_binary(), "hub", "--set", "local_hub.database=" + database, "--set",
                    "local_hub.port=0"};
    options.working_directory = folder.path().string();
    test::ChildProcess hub(std::move(options));
    if (!hub.wait_stderr("local hub serves", test::Ms(20'000)))
        throw std::runtime_error("the hub did not make its tables: " + hub.stderr_text());
    hub.signal(SIGTERM);
    hub.wait(test::Ms(20'000));
}

/// Adds the jobs number `first` to `last`; `what`: the values that make them pending or finished ones.
std::string jobs(int first, int last, const std::string& what) {
    return "WITH RECURSIVE n(i) AS (VALUES(" + std::to_string(first) +
           ") UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(last) +
           ") INSERT INTO jobs(id, type, priority, client_id, worker_id, last_failer, attempts, created_at, "
           "claimed_at, status, completed_at, progress) SELECT printf('old-00000000-0000-4000-8000-%012d', i), " +
           what + " FROM n;";
}

}  // namespace

LargeQueue::LargeQueue(const LargeQueueOptions& options) {
    make_tables(path());
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open(path().c_str(), &raw);
    const std::unique_ptr<sqlite3, int (*)(sqlite3*)> database(raw, &sqlite3_close);
    const double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    const int all = options.finished + options.pending;
    const std::string ended = std::to_string(now) + " - 518400.0 * i / " + std::to_string(all + 1);
    std::string script = "PRAGMA synchronous=OFF; BEGIN;";
    if (options.finished > 0)
        script += jobs(1, options.finished,
                       "'simulation', 0, 'client-old', 'worker-old', '', 1, " + ended + " - 20, " + ended +
                           " - 10, 'completed', " + ended + ", 100");
    if (options.pending > 0)
        script += jobs(options.finished + 1, all,
                       "'" + options.pending_type + "', 0, 'client-old', '', '', 0, " + std::to_string(now) +
                           ", 0, 'pending', 0, NULL");
    script +=
        "INSERT INTO payloads SELECT sequence, '{\"processing_time\":0,\"steps\":1}' FROM jobs;"
        "INSERT INTO results SELECT sequence, printf('{\"status\":\"success\",\"output\":{\"job_id\":\"%s\",\"steps\":1}}', id)"
        " FROM jobs WHERE status = 'completed'; COMMIT; PRAGMA wal_checkpoint(TRUNCATE);";
    if (opened != SQLITE_OK || sqlite3_exec(raw, script.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
        throw std::runtime_error(std::string("the queue cannot be filled: ") + sqlite3_errmsg(raw));
}

}  // namespace emprops::bench
