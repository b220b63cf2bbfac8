#pragma once
// What the rules of the dispatcher (placing, ending, messages, service faults) work on, and the list of what
// they want done. Each part keeps its own state; this only says that there is one of each.

#include <string>
#include <utility>
#include <vector>

#include "supervisor/jobs/actions.h"
#include "supervisor/jobs/blame.h"
#include "supervisor/jobs/drains.h"
#include "supervisor/jobs/job_book.h"
#include "supervisor/jobs/job_history.h"
#include "supervisor/jobs/pool.h"
#include "supervisor/jobs/stats.h"

namespace emprops::jobs {

struct Records {
    explicit Records(std::size_t history_size) : history(history_size) {}

    JobBook book;
    Pool pool;
    Drains drains;
    JobHistory history;
    Blame blame;
    Stats stats;
    std::vector<Action> actions;  ///< in the order in which they were decided

    /// This instance has the job, or may still have it: it must not get it once more.
    bool holds(const process::InstanceId& id, const std::string& job_id) const {
        const Instance* instance = pool.find(id);
        return (instance != nullptr && instance->unanswered.contains(job_id)) || book.bound(id, job_id);
    }
    void note(Note::Level level, const std::string& connector, const std::string& job_id, std::string text) {
        actions.push_back(Note{level, std::move(text), connector, job_id});
    }
};

}  // namespace emprops::jobs
