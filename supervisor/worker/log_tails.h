#pragma once
// The last lines that each connector said to people (stderr and `log` messages), as `logs` shows them. Pure.

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "supervisor/process/fleet.h"

namespace emprops {

/// "comfyui/1 4711 < loading": as `logs` and `trace` show it.
std::string show(const process::TraceLine& line);

class LogTails {
  public:
    static constexpr std::size_t most_lines = 200;  ///< of one connector

    void keep(const process::TraceLine& line);
    /// Oldest first; none of a connector that has said nothing.
    std::vector<std::string> lines(const std::string& connector) const;
    void forget(const std::string& connector) { tails_.erase(connector); }

  private:
    std::map<std::string, std::deque<std::string>> tails_;
};

}  // namespace emprops
