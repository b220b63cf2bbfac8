#pragma once
// What connectors say of the jobs that they hold, and that a job could not be given to one. Pure; part of the
// dispatcher.

#include <optional>
#include <string>

#include "supervisor/jobs/collecting.h"
#include "supervisor/jobs/ending.h"
#include "supervisor/jobs/placing.h"
#include "supervisor/jobs/records.h"

namespace emprops::jobs {

class Messages {
  public:
    Messages(Records& records, Placing& placing, Ending& ending, Collecting& collecting)
        : records_(records), placing_(placing), ending_(ending), collecting_(collecting) {}

    // See the events of the same names of the dispatcher.
    void not_given(TimePoint now, const process::InstanceId& id, const std::string& job_id,
                   const std::string& why);
    void not_begun(TimePoint now, const process::InstanceId& id, const std::string& job_id);
    void accepted(TimePoint now, const process::InstanceId& id, const ipc::Accepted& message);
    void progress(TimePoint now, const process::InstanceId& id, const ipc::Progress& message);
    void released(TimePoint now, const process::InstanceId& id, const ipc::Released& message);
    void result(TimePoint now, const process::InstanceId& id, ipc::JobResult message);
    void failed(TimePoint now, const process::InstanceId& id, const ipc::Failed& message);
    void service_request(const process::InstanceId& id, const ipc::ServiceRequest& message);
    void protocol_error(TimePoint now, const process::InstanceId& id,
                        const std::optional<std::string>& job_id, const std::string& code,
                        const std::string& text);

  private:
    /// The job of this message; nullptr: its sender does not hold it, which is counted and said.
    const ActiveJob* of_sender(const process::InstanceId& id, const std::string& job_id, const char* what);
    void sign_of_life(TimePoint now, const ActiveJob& job);
    bool not_prepared(TimePoint now, const ActiveJob& job, const ipc::JobError& error);
    void handed_back(TimePoint now, const ActiveJob& job, const ipc::JobError& error);
    bool answered(const process::InstanceId& id, const std::string& job_id);

    Records& records_;
    Placing& placing_;
    Ending& ending_;
    Collecting& collecting_;
};

}  // namespace emprops::jobs
