#include "supervisor/cli/scratch.h"

#include <stdlib.h>  // NOLINT: mkdtemp

#include <system_error>

namespace emprops::cli {

Scratch::Scratch(const std::string& what) {
    std::error_code failed;
    std::string name =
        (std::filesystem::temp_directory_path(failed) / ("emprops-" + what + "-XXXXXX")).string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
}

Scratch::~Scratch() {
    std::error_code unused;
    if (!path_.empty()) std::filesystem::remove_all(path_, unused);
}

}  // namespace emprops::cli
