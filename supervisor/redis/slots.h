#pragma once
// One worker id for each job at a time, as the queue's monitors expect it: "gpu-7-0", "gpu-7-1". The lowest that is free
// is taken. Pure.

#include <charconv>
#include <optional>
#include <set>
#include <string>

namespace emprops::redis {

class Slots {
  public:
    explicit Slots(std::string base) : base_(std::move(base)) {}

    std::string take() {
        std::size_t index = 0;
        while (taken_.contains(index))
            ++index;
        taken_.insert(index);
        return id(index);
    }
    /// One that an earlier process, or an earlier answer, has in use.
    void hold(const std::string& worker) {
        if (const auto index = index_of(worker)) taken_.insert(*index);
    }
    void free(const std::string& worker) {
        if (const auto index = index_of(worker)) taken_.erase(*index);
    }
    std::string id(std::size_t index) const { return base_ + "-" + std::to_string(index); }
    /// Nothing: it is no id of ours.
    std::optional<std::size_t> index_of(const std::string& worker) const {
        if (!worker.starts_with(base_ + "-")) return {};
        const char* const from = worker.data() + base_.size() + 1;
        const char* const end = worker.data() + worker.size();
        std::size_t index = 0;
        const auto read = std::from_chars(from, end, index);
        if (read.ec != std::errc{} || read.ptr != end || index >= most) return {};
        if (id(index) != worker) return {};  // "w-07" is somebody else
        return index;
    }
    bool is_taken(std::size_t index) const { return taken_.contains(index); }
    std::size_t taken() const { return taken_.size(); }
    /// One above the highest that is taken.
    std::size_t end() const { return taken_.empty() ? 0 : *taken_.rbegin() + 1; }

  private:
    /// No machine has so many places: what is above is no id of ours, whatever Redis holds.
    static constexpr std::size_t most = 10'000;
    std::string base_;
    std::set<std::size_t> taken_;
};

}  // namespace emprops::redis
