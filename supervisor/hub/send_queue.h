#pragma once
// The frames that wait to be written to one WebSocket, and what is left of the one that has begun. Pure; owned
// by the connection.

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

namespace emprops::hub {

class SendQueue {
  public:
    /// `first`: before every frame that waits and was not given so too.
    void push(std::string frame, bool first) {
        bytes_ += frame.size();
        (first ? first_ : queue_).push_back(std::move(frame));
    }
    /// Takes the next frame. False: none waits.
    bool begin() {
        auto& next = first_.empty() ? queue_ : first_;
        if (next.empty()) return false;
        current_ = std::move(next.front());
        next.pop_front();
        taken_ = 0;
        return true;
    }
    /// A frame is not whole yet.
    bool has_begun() const { return !current_.empty(); }
    /// The next part of the frame that has begun.
    std::string_view part(std::size_t most) const { return std::string_view(current_).substr(taken_, most); }
    bool is_last(std::string_view part) const { return taken_ + part.size() == current_.size(); }
    /// So much of the frame was taken. True: it is whole.
    bool took(std::size_t size) {
        taken_ += size;
        bytes_ -= size;
        if (taken_ < current_.size()) return false;
        current_ = std::string();
        return true;
    }
    /// Nothing more is written; bytes() stays.
    void clear() {
        first_.clear();
        queue_.clear();
    }
    /// Not taken yet, of the frame that has begun as well.
    std::size_t bytes() const { return bytes_; }

  private:
    std::deque<std::string> first_;
    std::deque<std::string> queue_;
    std::string current_;
    std::size_t taken_ = 0;  ///< of current_
    std::size_t bytes_ = 0;
};

}  // namespace emprops::hub
