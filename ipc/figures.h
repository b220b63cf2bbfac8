#pragma once
// The newest figures of one connector process (`metrics`, see ipc/PROTOCOL.md): counters and gauges by name. What
// breaks a rule is left out and named. Pure; owned by whoever talks with the process.

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/messages.h"

namespace emprops::ipc {

inline constexpr std::size_t max_figures = 50;

/// [a-z][a-z0-9_]{0,63}
bool is_figure_name(std::string_view name);

class Figures {
  public:
    enum class Kind { counter, gauge };
    struct Figure {
        Kind kind = Kind::gauge;
        double value = 0;  ///< finite; of a counter not below 0
        bool operator==(const Figure&) const = default;
    };

    /// Sentences about what was left out, at most one for each rule.
    std::vector<std::string> take(const Metrics& message);
    /// At most max_figures.
    const std::map<std::string, Figure>& all() const { return figures_; }
    bool empty() const { return figures_.empty(); }
    bool operator==(const Figures&) const = default;

  private:
    /// Why it is left out; empty: it is taken.
    const char* take(Kind kind, const std::string& name, const Json& value);

    std::map<std::string, Figure> figures_;
};

}  // namespace emprops::ipc
