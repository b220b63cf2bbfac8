#include "supervisor/jobs/collecting.h"

#include <utility>

#include "ipc/file_marks.h"

namespace emprops::jobs {

void Collecting::release(const ActiveJob& job) {
    if (job.run.released || job.state != JobState::running) return;
    Instance& instance = *records_.pool.find(*job.instance);
    const int most = static_cast<int>(instance.policy.released_jobs);
    if (instance.released >= most)
        return records_.note(Note::Level::debug, instance.id.connector, job.id(),
                             "released, but it keeps its slot: " + process::to_string(instance.id) + " has " +
                                 std::to_string(most) + " released jobs already (released_jobs)");
    records_.book.release(job);
    ++instance.released;
    // Whatever its service does from here on, it does for another job.
    records_.blame.ended({instance.id.connector, instance.id.index, true}, job.id(), false);
    records_.note(Note::Level::debug, instance.id.connector, job.id(), "released its slot");
}

void Collecting::begin(TimePoint now, const ActiveJob& job, Collected what) {
    if (Result<> fits = ipc::check_file_marks(what.result.text(), what.files.size()); !fits) {
        ending_.finish(now, job, Failed{{ipc::code::protocol_error, fits.error().message, true, {}}});
        return ending_.let_go(job);
    }
    Instance& instance = *records_.pool.find(*job.instance);
    if (job.ahead) {  // it was done before its turn came
        --instance.ahead;
        ++instance.held;
        records_.book.turn(job);
    }
    // Its connector has done what it was to do; what follows is not its business.
    for (const bool service : {true, false})
        records_.blame.ended({instance.id.connector, instance.id.index, service}, job.id(), true);
    records_.book.collect(job);
    records_.actions.push_back(CollectFiles{*job.instance, job.id(), job.assignment.job_type,
                                            job.assignment.number, job.mark, std::move(what)});
}

void Collecting::collected(TimePoint now, std::uint64_t number) {
    const ActiveJob* job = in_state(number, JobState::collecting);
    if (job == nullptr) return;
    if (job->instance) records_.actions.push_back(JobEnded{*job->instance, job->id()});
    placing_.unbind(*job);
    records_.book.deliver(now, *job);
    if (records_.drains.gives_back(Drains::whole_worker)) records_.book.leave_deliveries_behind();
}

void Collecting::not_collected(TimePoint now, std::uint64_t number, ipc::JobError error) {
    if (const ActiveJob* job = in_state(number, JobState::collecting))
        ending_.fail(now, *job, std::move(error));
}

void Collecting::delivery_progress(TimePoint now, std::uint64_t number, const ipc::Progress& progress) {
    const ActiveJob* job = in_state(number, JobState::delivering);
    if (job == nullptr) return;
    ipc::Progress mine = progress;
    mine.job_id = job->id();
    records_.book.progress(now, *job, mine);
    records_.actions.push_back(ReportProgress{job->id(), job->assignment.number, std::move(mine)});
}

bool Collecting::delivered(TimePoint now, std::uint64_t number, std::variant<Completed, Failed> value) {
    const ActiveJob* job = in_state(number, JobState::delivering);
    if (job == nullptr) return false;
    ending_.finish(now, *job, std::move(value));
    ending_.let_go(*job);
    return true;
}

void Collecting::adopted(std::uint64_t from, const ActiveJob& job) {
    adopted_[from] = job.assignment.number;
    std::erase_if(adopted_,
                  [&](const auto& each) { return records_.book.find(newest(each.second)) == nullptr; });
    records_.actions.push_back(RenumberDelivery{from, job.assignment.number});
}

std::uint64_t Collecting::newest(std::uint64_t number) const {
    for (auto next = adopted_.find(number); next != adopted_.end(); next = adopted_.find(number))
        number = next->second;
    return number;
}

void Collecting::resume(TimePoint now, const ActiveJob& job) {
    records_.book.deliver(now, job);
    if (records_.drains.gives_back(Drains::whole_worker)) records_.book.leave_deliveries_behind();
    records_.actions.push_back(ResumeDelivery{job.assignment.number, job.id()});
}

void Collecting::come_back(TimePoint now, const ActiveJob& job) {
    placing_.record_again(job);
    records_.note(
        Note::Level::info, "", job.id(),
        "came back with the files of its result still here: they are delivered, nothing runs again");
    resume(now, job);
}

const ActiveJob* Collecting::in_state(std::uint64_t number, JobState state) const {
    const ActiveJob* job = records_.book.find(newest(number));
    return job != nullptr && job->state == state ? job : nullptr;
}

}  // namespace emprops::jobs
