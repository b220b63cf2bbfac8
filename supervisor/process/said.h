#pragma once
// What a child process says to people, and what the worker says of its lines: prints, `log` messages, complaints. It
// goes into the log at a bounded rate, into the evidence, to those who watch (`logs`), and the newest of it into `why`.
//
// Owned by who talks with the child (ConnectorProcess, Service); event loop thread only.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "ipc/codec.h"
#include "supervisor/base/log.h"
#include "supervisor/process/child.h"
#include "supervisor/process/last_said.h"
#include "supervisor/process/pipes/line_limiter.h"
#include "supervisor/process/pipes/newest_state.h"
#include "supervisor/process/status.h"
#include "supervisor/process/surroundings.h"

namespace emprops::process {

class Said {
  public:
    struct Speaker {
        InstanceId id;
        std::string logger;
        std::string prefix;  ///< of its lines for those who watch
        std::string lines;   ///< for sentences: "lines of output"
        std::string limit;   ///< the setting of lines_per_second
        std::uint32_t lines_per_second = 0;
    };
    /// `child`, `counters` and `last` outlive this.
    Said(Surroundings& around, Child& child, Speaker speaker, ProcessCounters& counters, LastSaid& last);

    /// A line of stderr, or any of a process that only prints.
    void line(std::string_view text, Pipe pipe);
    /// The newest state of one that has not ended; see IoEvents::on_state.
    void state(std::string_view text, Pipe pipe);
    /// A line on the stdout of one that sends messages, which is none; or its newest state.
    void stray(const ipc::Stray& stray, bool state = false);
    void message(const ipc::LogLine& message);
    /// A line that is wrong, or what follows from it. False: it was not logged, for there were too many.
    bool complain(const std::string& job_id, const std::string& text);
    /// The same for what is told once of a process; `what` names it.
    void complain_once(const std::string& what, const std::string& job_id, const std::string& text);
    /// The same for one that somebody else writes.
    bool may_complain() { return complaints_.allow(Clock::now()); }
    void trace(TraceLine::Kind kind, std::string_view text, bool state = false) const;

    /// At the end: logs how much the limits kept out of the log, and with `tail` the last lines.
    void say_what_was_dropped(bool tail);

  private:
    void pass(std::string_view text, Pipe pipe, bool state);
    bool may_pass();
    void print(TraceLine::Kind kind, const char* level, const std::string& text, const std::string& watched,
               bool state);
    void say_dropped();

    Surroundings& around_;
    Child& child_;
    Speaker speaker_;
    ProcessCounters& counters_;
    LastSaid& last_;
    std::shared_ptr<spdlog::logger> log_;
    LineLimiter lines_;
    LineLimiter complaints_;
    std::string last_hint_;
    std::set<std::string> told_;
};

}  // namespace emprops::process
