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
    unseen,  ///< we may not see it; the server keeps the condition for sure, and nothing is written without it
};

/// The names of the headers in which we note a file's hash and its owner, in lower case.
struct Notes {
    const char* hash;
    const char* claim;
};

/// Amazon's S3: it is known to keep the condition. What is not there answers 403 where the key may not list the bucket.
bool keeps_the_condition(const std::string& url);

/// By the answer to a HEAD. A setback: somebody else's, or it cannot be told, and then nothing may be written.
std::variant<Holder, Setback> holder_of(const HttpAnswer& answer, const HttpRequest& head,
                                        const Uploads& uploads, const Cargo& cargo, const Notes& notes);

/// The header that makes a server refuse to replace anything.
inline constexpr const char* condition_header = "if-none-match";
/// The server has refused to, or is not sure.
bool is_taken(const HttpAnswer& answer);
/// What it means then: the next look says who was faster; where we may not look, somebody has it and keeps it.
void is_taken_after(Holder looked, const HttpAnswer& answer, Setback& failed);
/// The server does not know the condition; others ignore it. Whoever asks has looked before.
bool knows_no_condition(const HttpAnswer& answer);

}  // namespace emprops::stores
