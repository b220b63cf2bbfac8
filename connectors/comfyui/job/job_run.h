#pragma once
// The shell around Run for one job; included by job.cpp (the run) and job_result.cpp (its end) only. Lives on
// the job's thread.

#include <set>
#include <utility>

#include "connectors/comfyui/job/job.h"
#include "connectors/comfyui/job/pictures.h"
#include "connectors/comfyui/run/run.h"
#include "connectors/comfyui/server/lease.h"
#include "connectors/comfyui/text/validation.h"
#include "connectors/comfyui/transfer/delivery.h"
#include "connectors/comfyui/transfer/inputs.h"

namespace emprops::comfyui {

[[noreturn]] void raise(const Failure& failure);
/// A failure that has a code and a message only gets details.class by its code.
[[noreturn]] void raise(const Error& error);

/// Keeps a job known, and its mailbox registered, while it lives.
class Registration {
  public:
    Registration(Mailboxes& boxes, std::string job_id);
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    const std::shared_ptr<Mailbox>& box() const { return box_; }

  private:
    Mailboxes& boxes_;
    std::string job_id_;
    std::shared_ptr<Mailbox> box_;
};

class JobRun {
  public:
    JobRun(const Shared& shared, const Job& job, JobContext& context, Payload payload,
           OutputSettings output_rules);
    Json go();

  private:
    using Clock = std::chrono::steady_clock;

    // job.cpp
    RunRules rules() const;
    void register_prompt() { shared_.boxes.add(run_.prompt_id(), registration_.box()); }
    void drive();
    void act(const Action& action);
    PostAnswer post(const SendPrompt& send);
    void provide();
    void check_before_sending();
    void read_mail(TimePoint until);
    void take_event(const Event& event, TimePoint now);
    void take_picture(Picture picture, TimePoint now);
    void begin_again();
    void tell();
    void tell(double percent, const std::string& message, const Json& details);
    std::string note_path() const { return job_.work_dir + "/comfyui-submission"; }
    std::string begun_path() const { return job_.work_dir + "/comfyui-begun"; }
    std::optional<int> read_note() const;
    void write_note();
    std::string death_key() const { return job_.job_id + "\n" + mark_.payload; }

    bool allow_partial() const { return payload_.allow_partial.value_or(settings_.allow_partial); }

    // job_pictures.cpp
    void need_socket();
    void wait_for_pictures();
    bool pictures_again();

    // job_result.cpp
    [[noreturn]] void fail(const Outcome& outcome);
    Failure failure_of(const Outcome& outcome);
    Json files_left(const Outcome& outcome) const;
    bool is_asked_for(const std::string& node) const;
    Outputs outputs_of_run(const Outcome& outcome, bool pictures, Json& notes) const;
    std::vector<std::string> choices(const std::string& type, const std::string& input);
    std::vector<std::string> classes();
    std::optional<Json> deliver(const Outcome& outcome, const std::string& note = {});
    void clean_up(bool outputs_too);

    const Shared& shared_;
    const Settings& settings_;
    const Job& job_;
    JobContext& context_;
    Payload payload_;
    OutputSettings output_rules_;
    Registration registration_;
    Lease lease_;
    OwnMark mark_;
    std::function<bool()> cancelled_;
    Pause pause_;
    Api api_;
    Progress progress_;
    std::string shape_;
    std::string own_folder_;  // of this job, in ComfyUI's input and output
    Run run_;
    std::string graph_;
    bool provided_ = false;
    bool withdrawing_ = false;
    std::optional<int> noted_;
    std::optional<int> begun_;       // the submission of which the supervisor knows that ComfyUI has begun it
    std::string node_;               // executing now
    SocketPictures pictures_;        // over the WebSocket only
    std::set<std::string> refresh_;  // nodes that the cache must not answer
    bool heard_ = false;             // an event of this submission
    std::optional<TimePoint> run_began_;
    TimePoint preview_at_{};
    Json preview_;
    std::string told_message_;
    double told_percent_ = -1;
};

}  // namespace emprops::comfyui
