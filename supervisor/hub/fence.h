#pragma once
// The questions about jobs: over a client connection of its own the Hub is asked what a job is, while it runs
// (a cancel is never told to workers), before an outcome of an earlier connection is sent, and after a
// refusal. The connection is opened when something is to be asked and closed when that is over. What an
// answer means is the session's to say. Pure; owned by the session.

#include <map>
#include <optional>
#include <string>

#include "ipc/hub/codec.h"
#include "supervisor/base/time.h"
#include "supervisor/hub/reconnect_policy.h"
#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/wire.h"

namespace emprops::hub {

/// What a job is at the Hub.
struct Verdict {
    std::string job_id;
    std::string state;  ///< claimed, pending, completed, failed, cancelled, unknown
    std::string worker_id;
    std::string message;
    std::optional<TimePoint> asked_at;  ///< by the last question about it
};

class Fence {
  public:
    /// Both must outlive the fence.
    Fence(const SessionSettings& settings, Wire& wire);

    // ---- the connection

    /// `wanted`: something is to be asked. Opens it at once, closes it some time after.
    void steer(TimePoint now, bool wanted);
    void close();
    void on_connected();
    void on_disconnected(const std::string& reason);
    void on_welcome() { reconnects_.reset(); }
    bool open() const { return state_ == State::open; }
    bool closed() const { return state_ == State::closed; }
    /// A question that is asked now is probably answered soon.
    bool answers() const { return open() || (state_ == State::opening && !failed_); }

    // ---- questions, while it is open

    /// If the last one is answered and older than this (a job that is watched), or was not answered for long.
    void ask(TimePoint now, const std::string& job_id);
    void ask_at_once(TimePoint now, const std::string& job_id);
    void forget_answered(TimePoint now);
    /// nullopt: half an answer, or none that is known.
    std::optional<Verdict> on_answer(const JobStatus& status);
    /// The Hub could not answer; what is not answered is asked again then.
    void on_trouble(TimePoint again);

    /// When the next question about it is due; nullopt: with the next batch.
    std::optional<TimePoint> due(const std::string& job_id) const;
    /// When it is closed if nothing is to be asked.
    TimePoint closes_at() const { return needed_at_ + settings_.watch_linger; }

  private:
    enum class State { closed, opening, open };
    struct Question {
        TimePoint at;
        bool answered = false;
        std::optional<TimePoint> again{};  ///< the Hub could not answer: asked again then
    };
    TimePoint next_after(const Question& question) const;

    const SessionSettings& settings_;
    Wire& wire_;
    State state_ = State::closed;
    bool failed_ = false;  ///< `opening`: not the first attempt
    ReconnectPolicy reconnects_;
    TimePoint needed_at_{};
    std::map<std::string, Question> questions_;  ///< the last one of each job
};

}  // namespace emprops::hub
