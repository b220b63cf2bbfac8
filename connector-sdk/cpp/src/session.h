#pragma once
// The life of a connector process: hello, initialize, ready, jobs, leave. Three kinds of threads: the main
// one runs initialize() and shutdown(); the reader answers the supervisor and never runs the author's code;
// each job has one of its own. The reader also ends the process when leaving takes too long.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "connector-sdk/cpp/src/job_run.h"
#include "connector-sdk/cpp/src/start.h"
#include "connector-sdk/cpp/src/stdio_guard.h"
#include "connector-sdk/cpp/src/wake_pipe.h"
#include "connector-sdk/cpp/src/writer.h"
#include "emprops/connector.h"
#include "ipc/messages.h"
#include "ipc/time/clock.h"

namespace emprops::sdk {

class Session : public ConnectorContext {
  public:
    Session(Connector& connector, std::string name, ProtocolDescriptors descriptors);
    ~Session() override;

    /// Blocks until the connector has left; returns the exit code.
    int run();

    void set_status(bool connected, bool available, const std::string& reason, const std::string& service,
                    const Json& details) override;
    void update_capabilities(const Json& capabilities) override;
    void restart_service(const std::string& reason) override;
    void log(const std::string& level, const std::string& message, const Json& fields) override;
    void preparing(std::optional<double> percent, const std::string& message) override;
    void metrics(const Json& counters, const Json& gauges) override;
    bool stopping() const override;

    // For raw_line.h only.
    Writer& writer() { return writer_; }
    void refuse_to_leave();
    static Session* current();

  private:
    struct JobThread {
        std::thread thread;
        bool done = false;
    };

    // main thread
    std::optional<ipc::Hello> wait_for_hello();
    int give_up(const StartFailure& failure);
    void announce(const ipc::Ready& ready);
    void wait_for_jobs();
    void leave_cleanly();

    // reader thread
    void read_loop();
    bool read_input();
    void on_line(std::string_view line);
    void on_overlong(std::string_view head, std::uint64_t size);
    void handle(ipc::Hello hello);
    void handle(const ipc::Job& job);
    void handle(const ipc::Begin& begin);
    void handle(const ipc::Cancel& cancel);
    void handle(const ipc::Ping& ping);
    void handle(const ipc::Drain& drain);
    void handle(const ipc::Shutdown& shutdown);
    /// Jobs that have begun and are not released, or those that have not begun.
    std::size_t count(bool begun) const;
    void refuse(const std::string& job_id, const std::string& why);
    void start(const ipc::Job& job);
    void join_finished_threads();
    [[noreturn]] void leave_by_force();

    void run_on_thread(RunningJob& run, JobThread& slot);
    void leave(const std::string& reason, std::chrono::milliseconds limit,
               CancelToken::Cause cause = CancelToken::Cause::leave);
    void send_when_ready(std::string line);

    Connector& connector_;
    const std::string name_;
    int in_fd_;
    std::string buffer_;
    WakePipe wake_pipe_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<ipc::Hello> hello_;
    bool ready_ = false;
    bool draining_ = false;
    bool immortal_ = false;
    std::optional<TimePoint> leave_deadline_;
    std::string leave_reason_;
    std::size_t concurrency_ = 1;
    const std::shared_ptr<Releases> releases_ = std::make_shared<Releases>();
    std::map<std::string, std::shared_ptr<RunningJob>> jobs_;
    std::deque<std::shared_ptr<RunningJob>> ended_;  // contexts that somebody may still call
    std::list<JobThread> threads_;
    std::optional<std::string> last_status_;
    std::deque<std::string> held_;  // status and capabilities from before `ready`

    Writer writer_;  // after what its thread uses
    std::thread reader_;
};

}  // namespace emprops::sdk
