#pragma once
// The files of a job's result, and how many jobs are released. Both thread-safe: the author's threads call them.

#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

#include "emprops/connector.h"
#include "ipc/messages.h"

namespace emprops::sdk {

/// What add_file() throws for a worker that takes none.
JobFailure no_files();

/// The files that one job has added so far.
class JobFiles {
  public:
    explicit JobFiles(const std::optional<ipc::FilesOffer>& offer);

    /// JobContext::add_file().
    Json add(OutputFile file);
    /// All of them. What is added from now on is dropped.
    std::vector<ipc::ResultFile> take();

  private:
    const std::optional<std::size_t> max_files_;  // nothing: none are taken
    std::mutex mutex_;
    std::vector<ipc::ResultFile> files_;
    std::size_t bytes_ = 0;  // of their text
    bool closed_ = false;
};

/// The jobs of the process that are released.
class Releases {
  public:
    /// False: `limit` are.
    bool take(int limit);
    void give_back();

  private:
    std::mutex mutex_;
    int taken_ = 0;
};

}  // namespace emprops::sdk
