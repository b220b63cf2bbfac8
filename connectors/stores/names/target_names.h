#pragma once
// The names of a job's files at one destination: as the template says, short enough to be taken, and none of them twice.
// Pure; one object per destination and job.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace emprops::stores {

class TargetNames {
  public:
    using Usable = std::function<bool(const std::string&)>;

    /// "a/b.png", or "a/b-2.png" where that is another file's already, whatever its letter case, or is not `usable`.
    /// `owner`: the file; it keeps its name as long as that is usable.
    std::string give(const std::string& owner, const std::string& wanted, const Usable& usable = {});

  private:
    std::map<std::string, std::string> given_;
    std::set<std::string> taken_;  // lowercase
};

/// Longest name that file systems and servers take, with room for "-2" and the like.
constexpr std::size_t longest_name = 240;

/// `name` if it has at most `limit` bytes; else its beginning, a part of its hash, which keeps it apart from others that
/// begin so, and its ending ".png". Cut between two characters.
std::string fitted_name(std::string_view name, std::size_t limit = longest_name);
/// The same for each part of a path, and for all of it.
std::string fitted_path(std::string_view path, std::size_t limit_of_all = 1000);

}  // namespace emprops::stores
