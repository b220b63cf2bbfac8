#pragma once
// The cancel state of one job, and whether its turn has come. Thread-safe; owned by the job, shared with its context.
// Callbacks run on threads of their own, so that one that hangs delays neither pings nor other jobs.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace emprops::sdk {

class CancelToken {
  public:
    /// `gone`: as leave, but nobody asked: the supervisor is dead.
    enum class Cause { cancel, leave, gone };

    CancelToken() = default;
    ~CancelToken() { join(); }
    CancelToken(const CancelToken&) = delete;
    CancelToken& operator=(const CancelToken&) = delete;

    /// The first call decides reason and cause and runs the callbacks; but a real cancel after a leave
    /// changes the cause, because then nothing is to be delivered.
    void cancel(const std::string& reason, Cause cause);

    /// For the job: as above, and remembered in observed().
    bool cancelled() const;
    std::string reason() const;
    bool wait(std::chrono::milliseconds duration) const;
    void on_cancel(std::function<void()> callback);
    /// True when its turn has come, false when it is cancelled before.
    bool wait_turn() const;

    /// For the SDK: without leaving a trace.
    bool fired() const;
    Cause cause() const;
    /// True if the job has seen (by asking or by a callback) that it is to stop.
    bool observed() const;
    /// Of a job that is to be prepared first, and then at its begin.
    void set_turn(bool come);
    bool has_turn() const;
    /// Waits for callbacks that still run. No callback starts after it.
    void join();

  private:
    void start(std::function<void()> callback);

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    bool fired_ = false;
    bool turn_ = true;
    bool joined_ = false;
    mutable bool observed_ = false;
    Cause cause_ = Cause::cancel;
    std::string reason_;
    std::vector<std::function<void()>> callbacks_;
    std::vector<std::thread> threads_;
};

}  // namespace emprops::sdk
