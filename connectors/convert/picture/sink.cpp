#include "connectors/convert/picture/sink.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace emprops::convert {
namespace {

constexpr std::size_t held_bytes = 256 * 1024;

}  // namespace

bool Sink::write(std::string_view bytes) {
    size_ += bytes.size();
    if (held_.size() + bytes.size() <= held_bytes) {
        held_ += bytes;
        return error_.empty();
    }
    return flush() && put(bytes);
}

bool Sink::flush() {
    const bool done = put(held_);
    held_.clear();
    return done;
}

bool Sink::put(std::string_view bytes) {
    while (error_.empty() && !bytes.empty()) {
        const auto done = ::write(descriptor_, bytes.data(), bytes.size());
        if (done > 0)
            bytes.remove_prefix(static_cast<std::size_t>(done));
        else if (errno != EINTR)
            error_ = std::strerror(errno);
    }
    return error_.empty();
}

}  // namespace emprops::convert
