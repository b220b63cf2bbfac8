#pragma once
// What follows from the end of a companion service that nobody had planned: the job that did it twice is
// poison, a machine on which different jobs do it is suspected instead, and where it is not known which of
// several jobs it was they run one at a time. Pure; part of the dispatcher.

#include <string>
#include <vector>

#include "supervisor/jobs/ending.h"
#include "supervisor/jobs/records.h"

namespace emprops::jobs {

class ServiceFaults {
  public:
    ServiceFaults(Records& records, Ending& ending) : records_(records), ending_(ending) {}

    void service_gone(TimePoint now, const std::string& connector, int index,
                      const process::DeathReport& report);

  private:
    /// One death: of whose service, and how.
    struct Death {
        Victim service;
        std::string name;  ///< "the service of comfyui/1"
        const process::DeathReport& report;
    };
    void blame_job(TimePoint now, const Death& death, const std::string& job_id, std::uint32_t limit);
    void blame_machine(TimePoint now, const Death& death, const std::vector<std::string>& jobs);
    void blame_nobody_yet(TimePoint now, const Death& death, const std::vector<std::string>& jobs);
    void judge(const Death& death, process::ServiceVerdict verdict, const std::string& text);
    /// The job of this id that a process of this instance holds.
    const ActiveJob* job_at(const Victim& service, const std::string& job_id) const;

    Records& records_;
    Ending& ending_;
};

}  // namespace emprops::jobs
