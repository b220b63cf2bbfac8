#include "connectors/stores/cargo/copy.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "connectors/stores/cargo/reader.h"

namespace emprops::stores {
namespace {

constexpr std::uint64_t kernel_piece_bytes = 16u << 20;

}  // namespace

std::error_code write_all(int descriptor, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto count = ::write(descriptor, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return {errno, std::system_category()};
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

Result<Ok> copy_file(int from, std::uint64_t size, int to, const std::function<bool()>& go_on) {
    std::uint64_t done = 0;
    while (done < size) {
        if (!go_on()) return Error{"cancelled", "cancelled"};
        auto at = static_cast<off_t>(done);
        const auto count =
            ::copy_file_range(from, &at, to, nullptr, std::min(kernel_piece_bytes, size - done), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        done += static_cast<std::uint64_t>(count);
    }
    // Another file system, an old kernel.
    std::error_code unwritten;
    auto read = read_file(from, done, size - done, [&](std::string_view piece) {
        if (!go_on()) return false;
        unwritten = write_all(to, piece);
        return !unwritten;
    });
    if (unwritten) return Error{"unwritable", unwritten.message()};
    return read;
}

}  // namespace emprops::stores
