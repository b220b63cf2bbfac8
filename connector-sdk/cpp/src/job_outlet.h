#pragma once
// What a job's context may send while the job runs. The writer in the program, a list in tests.

#include <string>

#include "ipc/messages.h"

namespace emprops::sdk {

/// Any thread; returns at once.
class JobOutlet {
  public:
    virtual ~JobOutlet() = default;
    virtual void progress(ipc::Progress progress) = 0;
    /// A line that must arrive.
    virtual void send(std::string line) = 0;
    /// A line that may be lost when the supervisor does not read.
    virtual void send_droppable(std::string line) = 0;
};

}  // namespace emprops::sdk
