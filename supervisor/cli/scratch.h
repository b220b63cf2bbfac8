#pragma once
// A folder that is gone afterwards: demo, doctor and `connector run` leave nothing behind.

#include <filesystem>
#include <string>

namespace emprops::cli {

class Scratch {
  public:
    /// `what`: a word of its name. The path is empty if it could not be made.
    explicit Scratch(const std::string& what);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

}  // namespace emprops::cli
