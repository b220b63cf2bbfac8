#pragma once
// What is kept of a connector process for the case that it dies: its last stderr lines and protocol lines.
// Also the one place that cuts payloads, results and settings out of lines that people see (trace, evidence,
// log). Pure.

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "ipc/messages.h"
#include "supervisor/process/types.h"

namespace emprops::process {

/// The longest line that is kept or shown, in bytes.
inline constexpr std::size_t shown_line_bytes = 1024;

/// `text` with at most shown_line_bytes, cut between two characters and marked with "...".
std::string cut(std::string_view text);
/// A line to a connector as people may see it: payload, settings cut.
std::string shown(const ipc::ToConnector& message);
/// A line from a connector as people may see it: result and service content cut.
std::string shown(const ipc::FromConnector& message, std::string_view line);

class Evidence {
  public:
    Evidence(std::size_t stderr_lines, std::size_t messages)
        : max_stderr_(stderr_lines), max_messages_(messages) {}

    void add_stderr(const std::string& line) { add(stderr_, line, max_stderr_); }
    /// `shown`: a line that went through shown() or cut().
    void add_sent(const std::string& shown) { add(messages_, "> " + shown, max_messages_); }
    void add_received(const std::string& shown) { add(messages_, "< " + shown, max_messages_); }
    void fill(DeathReport& report) const;

  private:
    static void add(std::deque<std::string>& lines, std::string line, std::size_t limit);

    std::size_t max_stderr_;
    std::size_t max_messages_;
    std::deque<std::string> stderr_;
    std::deque<std::string> messages_;
};

}  // namespace emprops::process
