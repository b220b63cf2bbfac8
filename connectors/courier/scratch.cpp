#include "connectors/courier/scratch.h"

#include <fcntl.h>
#include <stdlib.h>  // NOLINT: mkostemp, mkdtemp
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "connectors/stores/cargo/copy.h"

namespace emprops::courier {
namespace {

Error refused(const std::string& folder, const std::string& why) {
    return {"disk", "a file in " + folder + " cannot be written: " + why};
}

}  // namespace

Result<UniqueFd> make_nameless(const std::string& folder) {
    UniqueFd file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file) return file;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
        return refused(folder, std::strerror(errno));
    std::string path = folder + "/.emprops-XXXXXX.part";
    file = UniqueFd(::mkostemps(path.data(), 5, O_CLOEXEC));
    if (!file) return refused(folder, std::strerror(errno));
    ::unlink(path.c_str());
    return file;
}

Result<UniqueFd> copy_nameless(int from, std::uint64_t size, const std::string& folder,
                               const std::function<bool()>& go_on) {
    auto made = make_nameless(folder);
    if (!made.ok()) return made;
    const auto copied = stores::copy_file(from, size, made->get(), go_on);
    if (copied.ok()) return made;
    const Error& why = copied.error();
    if (why.code == "cancelled") return why;
    return why.code == "unwritable" ? refused(folder, why.message) : Error{"disk", why.message};
}

ScratchFolder::ScratchFolder(const std::string& parent) {
    std::string path = parent + "/convert-XXXXXX";
    if (::mkdtemp(path.data()) != nullptr) path_ = path;
}

ScratchFolder::~ScratchFolder() {
    std::error_code ignored;
    if (ok()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace emprops::courier
