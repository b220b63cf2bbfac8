#pragma once
// A connector as the scripts of the doctor see it: one process at a time, what is said to it and what it says. The
// scripts know no processes; child_patient.h is the real one, tests have one that is made up.

#include <functional>
#include <string>

#include "ipc/messages.h"
#include "ipc/result.h"
#include "supervisor/base/time.h"
#include "supervisor/doctor/heard.h"

namespace emprops::doctor {

class Patient {
  public:
    virtual ~Patient() = default;

    /// A new process; an earlier one is ended by force.
    virtual Result<> start() = 0;
    /// What a supervisor would say to it first.
    virtual ipc::Hello hello() const = 0;
    virtual void send(const ipc::ToConnector& message) = 0;
    /// Bytes as they are; they give this job (empty: none).
    virtual void send_text(std::string text, const std::string& job_id = {}) = 0;
    virtual void close_stdin() = 0;
    /// SIGTERM to its process group.
    virtual void terminate() = 0;
    /// Makes the scratch folder of a job.
    virtual std::string work_dir(const std::string& job_id) = 0;
    /// The folder of a job that has ended: why these files cannot be taken; empty: they can.
    virtual std::string wrong_files(const std::string& work_dir, const ipc::JobResult& result) const = 0;

    virtual const Heard& heard() const = 0;
    /// Programs that it has started since its `ready` and that have its stdin (0) or stdout (1); empty: none was seen.
    virtual std::string heir(int descriptor) const = 0;
    virtual TimePoint now() const = 0;
    /// Lets time pass until the condition holds. False: it did not within `limit`.
    virtual bool wait(const std::function<bool()>& condition, Ms limit) = 0;

    /// Lets this time pass; a process that ends meanwhile ends the wait.
    void pause(Ms time) {
        wait([this] { return heard().exit().has_value(); }, time);
    }
};

}  // namespace emprops::doctor
