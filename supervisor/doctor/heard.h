#pragma once
// What one process of a connector has said so far, line by line, as the doctor judges it. Pure; time is a parameter.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/codec.h"
#include "ipc/figures.h"
#include "supervisor/base/time.h"

namespace emprops::doctor {

/// How it ended; both empty while it runs.
struct Exit {
    std::optional<int> code;
    std::optional<int> signal;
    std::size_t left_behind = 0;
    std::string text;  ///< completes "it"
};

struct JobHeard {
    std::optional<TimePoint> first_sign;
    std::optional<TimePoint> end_at;
    int ends = 0;
    int after_end = 0;                     ///< messages about it behind its end, other ends included
    std::optional<ipc::JobResult> result;  ///< its first end, one of the two
    std::optional<ipc::Failed> failed;
    bool begun = false;  ///< accepted or progress
    double most = 0;
    bool fractions = false;
    std::string strange_progress;  ///< the first outside of 0 to 100
};

class Heard {
  public:
    void line(std::string_view text, TimePoint now);
    void overlong(std::uint64_t size);
    void stderr_line(std::string_view text, TimePoint now);
    void ended(Exit exit) { exit_ = std::move(exit); }
    /// A job with this id was given.
    void given(const std::string& job_id) { jobs_[job_id]; }

    const std::optional<ipc::Ready>& ready() const { return ready_; }
    const std::optional<ipc::JobError>& init_failed() const { return init_failed_; }
    /// When it last said `preparing`.
    std::optional<TimePoint> preparing_at() const { return preparing_at_; }
    const std::optional<Exit>& exit() const { return exit_; }
    const JobHeard& job(const std::string& job_id) const { return jobs_.at(job_id); }
    const std::map<std::string, JobHeard>& jobs() const { return jobs_; }
    bool pong(std::uint64_t id) const { return pongs_.count(id) > 0; }
    /// Of a connector with the feature `status`: it has said that jobs may come.
    bool available() const { return available_; }

    // ---- what is wrong, as sentences
    const std::vector<std::string>& broken() const { return broken_; }
    const std::vector<std::string>& hints() const { return hints_; }  ///< lines that were to be messages
    const std::vector<std::string>& before_ready() const { return before_ready_; }
    const std::vector<std::string>& prefixed() const { return prefixed_; }  ///< messages behind text
    const std::vector<std::string>& figures_wrong() const { return figures_wrong_; }
    const std::vector<std::string>& foreign() const { return foreign_; }  ///< ids of jobs that were not given
    std::uint64_t prints() const { return prints_; }
    const std::string& first_print() const { return first_print_; }
    /// Most lines of stderr within a second.
    std::uint64_t most_stderr_lines() const { return most_stderr_; }

  private:
    void message(const ipc::FromConnector& message, std::string_view text, TimePoint now);
    JobHeard* about(const std::string& job_id, const char* type, TimePoint now);

    std::optional<ipc::Ready> ready_;
    std::optional<ipc::JobError> init_failed_;
    std::optional<TimePoint> preparing_at_;
    std::optional<Exit> exit_;
    std::map<std::string, JobHeard> jobs_;
    std::set<std::uint64_t> pongs_;
    bool available_ = false;
    std::vector<std::string> broken_, hints_, before_ready_, prefixed_, figures_wrong_, foreign_;
    ipc::Figures figures_;
    std::uint64_t prints_ = 0;
    std::string first_print_;
    std::optional<TimePoint> second_;
    std::uint64_t in_second_ = 0;
    std::uint64_t most_stderr_ = 0;
};

}  // namespace emprops::doctor
