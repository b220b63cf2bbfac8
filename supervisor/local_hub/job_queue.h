#pragma once
// The pending jobs in the order in which they are to be offered: higher priority first, then order of
// submission, per job type. Pure; owned by Core. No operation depends on how many jobs have finished.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "supervisor/local_hub/types.h"

namespace emprops::local_hub {

class JobQueue {
  public:
    void add(const Job& job);
    void remove(const Job& job);

    /// The first job of these types that `accept` takes, by priority and order over all of them.
    std::optional<std::string> first(const std::set<std::string>& types,
                                     const std::function<bool(const std::string& job_id)>& accept) const;
    /// How many jobs of the same type are offered before this pending one.
    std::size_t ahead_of(const Job& job) const;

    std::size_t size() const { return size_; }
    std::size_t size_with_priority() const { return with_priority_; }
    bool empty() const { return size_ == 0; }

  private:
    using Bucket = std::map<std::uint64_t, std::string>;                      // sequence -> id
    using Line = std::map<std::int64_t, Bucket, std::greater<std::int64_t>>;  // priority -> bucket
    std::unordered_map<std::string, Line> lines_;                             // by type
    std::size_t size_ = 0;
    std::size_t with_priority_ = 0;  // the Hub shows jobs with a priority above 0 apart
};

}  // namespace emprops::local_hub
