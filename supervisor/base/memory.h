#pragma once
// What a person is told when something large has no room. Large texts (a frame of the Hub, a line of a connector, a
// payload, a result, a record) are made in few places; each of them takes std::bad_alloc for "too large", so that
// it costs the job or the connection and not the worker.

namespace emprops {

inline constexpr const char* no_memory =
    "this worker has no memory left; raise its limit (of its container or service, or ulimit -v), or keep large data "
    "elsewhere and pass its address";

}  // namespace emprops
