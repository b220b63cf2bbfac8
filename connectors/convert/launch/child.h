#pragma once
// Starts another program for one file and waits for its end: no variables, no descriptors but those named, a session of
// its own, which is killed whole when the time is over or nobody wants it any more. Blocking; any thread, which has to
// live on until the end (the child dies with it). The only place of the courier that starts processes.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "ipc/result.h"

namespace emprops::convert {

struct ChildOptions {
    std::vector<std::string> command;  ///< the program's path first
    std::vector<std::string> environment;
    std::string folder = "/";      ///< that it works in
    std::string input;             ///< for its standard input, to 32 KiB
    std::vector<int> descriptors;  ///< it has them as 3, 4, ...
    std::chrono::milliseconds timeout{0};
};

struct ChildEnd {
    enum class How { exited, killed, late, unwanted };
    How how = How::exited;
    int code = 0;      ///< exit code, or the signal
    std::string said;  ///< the end of what it wrote to its standard output
    /// "it ended with exit code 3", for people.
    std::string sentence() const;
};

/// `go_on` is asked ten times a second. Error: it could not be started.
Result<ChildEnd> run_child(const ChildOptions& options, const std::function<bool()>& go_on);

}  // namespace emprops::convert
