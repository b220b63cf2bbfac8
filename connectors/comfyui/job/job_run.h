#pragma once
// The shell around a Run for one job: carries out what the run asks for, tells it the answers, and ends with a
// result or a failure. Lives on the job's thread. job.cpp is its only user.

#include <optional>
#include <string>

#include "connectors/comfyui/job/failing.h"
#include "connectors/comfyui/job/groundwork.h"
#include "connectors/comfyui/job/job.h"
#include "connectors/comfyui/job/mail.h"
#include "connectors/comfyui/job/picture_wait.h"
#include "connectors/comfyui/job/pictures.h"
#include "connectors/comfyui/job/report.h"
#include "connectors/comfyui/job/scope.h"
#include "connectors/comfyui/job/sending.h"
#include "connectors/comfyui/job/work_notes.h"
#include "connectors/comfyui/run/run.h"
#include "connectors/comfyui/server/lease.h"

namespace emprops::comfyui {

class JobRun {
  public:
    /// It is the job's turn. `ground` outlives it.
    explicit JobRun(Groundwork& ground);
    JobRun(const JobRun&) = delete;
    JobRun& operator=(const JobRun&) = delete;

    /// The result; throws JobFailure.
    Json go();

  private:
    RunRules rules() const;
    bool may_run_again() const;
    void refuse_poison() const;
    /// Until the run is over.
    void drive();
    void tell();
    void withdraw();
    void note_submission(bool was_attached);
    void act(const Action& action);
    PostAnswer post(const SendPrompt& send);
    /// nullopt: a file that the run put out is gone, and the prompt is run again.
    std::optional<Json> deliver();
    std::string death_key() const { return job_.job_id + "\n" + mark_.payload; }

    const Shared& shared_;
    const Job& job_;
    JobContext& context_;
    const Registration& registration_;
    const OwnMark& mark_;
    bool& withdrawing_;
    std::optional<int> begun_;  // the submission of which the supervisor knows that ComfyUI has begun it
    bool released_ = false;     // the slot is given back: other prompts may run
    Api& api_;
    const JobScope& scope_;
    WorkNotes notes_;
    Report& report_;
    Run run_;
    SocketPictures pictures_;  // over the WebSocket only
    Mail mail_;
    Sending& sending_;
    const PictureWait picture_wait_;
    const Failing failing_;
};

}  // namespace emprops::comfyui
