#pragma once
// Whose the object is that stands under a key which a job has chosen: nobody's, ours (an earlier try, an earlier process,
// an earlier run of the same job), or somebody else's, which must stay. What servers that speak different protocols have
// in common about it. Pure.

#include <string>
#include <variant>

#include "connectors/stores/kinds/upload.h"

namespace emprops::stores {

enum class Holder {
    nobody,  ///< it may be made, on the condition that this is still so
    us,      ///< it is of the same file of the same job, and may be replaced
    done,    ///< it has the very content already
};

/// The names of the headers in which we note a file's hash and its owner, in lower case.
struct Notes {
    const char* hash;
    const char* claim;
};

/// By the answer to a HEAD. A setback: somebody else's, or it cannot be told, and then nothing may be written.
std::variant<Holder, Setback> holder_of(const HttpAnswer& answer, const HttpRequest& head,
                                        const Uploads& uploads, const Cargo& cargo, const Notes& notes);

/// The header that makes a server refuse to replace anything.
inline constexpr const char* condition_header = "if-none-match";
/// The server has refused to, or is not sure.
bool is_taken(const HttpAnswer& answer);
/// The server does not know the condition; others ignore it. Whoever asks has looked before.
bool knows_no_condition(const HttpAnswer& answer);

}  // namespace emprops::stores
