#pragma once
// The end of a job whose result names files: its connector is free as soon as the worker has the files, and the job
// ends when they are where they are wanted. Also the job that is released before: it takes no slot any more. Pure;
// part of the dispatcher; the files themselves are supervisor/files.
//
//   running --released--> running, without a slot
//   running --result with files--> CollectFiles --collected--> delivering --delivered--> Finished
//                                       '--not_collected--> Finished(failed)

#include <cstdint>
#include <map>
#include <variant>

#include "supervisor/jobs/ending.h"
#include "supervisor/jobs/placing.h"
#include "supervisor/jobs/records.h"

namespace emprops::jobs {

class Collecting {
  public:
    Collecting(Records& records, Placing& placing, Ending& ending)
        : records_(records), placing_(placing), ending_(ending) {}

    /// The job takes no slot of its instance any more, unless too many of that are released already.
    void release(const ActiveJob& job);
    /// The connector is done with the job. A result that does not fit its files fails it.
    void begin(TimePoint now, const ActiveJob& job, Collected what);

    // See the events of the same names of the dispatcher.
    void collected(TimePoint now, std::uint64_t number);
    void not_collected(TimePoint now, std::uint64_t number, ipc::JobError error);
    void delivery_progress(TimePoint now, std::uint64_t number, const ipc::Progress& progress);
    bool delivered(TimePoint now, std::uint64_t number, std::variant<Completed, Failed> value);
    /// The Hub assigned the job once more, and it has its new number already. Until supervisor/files has heard of that
    /// it speaks of the old one.
    void adopted(std::uint64_t from, const ActiveJob& job);

    /// An earlier worker process left its delivery, and the job is ours.
    void resume(TimePoint now, const ActiveJob& job);
    /// It was here before, and its files still are.
    void come_back(TimePoint now, const ActiveJob& job);

  private:
    const ActiveJob* in_state(std::uint64_t number, JobState state) const;
    std::uint64_t newest(std::uint64_t number) const;

    Records& records_;
    Placing& placing_;
    Ending& ending_;
    std::map<std::uint64_t, std::uint64_t> adopted_;  // old numbers, of jobs that there are
};

}  // namespace emprops::jobs
