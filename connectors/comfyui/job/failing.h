#pragma once
// What is told of a run that brought no result: the failure, and what other nodes had put out before it. On the
// job's thread; may ask ComfyUI for the values that an input allows.

#include "connectors/comfyui/job/scope.h"
#include "connectors/comfyui/run/outcome.h"

namespace emprops::comfyui {

/// The files that nodes put out, and where they lie in ComfyUI.
Json files_left(const JobScope& scope, const Outcome& outcome);

class Failing {
  public:
    /// `scope` outlives it.
    explicit Failing(const JobScope& scope) : scope_(scope) {}

    Failure failure_of_run(const Outcome& outcome) const;
    /// Throws JobFailure.
    [[noreturn]] void fail(const Outcome& outcome) const;

  private:
    std::vector<std::string> classes() const;

    const JobScope& scope_;
};

}  // namespace emprops::comfyui
