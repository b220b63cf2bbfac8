#pragma once
// Whether a prompt could be heard over the WebSocket, and how long it has said nothing. Silence counts only
// while somebody could listen. A socket can be up and yet get no directed messages any more
// (connectors/comfyui/API.md 6.8). Pure.

#include <optional>

#include "connectors/comfyui/run/time.h"

namespace emprops::comfyui {

class Hearing {
  public:
    explicit Hearing(TimePoint now) : last_sign_(now), up_since_(now), down_since_(now) {}

    /// False: it was so already.
    bool on_socket(bool up, TimePoint now);
    bool up() const { return !down_since_; }

    /// The prompt, or what is to be taken for it, has given a sign of life.
    void sign(TimePoint now);
    /// An event of the prompt came: the socket is not deaf.
    void event(TimePoint now);
    /// How long the prompt has said nothing although it could be heard.
    Ms silence(TimePoint now) const;

    /// True where a socket that is up has brought nothing for so long that a new one should be tried. Then the
    /// time doubles for the next one.
    bool is_deaf(TimePoint now);

  private:
    static constexpr Ms first_deaf_after{60'000};

    TimePoint last_sign_;
    TimePoint up_since_;
    std::optional<TimePoint> down_since_;
    Ms down_{0};  // without a socket since last_sign_
    Ms deaf_after_ = first_deaf_after;
};

}  // namespace emprops::comfyui
