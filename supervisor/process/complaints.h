#pragma once
// Sentences about lines of a connector that are no messages as they should be. Pure functions.

#include <string>
#include <string_view>
#include <vector>

namespace emprops::process {

/// A whole message of this type stands behind text, which a print without a line break has left there.
struct TextBefore {
    std::string_view text;
    std::string_view type;

    std::string taken() const;      ///< it counts all the same
    std::string not_taken() const;  ///< it names no job
    std::string foreign() const;    ///< it names a job that the process does not hold
};

/// A message of this type names a job that the process has ended, or does not hold; it holds these.
std::string about_no_held_job(std::string_view type, bool ended, const std::vector<std::string>& held);
/// With the type that was probably meant.
std::string unknown_type(const std::string& type);
/// Likewise of a feature that `ready` names.
std::string unknown_feature(const std::string& name);

/// What follows a complaint about a line in which another message seems to begin; else empty.
std::string perhaps_two_writers(std::string_view line);

/// A line `progress` whose value lies between 0 and 1.
bool is_fraction(std::string_view line);
inline constexpr const char* fraction_as_progress =
    "the progress of this job lay between 0 and 1 and never above: `progress` is percent, 0 to 100 (0.5 is half a "
    "percent)";

inline constexpr const char* preparing_after_ready =
    "it said `preparing` after its `ready` or `init_failed`, where it means nothing; ignored";

inline constexpr const char* exited_by_itself =
    "it exited with code 0 by itself: a connector stays, and reads its stdin until that ends";

/// The result names a place in the scratch folder of its job.
std::string result_in_work_dir(const std::string& work_dir);

/// It did not answer what it was sent. `reader`: a program that has its stdin too, "ffmpeg (pid 7)"; empty: none is seen.
std::string unanswered_messages(const std::string& reader);

}  // namespace emprops::process
