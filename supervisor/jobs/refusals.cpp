#include "supervisor/jobs/refusals.h"

#include "ipc/text/people.h"

namespace emprops::jobs {
namespace {

constexpr Ms first_pause{1'000};
constexpr Ms longest_pause{30'000};

}  // namespace

void Refusals::refused(TimePoint now, int others, int concurrency, std::string what) {
    refused_ = std::move(what);
    if (others > 0) {
        takes_ = std::min(others, takes(concurrency));
        return;
    }
    if (asked_again_) return;  // one of several that it was given at the same time
    const Ms pause = in_a_row_ >= 5 ? longest_pause : first_pause * (1 << in_a_row_);
    ++in_a_row_;
    asked_again_ = now + pause;
}

void Refusals::began_one() {
    in_a_row_ = 0;
    asked_again_.reset();
    trouble_.clear();
    if (!takes_) refused_.clear();
}

std::string Refusals::text(TimePoint now, const std::string& who, const std::string& connector,
                           int concurrency) const {
    if (!trouble_.empty()) return who + " cannot be given jobs: " + trouble_;
    if (refused_.empty()) return {};
    if (asked_again_)
        return who + " refused " + refused_ + " although it held none; it is asked again in " +
               human_duration(std::chrono::duration_cast<Ms>(*asked_again_ - now));
    if (in_a_row_ > 0)
        return who + " refused " + refused_ +
               " although it held none; it gets one job at a time until it begins one";
    const std::string n = std::to_string(takes(concurrency));
    return who + " is taken for a connector of " + n + (n == "1" ? " slot" : " slots") + " instead of " +
           std::to_string(concurrency) + ", until it ends or sends `capabilities`: it refused " + refused_ +
           " while it held " + n + "; let its `ready` or [connectors." + connector +
           "] concurrency say how many it takes";
}

}  // namespace emprops::jobs
