#pragma once
// ComfyUI's input folder on disk, with the rule of ComfyUI 0.28 and newer: a name that a graph gives to LoadImage must
// be a file whose real path lies in the folder. A symbolic link that leads out of it is refused, whatever it points
// at; a hard link is a file. Not thread-safe; the double's thread uses it.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace emprops::test {

class ComfyInputFolder {
  public:
    /// `path` empty: there is none, and everything is taken.
    explicit ComfyInputFolder(std::string path) : path_(std::move(path)) {}

    /// POST /upload/image.
    void put(const std::string& subfolder, const std::string& name, const std::string& content) const;
    /// The body of the 400 with which ComfyUI refuses this graph; nullopt: it does not.
    std::optional<nlohmann::json> refusal(const nlohmann::json& graph) const;

  private:
    bool has(const std::string& name) const;

    std::string path_;
};

}  // namespace emprops::test
