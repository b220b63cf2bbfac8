#pragma once
// Splits a byte stream into lines. Pure; owned by one stream; not thread-safe.
// Keeps at most `limit` bytes of a line: a longer one is skipped up to its newline without being buffered and
// reported once, with its first 4 KiB, so that the job it belonged to can be named.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace emprops::ipc {

class LineFramer {
  public:
    static constexpr std::size_t head_bytes = 4096;

    struct Sink {
        /// One line without its "\n" and without a "\r" before it. Empty lines are not reported.
        std::function<void(std::string_view line)> on_line;
        /// A line of `size` bytes that exceeded the limit, or for which there was no memory; `head` is its beginning
        /// (at most head_bytes).
        std::function<void(std::string_view head, std::uint64_t size)> on_overlong;
    };

    explicit LineFramer(std::size_t limit_bytes) : limit_(limit_bytes) {}

    /// Takes the next bytes of the stream and reports every line they complete, in order.
    void feed(std::string_view bytes, const Sink& sink);
    /// End of stream: what is left counts as a line.
    void finish(const Sink& sink);

    std::size_t buffered_bytes() const { return partial_.size(); }
    std::uint64_t overlong_lines() const { return overlong_lines_; }

  private:
    void keep(std::string_view piece);
    void complete(std::string_view line, const Sink& sink);
    void end_skip(const Sink& sink);

    std::size_t limit_;
    std::string partial_;
    bool skipping_ = false;
    std::uint64_t skipped_bytes_ = 0;
    std::uint64_t overlong_lines_ = 0;
};

}  // namespace emprops::ipc
