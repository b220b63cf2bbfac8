#pragma once
// A folder of its own for one test, removed with everything in it when the object goes. Any thread.

#include <filesystem>
#include <string>
#include <string_view>

namespace emprops::test {

class TempDir {
  public:
    /// Creates a fresh, empty folder below the system's temporary folder; throws std::runtime_error if it
    /// cannot.
    TempDir();
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path operator/(std::string_view relative) const { return path_ / relative; }

    /// Writes (replaces) a file; missing folders are created. Returns its absolute path.
    std::filesystem::path write_file(std::string_view relative, std::string_view text) const;
    /// write_file() and mode 0755: a script to start.
    std::filesystem::path write_script(std::string_view relative, std::string_view text) const;
    /// The whole file; throws std::runtime_error if there is none.
    std::string read_file(std::string_view relative) const;

  private:
    std::filesystem::path path_;
};

}  // namespace emprops::test
