#pragma once
// The names of keys and channels (supervisor/redis/PROTOCOL.md, "Keys"). Pure.

#include <string>

namespace emprops::redis::keys {

inline constexpr const char* pending = "jobs:pending";
inline constexpr const char* completed = "jobs:completed";
inline constexpr const char* failed = "jobs:failed";
inline constexpr const char* workers = "workers:active";
/// Ours alone: ids of workers whose jobs somebody of us may take back when they are gone.
inline constexpr const char* our_workers = "emprops:workers";

/// Ours alone: which worker, over its restarts, has the ids of this base.
inline std::string holder(const std::string& base) {
    return "emprops:holder:" + base;
}

inline std::string job(const std::string& id) {
    return "job:" + id;
}
inline std::string progress(const std::string& id) {
    return "job:" + id + ":progress";
}
inline std::string progress_stream(const std::string& id) {
    return "progress:" + id;
}
inline std::string active(const std::string& worker) {
    return "jobs:active:" + worker;
}
inline std::string worker(const std::string& worker) {
    return "worker:" + worker;
}
inline std::string heartbeat(const std::string& worker) {
    return "worker:" + worker + ":heartbeat";
}

}  // namespace emprops::redis::keys
