#pragma once
// A database of the local hub with many jobs in it, each with a payload, ended ones with a result. The hub itself makes the
// tables. Throws std::runtime_error when that fails. For the main thread of a benchmark.

#include <string>

#include "tests/support/temp_dir.h"

namespace emprops::bench {

struct LargeQueueOptions {
    int finished = 0;  ///< over the last six days
    int pending = 0;
    std::string pending_type = "simulation";
};

class LargeQueue {
  public:
    explicit LargeQueue(const LargeQueueOptions& options);
    /// Of the database; workers may use it one after the other, and add to it.
    std::string path() const { return (folder_ / "hub.sqlite").string(); }

  private:
    test::TempDir folder_;
};

}  // namespace emprops::bench
