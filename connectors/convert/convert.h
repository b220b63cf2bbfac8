#pragma once
// One picture into the form that is wanted, or the reason why it stays as it is. No I/O but the sink; no threads. What it
// is given is a stranger's: it runs behind the walls of sandbox.h.

#include "connectors/convert/launch/order.h"
#include "connectors/convert/picture/picture.h"
#include "connectors/convert/picture/sink.h"

namespace emprops::convert {

/// Above it a picture is left as it is; decided by its header, before anything is decoded. 100 million need 1 GB.
inline constexpr std::uint64_t most_pixels = 100'000'000;

/// `strip`: without metadata (a profile of colours stays: it belongs to the picture).
Reply convert_image(Bytes file, const ipc::ImageWish& wish, bool strip, Sink& sink);

}  // namespace emprops::convert
