#pragma once
// The newest print and the newest complaint of one instance, over its processes, for `why`. Pure; owned by the Instance.

#include <optional>
#include <string>

#include "supervisor/base/time.h"

namespace emprops::process {

class LastSaid {
  public:
    void printed(const std::string& text, TimePoint now) { print_ = Item{text, now}; }
    void complained(const std::string& text, TimePoint now) { complaint_ = Item{text, now}; }
    /// A process of it is started: what is older than the one before is of no use.
    void process_started(TimePoint now);

    /// Follows a sentence on the state of `who`, which said `already`; empty, or begins with "; ".
    std::string why(TimePoint now, const std::string& already, const char* who = "it") const;

  private:
    struct Item {
        std::string text;
        TimePoint at;
    };
    std::optional<Item> print_;
    std::optional<Item> complaint_;
    TimePoint started_at_{};
};

}  // namespace emprops::process
