#pragma once
// Which of many is due next. The times are kept in order, so that whoever looks at one of a thousand when something
// happens to it pays for that one only. Pure; owned by whoever drives the many.

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "supervisor/base/time.h"

namespace emprops {

/// `Key`: cheap to copy, with an order.
template <class Key>
class Schedule {
  public:
    /// Instead of what was set for it before; nothing means never.
    void set(const Key& key, const std::optional<TimePoint>& at) {
        const auto known = times_.find(key);
        if (known != times_.end()) {
            if (at == known->second) return;
            order_.erase({known->second, key});
        }
        if (at) {
            order_.emplace(*at, key);
            times_.insert_or_assign(key, *at);
        } else if (known != times_.end()) {
            times_.erase(known);
        }
    }
    /// nullopt: nothing is due.
    std::optional<TimePoint> next() const {
        if (order_.empty()) return std::nullopt;
        return order_.begin()->first;
    }
    /// Those whose time has come, the earliest first. They stay due until set() says otherwise.
    std::vector<Key> due(TimePoint now) const {
        std::vector<Key> keys;
        for (const auto& [at, key] : order_) {
            if (at > now) break;
            keys.push_back(key);
        }
        return keys;
    }
    void clear() {
        times_.clear();
        order_.clear();
    }

  private:
    std::map<Key, TimePoint> times_;
    std::set<std::pair<TimePoint, Key>> order_;
};

}  // namespace emprops
