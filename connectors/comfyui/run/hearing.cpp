#include "connectors/comfyui/run/hearing.h"

#include <algorithm>

namespace emprops::comfyui {

bool Hearing::on_socket(bool is_up, TimePoint now) {
    if (is_up == up()) return false;
    if (is_up) {  // a new socket is no sign of the prompt
        down_ += since(*down_since_, now);
        down_since_.reset();
        up_since_ = now;
    } else {
        down_since_ = now;
    }
    return true;
}

void Hearing::sign(TimePoint now) {
    last_sign_ = now;
    down_ = Ms{0};
    if (down_since_) down_since_ = now;
}

void Hearing::event(TimePoint now) {
    sign(now);
    deaf_after_ = first_deaf_after;
}

Ms Hearing::silence(TimePoint now) const {
    return since(last_sign_, now) - down_ - (down_since_ ? since(*down_since_, now) : Ms{0});
}

bool Hearing::is_deaf(TimePoint now) {
    if (!up() || since(std::max(last_sign_, up_since_), now) <= deaf_after_) return false;
    deaf_after_ *= 2;
    up_since_ = now;
    return true;
}

}  // namespace emprops::comfyui
