#pragma once
// What the dispatcher has counted since the start of the process, for metrics. Plain values.

#include <cstdint>
#include <map>
#include <string>

namespace emprops::jobs {

struct Stats {
    std::uint64_t assigned = 0;                        ///< assignments taken, restored ones included
    std::uint64_t given = 0;                           ///< times a job was given to a connector
    std::uint64_t resumed = 0;                         ///< of these: jobs of a dead process, given once more
    std::uint64_t completed = 0;                       ///< ended with a result
    std::map<std::string, std::uint64_t> failed;       ///< by JobError::code
    std::uint64_t returned = 0;                        ///< of these: nobody had begun it
    std::map<std::string, std::uint64_t> undelivered;  ///< by UndeliveredCode
    std::uint64_t not_started = 0;                     ///< times a connector refused a job
    std::uint64_t deaths = 0;                          ///< processes that died while they held a job
    std::uint64_t ignored = 0;  ///< messages for jobs that their sender did not hold (second results, ...)
    std::uint64_t poisoned_jobs = 0;  ///< job ids that are remembered as poison now
};

}  // namespace emprops::jobs
