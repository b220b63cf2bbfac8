#include "supervisor/base/privacy.h"

#include <sys/prctl.h>

namespace emprops {

void hide_from_own_user() {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

std::error_code make_private_folder(const std::filesystem::path& folder) {
    std::error_code failed;
    const bool is_new = std::filesystem::create_directories(folder, failed);
    if (is_new && !failed) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, failed);
    return failed;
}

}  // namespace emprops
