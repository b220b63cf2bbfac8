#pragma once
// Handlers that may run after their owner's end: one that the owner has guarded does nothing then.

#include <memory>
#include <utility>

namespace emprops {

class Lifetime {
  public:
    template <class Handler>
    auto guard(Handler handler) const {
        return [alive = std::weak_ptr(token_),
                handler = std::move(handler)]<class... Arguments>(Arguments&&... arguments) mutable {
            if (!alive.expired()) handler(std::forward<Arguments>(arguments)...);
        };
    }

    /// Expired when the owner has ended: for a loop whose callbacks may end it.
    std::weak_ptr<const int> watch() const { return token_; }

  private:
    std::shared_ptr<const int> token_ = std::make_shared<const int>(0);
};

}  // namespace emprops
