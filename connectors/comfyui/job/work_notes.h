#pragma once
// What a job notes in its work folder for the process after it. The folder lives as long as the assignment, so
// what stands there is of this one; it goes when the supervisor dies.

#include <optional>
#include <string>

namespace emprops::comfyui {

class WorkNotes {
  public:
    /// `folder`: the job's. Notes that a process has begun with the job.
    explicit WorkNotes(const std::string& folder);

    /// An earlier process had begun in this very folder.
    bool begun_before() const { return begun_before_; }
    /// The submission that it noted last.
    std::optional<int> submission() const;
    /// Before a submission is sent.
    void note_submission(int submission);

  private:
    std::string path_;
    bool begun_before_ = false;
    std::optional<int> noted_;  // by this process
};

}  // namespace emprops::comfyui
