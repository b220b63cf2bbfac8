#pragma once
// The records that the dispatcher's rules work on, with instances and jobs put in by hand, for the tests of one
// rule at a time. No Dispatcher.

#include "dispatcher_desk.h"

namespace emprops::jobs::test {

struct Bench {
    Records records{64};
    TimePoint now{1h};
    std::uint64_t number = 0;
    std::uint64_t generation = 0;

    /// What is to be done since the last call, without notes.
    Lines events() {
        Lines lines;
        for (const Action& action : std::exchange(records.actions, {})) {
            if (const Note* note = std::get_if<Note>(&action)) notes.push_back(note->text);
            if (std::string line = describe(action); !line.empty()) lines.push_back(std::move(line));
        }
        return lines;
    }
    Lines notes;

    Instance& ready(const std::string& connector, int concurrency = 1,
                    ipc::Features features = {.cancel = true}) {
        process::InstanceInfo info;
        info.job_types = {"t"};
        info.concurrency = concurrency;
        info.features = features;
        return records.pool.put({connector, 0, ++generation}, info, policy);
    }
    const ActiveJob& assign(const std::string& job_id) {
        return records.book.add(now, {job_id, "t", 0, {R"({"n":1})"}, ++number}, "w-1");
    }
    /// It runs on this instance.
    const ActiveJob& run(const std::string& job_id, Instance& instance) {
        const ActiveJob& job = assign(job_id);
        ++instance.held;
        records.book.promise(job, instance.id);
        records.book.give(now, job, records.history.begin_attempt(job_id));
        return job;
    }
    config::SupervisionSettings policy;
};

inline process::DeathReport crash() {
    process::DeathReport report;
    report.signal = 11;
    return report;
}

}  // namespace emprops::jobs::test
