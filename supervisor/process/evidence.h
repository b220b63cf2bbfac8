#pragma once
// What is kept of a connector process for the case that it dies: its last stderr lines and protocol lines.
// Also the one place that cuts payloads, results and settings out of lines that people see (trace, evidence,
// log). Pure.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/codec.h"
#include "supervisor/process/pipes/newest_state.h"
#include "supervisor/process/types.h"

namespace emprops::process {

/// The longest line that is kept or shown, in bytes.
inline constexpr std::size_t shown_line_bytes = 1024;

/// `text` with at most shown_line_bytes, cut between two characters and marked with "...".
std::string cut(std::string_view text);
/// The part of `text` that fits, without the mark.
std::string_view cut_view(std::string_view text);
/// A line to a connector as people may see it: payload, settings cut.
std::string shown(const ipc::ToConnector& message);
/// A line from a connector as people may see it: result and service content cut; of a type that is not known
/// only the type.
std::string shown(const ipc::FromConnector& message, std::string_view line);
/// A line that is no valid message: what it seemed to be, its size and why; nothing of its content, which may
/// be a result.
std::string shown(const ipc::Malformed& malformed, std::size_t size);

/// Of a line that is kept.
struct Origin {
    Pipe pipe = Pipe::err;
    bool state = false;  ///< of one that is written over and has not ended
};

class Evidence {
  public:
    Evidence(std::size_t stderr_lines, std::size_t messages)
        : max_stderr_(stderr_lines), max_messages_(messages) {}

    /// `logged`: it stands in the log already. It takes the place of an earlier state of the same line.
    void add_stderr(std::string_view line, bool logged, Origin origin = {}) {
        stderr_.add("", line, logged, max_stderr_, origin);
    }
    /// `shown`: a line that went through shown(), or holds nothing secret.
    void add_sent(std::string_view shown) { messages_.add("> ", shown, true, max_messages_, {}); }
    void add_received(std::string_view shown) { messages_.add("< ", shown, true, max_messages_, {}); }
    void fill(DeathReport& report) const;
    /// Of the last lines of stderr those that did not get into the log, oldest first.
    std::vector<std::string> unlogged_stderr() const { return stderr_.list(true); }

  private:
    /// The last lines. Their memory is used again: this is filled millions of times.
    class Ring {
      public:
        void add(std::string_view mark, std::string_view line, bool logged, std::size_t limit, Origin origin);
        std::vector<std::string> list(bool only_unlogged) const;

      private:
        struct Line {
            std::string text;
            bool logged = true;
            Origin origin;
        };
        Line& next_place(std::size_t limit, Pipe pipe);
        std::vector<Line> lines_;
        std::size_t next_ = 0;  // the oldest one, once it is full
    };

    std::size_t max_stderr_;
    std::size_t max_messages_;
    Ring stderr_;
    Ring messages_;
};

}  // namespace emprops::process
