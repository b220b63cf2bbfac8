#pragma once
// A back door for tests of supervisors, used by the simulation connector to break the protocol on purpose.
// Not installed, not for connectors. Works while run_connector() runs; any thread.

#include <string>

namespace emprops::sdk::raw {

/// Writes bytes to the supervisor as they are, behind what waits; returns when they are in the pipe.
void write(std::string bytes);
/// Waits until everything sent so far is in the pipe.
void flush();
/// Closes our end of stdout; what the connector sends later is thrown away.
void close_stdout();
/// From now on neither `shutdown`, nor the end of stdin, nor SIGTERM ends the process: only SIGKILL does.
void refuse_to_leave();

}  // namespace emprops::sdk::raw
