#pragma once
// Pictures that travel over the WebSocket only: no socket, no run; and no success before all of them came. On
// the job's thread, blocking.

#include <set>
#include <string>
#include <vector>

#include "connectors/comfyui/job/mail.h"
#include "connectors/comfyui/job/pictures.h"
#include "connectors/comfyui/job/scope.h"
#include "connectors/comfyui/run/run.h"

namespace emprops::comfyui {

class PictureWait {
  public:
    /// All of them outlive it.
    PictureWait(const JobScope& scope, const SocketPictures& pictures, Mail& mail)
        : scope_(scope), pictures_(pictures), mail_(mail) {}

    /// Refuses a workflow whose pictures nobody would hear, before ComfyUI runs it. Throws JobFailure.
    void need_socket() const;
    /// The history has the end already; the socket may still have pictures to give.
    void wait(const Run& run) const;
    /// Nodes of which pictures are missing, and for which the prompt is run once more; empty: none. Throws
    /// JobFailure when that was tried, or cannot help.
    std::set<std::string> run_again(Run& run) const;

  private:
    std::vector<MissingPictures> missing(const Run& run) const;
    [[noreturn]] void too_large(const std::string& numbers, const Outcome& outcome) const;
    [[noreturn]] void lost(const std::string& numbers, const Outcome& outcome) const;
    /// The socket is up, and yet the prompt's events did not come (connectors/comfyui/API.md 6.8).
    void new_socket() const;

    const JobScope& scope_;
    const SocketPictures& pictures_;
    Mail& mail_;
};

}  // namespace emprops::comfyui
