#include "connectors/comfyui/transfer/destinations/destination.h"

namespace emprops::comfyui {

std::string free_target(std::set<std::string>& taken, const std::string& target) {
    if (taken.insert(target).second) return target;
    const auto slash = target.rfind('/');
    auto dot = target.rfind('.');
    if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) dot = target.size();
    for (int i = 2;; ++i) {
        std::string next = target.substr(0, dot) + "-" + std::to_string(i) + target.substr(dot);
        if (taken.insert(next).second) return next;
    }
}

}  // namespace emprops::comfyui
