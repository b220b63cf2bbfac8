#pragma once
// What a person is told when something large has no room. Large texts (a frame of the Hub, a line of a connector, a
// payload, a result, a record) are made in few places; each of them takes std::bad_alloc for "too large", so that
// it costs the job or the connection and not the worker.

namespace emprops {

inline constexpr const char* no_memory =
    "this worker has no memory left; raise its limit (of its container or service, or ulimit -v), or keep large data "
    "elsewhere and pass its address";

/// First of all in main(): a block of this size or more comes from the system and goes back to it when it is freed.
/// glibc by itself raises this limit to that of the largest block ever freed (up to 32 MB), after which a worker that
/// had one large payload keeps several times its size for good. The buffers of the Hub's pieces (up to 2 MB) stay
/// below it: each of their pages would be made anew for every piece.
inline constexpr int own_block_bytes = 4 << 20;
void give_back_large_blocks();

}  // namespace emprops
