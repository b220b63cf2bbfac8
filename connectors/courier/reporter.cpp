#include "connectors/courier/reporter.h"

#include <algorithm>
#include <utility>

namespace emprops::courier {

Reporter::Reporter(Tell tell, Now now) : tell_(std::move(tell)), now_(std::move(now)) {}

void Reporter::tell() {
    told_ = now_();
    tell_(percent_, message_);
}

void Reporter::begin(const std::string& message, std::uint64_t total) {
    message_ = message;
    total_ = total;
    percent_ = 0;
    tell();
}

void Reporter::moved(std::uint64_t done) {
    if (total_ > 0)
        percent_ = 100.0 * static_cast<double>(std::min(done, total_)) / static_cast<double>(total_);
    if (now_() - told_ >= shortest_gap) tell();
}

void Reporter::say(const std::string& message) {
    message_ = message;
    tell();
}

void Reporter::tick() {
    if (now_() - told_ >= longest_silence) tell();
}

}  // namespace emprops::courier
