#include "connectors/comfyui/server/object_info.h"

namespace emprops::comfyui {

std::shared_ptr<const Json> ObjectInfo::get(Api& api, Ms timeout) {
    constexpr Ms fresh_for{60'000};
    {
        const std::lock_guard lock(mutex_);
        if (value_ && Clock::now() < until_) return value_;
    }
    auto answer = api.get_json("/object_info", timeout);
    auto* value = std::get_if<Json>(&answer);
    if (value == nullptr || !value->is_object()) return nullptr;
    const std::lock_guard lock(mutex_);
    value_ = std::make_shared<const Json>(std::move(*value));
    until_ = Clock::now() + fresh_for;
    return value_;
}

}  // namespace emprops::comfyui
