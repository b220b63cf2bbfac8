#include "connectors/comfyui/job/work_notes.h"

#include <filesystem>
#include <fstream>

namespace emprops::comfyui {

namespace fs = std::filesystem;

WorkNotes::WorkNotes(const std::string& folder) : path_(folder + "/comfyui-submission") {
    const std::string begun = folder + "/comfyui-begun";
    std::error_code ignored;
    begun_before_ = fs::exists(begun, ignored);
    const std::ofstream file(begun);
}

std::optional<int> WorkNotes::submission() const {
    std::ifstream file(path_);
    int submission = 0;
    if (file >> submission) return submission;
    return {};
}

void WorkNotes::note_submission(int submission) {
    if (noted_ == submission) return;
    noted_ = submission;
    const std::string partial = path_ + ".new";
    {
        std::ofstream file(partial, std::ios::trunc);
        file << submission << '\n';
    }
    std::error_code ignored;
    fs::rename(partial, path_, ignored);
}

}  // namespace emprops::comfyui
