#pragma once
// Whose turn it is, where only so many may work at a time: jobs take turns. One that has more at work than another one
// that waits lets that go first. Pure; whoever shares an object locks it.

#include <cstddef>
#include <set>
#include <string>

namespace emprops::courier {

class Turns {
  public:
    explicit Turns(std::size_t most) : most_(most) {}

    /// Each call of wait() is followed by begin() (when it is due) or leave(); each begin() by end().
    void wait(const std::string& job_id) { waiting_.insert(job_id); }
    bool is_due(const std::string& job_id) const;
    void begin(const std::string& job_id);
    void leave(const std::string& job_id) { waiting_.erase(waiting_.find(job_id)); }
    void end(const std::string& job_id) { at_work_.erase(at_work_.find(job_id)); }

  private:
    const std::size_t most_;
    std::multiset<std::string> at_work_, waiting_;
};

}  // namespace emprops::courier
