#include "connectors/courier/scratch.h"

#include <fcntl.h>
#include <stdlib.h>  // NOLINT: mkostemp, mkdtemp
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "connectors/stores/cargo/reader.h"

namespace emprops::courier {
namespace {

constexpr std::size_t piece_bytes = 16u << 20;

Error refused(const std::string& folder, int why) {
    return {"disk", "a file in " + folder + " cannot be written: " + std::strerror(why)};
}

}  // namespace

Result<stores::Descriptor> make_nameless(const std::string& folder) {
    stores::Descriptor file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file.ok()) return file;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT) return refused(folder, errno);
    std::string path = folder + "/.emprops-XXXXXX.part";
    file = stores::Descriptor(::mkostemps(path.data(), 5, O_CLOEXEC));
    if (!file.ok()) return refused(folder, errno);
    ::unlink(path.c_str());
    return file;
}

Result<stores::Descriptor> copy_nameless(int from, std::uint64_t size, const std::string& folder,
                                         const std::function<bool()>& go_on) {
    auto made = make_nameless(folder);
    if (!made.ok()) return made;
    const int to = made->get();
    off_t done = 0;
    const Error cancelled{"cancelled", "cancelled"};
    while (static_cast<std::uint64_t>(done) < size) {
        if (!go_on()) return cancelled;
        off_t at = done;
        const auto moved = ::copy_file_range(from, &at, to, nullptr, piece_bytes, 0);
        if (moved < 0 && errno == EINTR) continue;
        if (moved <= 0) break;
        done += moved;
    }
    if (static_cast<std::uint64_t>(done) == size) return made;
    // Another file system, an old kernel: what is left goes through memory.
    int why = EIO;
    bool stopped = false;
    const auto copied =
        stores::read_file(from, static_cast<std::uint64_t>(done), size - static_cast<std::uint64_t>(done),
                          [&](std::string_view piece) {
                              stopped = !go_on();
                              if (stopped) return false;
                              while (!piece.empty()) {
                                  const auto wrote = ::write(to, piece.data(), piece.size());
                                  if (wrote < 0 && errno == EINTR) continue;
                                  if (wrote < 0) why = errno;
                                  if (wrote <= 0) return false;
                                  piece.remove_prefix(static_cast<std::size_t>(wrote));
                              }
                              return true;
                          });
    if (copied.ok()) return made;
    if (stopped) return cancelled;
    return copied.error().code == "cancelled" ? refused(folder, why) : Error{"disk", copied.error().message};
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
