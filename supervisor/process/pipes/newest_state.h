#pragma once
// The newest state of a line that is written over (a progress bar), passed on at a bounded rate. Pure; one per stream.

#include <optional>
#include <string>
#include <string_view>

#include "ipc/text/utf8.h"
#include "supervisor/base/time.h"

namespace emprops::process {

/// Of a child to us.
enum class Pipe { out, err };

class NewestState {
  public:
    static constexpr Ms interval{2000};
    static constexpr std::size_t kept_bytes = 4096;

    /// True: nothing waited, so that take() wants to be called at due().
    bool offer(std::string_view text, TimePoint now) {
        text_.assign(text::cut(text, kept_bytes));
        if (due_) return false;
        // A bar that ends within the interval is told by its last line alone.
        due_ = now + interval;
        return true;
    }
    /// The line has ended: its last state is told as a line.
    void end() {
        text_.clear();
        passed_.clear();
    }
    TimePoint due() const { return due_.value_or(TimePoint::max()); }
    /// The newest state; empty: the line has ended, or nothing has changed.
    std::string take() {
        due_.reset();
        if (text_ == passed_) return {};
        passed_ = text_;
        return text_;
    }

  private:
    std::string text_;
    std::string passed_;
    std::optional<TimePoint> due_;
};

}  // namespace emprops::process
