#pragma once
// Splits a byte stream into lines. Pure; owned by one stream; not thread-safe.
// Keeps at most `limit` bytes of a line: a longer one is skipped up to its newline without being buffered and
// reported once, with its first 4 KiB, so that the job it belonged to can be named. Of a line that is written over
// (a progress bar) it keeps the state before the newest one as well, so that memory is at most twice the limit.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace emprops::ipc {

/// What a carriage return means that no newline follows.
enum class Returns {
    kept,       ///< white space of JSON
    end_text,   ///< that in a message; else the text before it is written over by the text behind it
    end_lines,  ///< the text before it is written over by the text behind it
};

class LineFramer {
  public:
    static constexpr std::size_t head_bytes = 4096;

    struct Sink {
        /// One line without its "\n" and without the "\r" before it. Empty lines are not reported. Of a line that was
        /// written over: its last state that is not blank; and before a message the last state of the text in front
        /// of it, as a line of its own.
        std::function<void(std::string_view line)> on_line;
        /// A line of `size` bytes that exceeded the limit, or for which there was no memory; `head` is its beginning
        /// (at most head_bytes).
        std::function<void(std::string_view head, std::uint64_t size)> on_overlong;
        /// The newest state of a line that is written over and has not ended; at most once in each feed().
        std::function<void(std::string_view text)> on_state = {};
    };

    /// With Returns::end_text the limit is message_lead_bytes or more: what a message begins with must fit.
    explicit LineFramer(std::size_t limit_bytes, Returns returns = Returns::kept)
        : limit_(limit_bytes), returns_(returns) {}

    /// Takes the next bytes of the stream and reports every line they complete, in order. `cut`: they end where the
    /// reader's block does, perhaps within a state, which is not told before its end is seen.
    void feed(std::string_view bytes, const Sink& sink, bool cut = false);
    /// End of stream: what is left counts as a line.
    void finish(const Sink& sink);

    std::size_t buffered_bytes() const { return partial_.size() + state_.size(); }
    std::uint64_t overlong_lines() const { return overlong_lines_; }

  private:
    void take(std::string_view piece, bool ends, const Sink& sink);
    bool returns_are_white_space(std::string_view piece) const;
    std::string_view without_states(std::string_view piece, bool ends);
    void end_state(std::string_view segment);
    void tell_state(const Sink& sink, bool cut) const;
    void keep(std::string_view piece);
    void end_line(const Sink& sink);
    void complete(std::string_view line, const Sink& sink);
    void end_skip(const Sink& sink);

    std::size_t limit_;
    Returns returns_;
    std::string partial_;  // since the last newline or the last return that ended a state
    bool skipping_ = false;
    std::uint64_t skipped_bytes_ = 0;
    std::uint64_t overlong_lines_ = 0;
    std::string state_;          // of this line: the last one that was ended and is not blank
    bool written_over_ = false;  // a return has ended a state of this line
    bool open_return_ = false;   // the last byte was a return, which a newline may follow
};

}  // namespace emprops::ipc
