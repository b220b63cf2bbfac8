#include "connector-sdk/cpp/src/session.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "connector-sdk/cpp/src/json_limits.h"
#include "ipc/codec.h"

namespace emprops::sdk {
namespace {

constexpr auto pipe_gone_limit = std::chrono::milliseconds(2000);

Session* current_session = nullptr;  // set while run() runs; for raw_line.h

}  // namespace

Session::Session(Connector& connector, std::string name, ProtocolDescriptors descriptors)
    : connector_(connector), name_(std::move(name)), in_fd_(descriptors.in), writer_(descriptors.out, [this] {
          leave("the supervisor reads no more", pipe_gone_limit, CancelToken::Cause::gone);
      }) {
    current_session = this;
}

Session::~Session() {
    if (reader_.joinable()) {
        wake_pipe_.wake(WakePipe::finished);
        reader_.join();
    }
    current_session = nullptr;
}

Session* Session::current() {
    return current_session;
}

int Session::run() {
    reader_ = std::thread([this] { read_loop(); });
    const auto hello = wait_for_hello();
    if (!hello) return 0;
    const auto started = start_connector(connector_, name_, *hello, *this);
    if (const auto* failure = std::get_if<StartFailure>(&started)) return give_up(*failure);
    announce(std::get<ipc::Ready>(started));
    wait_for_jobs();
    leave_cleanly();
    return 0;
}

std::optional<ipc::Hello> Session::wait_for_hello() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return hello_ || leave_deadline_; });
    return hello_;
}

int Session::give_up(const StartFailure& failure) {
    std::fprintf(stderr, "%s cannot start: %s\n", name_.c_str(), failure.error.message.c_str());
    writer_.send(ipc::encode(ipc::InitFailed{failure.error}));
    leave("it could not start", pipe_gone_limit);  // from here the reader guards the time
    writer_.flush();
    return failure.exit_code;
}

void Session::announce(const ipc::Ready& ready) {
    std::lock_guard lock(mutex_);
    if (leave_deadline_) return;
    concurrency_ = static_cast<std::size_t>(ready.concurrency);
    writer_.send(ipc::encode(ready));
    for (auto& line : std::exchange(held_, {}))
        writer_.send(std::move(line));
    ready_ = true;
}

void Session::wait_for_jobs() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] {
        return leave_deadline_ && std::all_of(threads_.begin(), threads_.end(),
                                              [](const JobThread& thread) { return thread.done; });
    });
}

void Session::leave_cleanly() {
    {
        std::lock_guard lock(mutex_);  // no job starts any more: leave_deadline_ is set
        join_finished_threads();
    }
    try {
        connector_.shutdown();
    } catch (...) {
        std::fprintf(stderr, "%s: shutdown() threw: %s\n", name_.c_str(),
                     error_of_exception().message.c_str());
    }
    writer_.flush();
}

void Session::run_on_thread(RunningJob& run, JobThread& slot) {
    std::string line = run_job(connector_, run, hello_->max_line_bytes);
    run.close();
    {
        // Before the supervisor can know that the slot is free.
        std::lock_guard lock(mutex_);
        constexpr std::size_t kept = 256;
        const auto entry = jobs_.find(run.job().job_id);
        ended_.push_back(entry->second);
        jobs_.erase(entry);
        if (ended_.size() > kept) ended_.pop_front();
    }
    writer_.finish(run.job().job_id, std::move(line));
    run.end_release();
    run.token().join();
    std::lock_guard lock(mutex_);
    slot.done = true;
    changed_.notify_all();
}

void Session::leave(const std::string& reason, std::chrono::milliseconds limit, CancelToken::Cause cause) {
    std::lock_guard lock(mutex_);
    if (immortal_) return;
    const auto deadline = Clock::now() + limit;
    if (!leave_deadline_) leave_reason_ = reason;
    leave_deadline_ = std::min(leave_deadline_.value_or(deadline), deadline);
    draining_ = true;
    for (auto& [job_id, run] : jobs_)
        run->token().cancel(reason, cause);
    changed_.notify_all();
    wake_pipe_.wake(0);  // the reader has a deadline to watch now
}

void Session::send_when_ready(std::string line) {
    if (ready_)
        writer_.send(std::move(line));
    else
        held_.push_back(std::move(line));
}

void Session::set_status(bool connected, bool available, const std::string& reason,
                         const std::string& service, const Json& details) {
    ipc::Status status;
    status.connected = connected;
    status.available = available;
    status.reason = shortened(reason);
    status.service = service;
    status.details = object_or_null(details);
    std::string line = ipc::encode(status);
    std::lock_guard lock(mutex_);
    if (last_status_ == line) return;  // connectors poll; the Hub need not hear of it
    last_status_ = line;
    send_when_ready(std::move(line));
}

void Session::update_capabilities(const Json& capabilities) {
    ipc::Capabilities update;
    update.capabilities = object_or_null(capabilities);
    if (update.capabilities->is_null()) update.capabilities = Json::object();
    update.job_types = connector_.job_types();
    const int own = std::max(1, connector_.concurrency());
    std::lock_guard lock(mutex_);
    // What is configured for the connector stays in force, as in its `ready`.
    update.concurrency = hello_ && hello_->concurrency ? *hello_->concurrency : own;
    concurrency_ = static_cast<std::size_t>(*update.concurrency);
    send_when_ready(ipc::encode(update));
}

void Session::restart_service(const std::string& reason) {
    writer_.send(ipc::encode(ipc::RestartService{shortened(reason)}));
}

void Session::log(const std::string& level, const std::string& message, const Json& fields) {
    ipc::LogLine line;
    line.level = level;
    line.message = shortened(message);
    line.fields = object_or_null(fields);
    writer_.send_droppable(ipc::encode(line));
}

void Session::preparing(std::optional<double> percent, const std::string& message) {
    std::lock_guard lock(mutex_);
    if (ready_ || !hello_ || !hello_->prepare_timeout) return;
    writer_.send_droppable(ipc::encode(ipc::Preparing{to_percent(percent), shortened(message)}));
}

void Session::metrics(const Json& counters, const Json& gauges) {
    ipc::Metrics figures;
    if (counters.is_object()) figures.counters = counters;
    if (gauges.is_object()) figures.gauges = gauges;
    std::lock_guard lock(mutex_);
    if (ready_) writer_.send_droppable(ipc::encode(figures));
}

bool Session::stopping() const {
    std::lock_guard lock(mutex_);
    return draining_;
}

void Session::refuse_to_leave() {
    std::lock_guard lock(mutex_);
    immortal_ = true;
}

}  // namespace emprops::sdk
