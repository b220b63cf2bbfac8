#pragma once
// Jobs of EmProps say where their files go in the member `ctx` of the payload: `ctx.storage` with provider, bucket, prefix,
// cdnUrl and filename, each of which may stand in `ctx` itself as well. Which of our stores that is, is the operator's to
// say (`ctx` of [stores.NAME]); credentials in it are not read. Pure.

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/messages.h"
#include "ipc/result.h"
#include "supervisor/files/destination.h"

namespace emprops::files {

/// `stores`: "azure:renders" -> the name of a store. nullopt: the payload names no storage. Errors: "invalid_payload", for a
/// storage that is no store here, or a prefix or filename that cannot be used.
Result<std::optional<Destination>> read_ctx(std::string_view payload,
                                            const std::map<std::string, std::string>& stores);

/// The name that such a job wants for a file: with the file's own ending, as they have it.
std::string named_by_ctx(const std::string& name, const std::string& wanted);

/// `result`, an object, with what their clients read of the first file: `image_url`, `mime_type`, `content_type` ("image",
/// "video", ...). A member that it has already stays as it is. `entry`: what the store said of it.
std::string with_ctx_members(std::string result, const ipc::ResultFile& file, std::string_view entry);

}  // namespace emprops::files
