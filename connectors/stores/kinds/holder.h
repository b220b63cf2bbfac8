#pragma once
// Whose the object is that stands under a key which a job has chosen: nobody's, ours (an earlier try, an earlier process,
// an earlier run of the same job), or somebody else's, which must stay. What servers that speak different protocols have
// in common about it. Pure.

#include <map>
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

/// The object has the content that is to go there, by our note of its hash.
bool has_content(const HttpResponse& head, const Cargo& cargo, const char* hash_header);

/// That an object is made only if nobody has the key which its job has chosen: looked at before, then asked of the server
/// with the request that makes it. One per object.
class Condition {
  public:
    /// What the look has said. Without one the key is the operator's, and there is no condition.
    void looked(Holder holder) { holder_ = holder; }
    bool is_done() const { return holder_ == Holder::done; }
    /// What the request that makes the object has beside its other headers.
    void add_to(std::map<std::string, std::string>& headers) const;
    /// True: the server knows no such condition (others ignore it), and the same request goes without, since we have looked.
    /// Not where we could not.
    bool dropped_by(const HttpAnswer& answer);
    /// Where the server has refused to replace anything, or is not sure: the next look says who was faster; where we may not
    /// look, somebody has it and keeps it.
    void judge(const HttpAnswer& answer, Setback& failed) const;

  private:
    bool holds() const { return holder_ == Holder::unseen || (holder_ == Holder::nobody && !dropped_); }

    Holder holder_ = Holder::us;
    bool dropped_ = false;
};

}  // namespace emprops::stores
