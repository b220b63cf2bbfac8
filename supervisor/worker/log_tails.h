#pragma once
// The last lines that each connector said to people and that were said of its lines, as `logs` shows them. Pure.

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "supervisor/process/fleet.h"

namespace emprops {

/// "comfyui/1 4711 < loading": as `logs` and `trace` show it. "|": stderr, "<" and ">": messages, "#": a print on stdout,
/// "!": what is wrong with its lines, "=": a message before its death.
std::string show(const process::TraceLine& line);

class LogTails {
  public:
    static constexpr std::size_t most_lines = 200;  ///< of one connector

    void keep(const process::TraceLine& line);
    /// Oldest first; none of a connector that has said nothing.
    std::vector<std::string> lines(const std::string& connector) const;
    void forget(const std::string& connector) { tails_.erase(connector); }

  private:
    struct Line {
        std::string text;
        bool state = false;  // the next line of the same origin takes its place
        process::TraceLine::Kind kind = {};
        int pid = 0;
    };
    std::map<std::string, std::deque<Line>> tails_;
};

}  // namespace emprops
