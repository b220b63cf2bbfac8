#include "connectors/stores/tries.h"

#include <algorithm>

#include "ipc/text/people.h"

namespace emprops::stores {
namespace {

Ms between(TimePoint then, TimePoint now) {
    return std::chrono::duration_cast<Ms>(now - then);
}

}  // namespace

Tries::Tries(Ms limit, Sleep sleep, Pauses pauses, Now now)
    : limit_(limit), sleep_(std::move(sleep)), pauses_(std::move(pauses)), now_(std::move(now)) {}

void Tries::begin() {
    began_ = since_ = now_();
    pause_ = pauses_.first;
    count_ = 0;
}

bool Tries::waited(const Told& what) {
    ++count_;
    const Ms left = spent_ ? Ms{0} : limit_ - between(since_, now_());
    Ms pause = pause_;
    if (pauses_.chance)
        pause -= Ms(static_cast<Ms::rep>(static_cast<double>(pause.count()) / 4 * pauses_.chance()));
    if (left <= what.wait || sleep_(std::min(std::max(pause, what.wait), left), what.message)) {
        spent_ = true;
        if (count_ > 1)
            what.message +=
                "; tried " + std::to_string(count_) + " times in " + human_duration(between(began_, now_()));
        return false;
    }
    pause_ = std::min(pause_ * 2, pauses_.longest);
    return true;
}

}  // namespace emprops::stores
