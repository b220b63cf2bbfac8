#pragma once
// A job's mailbox, and who gets what the WebSocket says: the run, the pictures, the report. On the job's thread.

#include <memory>
#include <string>

#include "connectors/comfyui/job/pictures.h"
#include "connectors/comfyui/job/report.h"
#include "connectors/comfyui/run/run.h"
#include "connectors/comfyui/server/mailbox.h"

namespace emprops::comfyui {

/// Keeps a job known, and its mailbox registered, while it lives.
class Registration {
  public:
    Registration(Mailboxes& boxes, std::string job_id);
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

    const std::shared_ptr<Mailbox>& box() const { return box_; }
    /// The box gets what is said of this prompt, too.
    void add_prompt(const std::string& prompt_id) const { boxes_.add(prompt_id, box_); }

  private:
    Mailboxes& boxes_;
    std::string job_id_;
    std::shared_ptr<Mailbox> box_;
};

class Mail {
  public:
    /// All of them outlive it.
    Mail(Mailbox& box, Run& run, SocketPictures& pictures, Report& report)
        : box_(box), run_(run), pictures_(pictures), report_(report) {}

    /// Hands out what has come, or comes until then.
    void read(TimePoint until);
    /// Another submission: what the last one said is of no account.
    void restart();
    /// An event of this submission came.
    bool heard() const { return heard_; }

  private:
    void take(const Event& event, TimePoint now);
    void take(Picture& picture, TimePoint now);
    void take(const NodeText& text, TimePoint now);

    Mailbox& box_;
    Run& run_;
    SocketPictures& pictures_;
    Report& report_;
    std::string node_;  // executing now
    bool heard_ = false;
};

}  // namespace emprops::comfyui
