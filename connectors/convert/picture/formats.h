#pragma once
// The three formats, each by its library: a file in memory to a picture, a picture to bytes. No threads; errors name what
// is wrong with the file in words for people ("broken", "disk", "internal", "unfit").

#include "connectors/convert/picture/picture.h"
#include "connectors/convert/picture/sink.h"
#include "ipc/result.h"

namespace emprops::convert {

/// The size is that of read_header(), which was found acceptable.
Result<Picture> read_png(Bytes file);
Result<Picture> read_jpeg(Bytes file);
Result<Picture> read_webp(Bytes file);

Result<> write_png(Picture& picture, Sink& sink);
/// Transparency is lost: flatten() first.
Result<> write_jpeg(Picture& picture, int quality, Sink& sink);
Result<> write_webp(Picture& picture, int quality, Sink& sink);

}  // namespace emprops::convert
