#pragma once
// The command line of emprops-worker: parses it and runs one command. Owned by main().

namespace emprops::cli {

/// Returns the exit code of the process (supervisor/base/exit_codes.h).
int run(int argc, char** argv);

}  // namespace emprops::cli
