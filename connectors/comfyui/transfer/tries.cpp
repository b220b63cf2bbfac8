#include "connectors/comfyui/transfer/tries.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"

namespace emprops::comfyui {
namespace {

constexpr Ms first_wait{500}, longest_wait{10'000};

}  // namespace

Tries::Tries(Ms limit, Pause pause, Now now)
    : limit_(limit), pause_(std::move(pause)), now_(std::move(now)) {}

std::optional<Setback> Tries::run(const std::function<std::optional<Setback>()>& attempt) {
    const TimePoint began = now_();
    since_ = began;
    Ms pause = first_wait;
    for (int count = 1;; ++count) {
        auto setback = attempt();
        if (!setback) spent_ = false;
        if (!setback || !setback->passing) return setback;
        const Ms left = spent_ ? Ms{0} : limit_ - since(since_, now_());
        if (left <= setback->wait ||
            pause_(std::min(std::max(pause, setback->wait), left), setback->failure)) {
            spent_ = true;
            if (count > 1)
                setback->failure.message +=
                    "; tried " + std::to_string(count) + " times in " + human_duration(since(began, now_()));
            return setback;
        }
        pause = std::min(pause * 2, longest_wait);
    }
}

}  // namespace emprops::comfyui
