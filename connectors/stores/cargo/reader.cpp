#include "connectors/stores/cargo/reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "ipc/web/digest.h"

namespace emprops::stores {
namespace {

constexpr std::size_t piece_bytes = 256 * 1024;

}  // namespace

Result<Ok> read_file(int descriptor, std::uint64_t offset, std::uint64_t size,
                     const std::function<bool(std::string_view)>& take) {
    std::vector<char> piece(static_cast<std::size_t>(std::min<std::uint64_t>(size, piece_bytes)));
    for (std::uint64_t done = 0; done < size;) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size - done, piece.size()));
        const auto got = ::pread(descriptor, piece.data(), wanted, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error{"unreadable", std::strerror(errno)};
        if (got == 0) return Error{"unreadable", "it has become shorter"};
        if (!take({piece.data(), static_cast<std::size_t>(got)})) return Error{"cancelled", "cancelled"};
        done += static_cast<std::uint64_t>(got);
    }
    return Ok{};
}

Result<std::string> sha256_of(int descriptor, std::uint64_t offset, std::uint64_t size,
                              const std::function<bool()>& go_on) {
    Sha256 digest;
    const auto read = read_file(descriptor, offset, size, [&](std::string_view piece) {
        digest.add(piece);
        return go_on();
    });
    if (!read.ok()) return read.error();
    return digest.hex();
}

}  // namespace emprops::stores
