#pragma once
// GET /object_info, which is several MB with custom nodes: fetched once in a while for all jobs. Thread-safe.

#include <memory>
#include <mutex>

#include "connectors/comfyui/run/time.h"
#include "connectors/comfyui/server/api.h"

namespace emprops::comfyui {

class ObjectInfo {
  public:
    /// null when ComfyUI does not give it. Asks with the caller's Api when the last answer is older than a
    /// minute.
    std::shared_ptr<const Json> get(Api& api, Ms timeout);

  private:
    std::mutex mutex_;
    std::shared_ptr<const Json> value_;
    TimePoint until_{};
};

}  // namespace emprops::comfyui
