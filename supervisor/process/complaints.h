#pragma once
// Sentences about lines of a connector that are no messages as they should be. Pure functions.

#include <string>
#include <string_view>

namespace emprops::process {

/// A whole message of this type stands behind text, which a print without a line break has left there.
struct TextBefore {
    std::string_view text;
    std::string_view type;

    std::string taken() const;      ///< it counts all the same
    std::string not_taken() const;  ///< it names no job
    std::string foreign() const;    ///< it names a job that the process does not hold
};

/// With the type that was probably meant.
std::string unknown_type(const std::string& type);
/// Likewise of a feature that `ready` names.
std::string unknown_feature(const std::string& name);

}  // namespace emprops::process
