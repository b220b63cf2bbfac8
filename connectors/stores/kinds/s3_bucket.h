#pragma once
// One bucket of a server that speaks S3: signed requests to it and to its objects. One per store and job, on the job's
// thread; blocking.

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/stores/http/url.h"
#include "connectors/stores/kinds/holder.h"
#include "connectors/stores/kinds/upload.h"
#include "connectors/stores/sign/aws.h"

namespace emprops::stores {

class S3Bucket {
  public:
    /// What it refers to outlives it.
    S3Bucket(const S3Settings& settings, const Uploads& uploads);

    struct Ask {
        std::string method;
        std::string key{};  ///< empty: the bucket itself
        std::vector<std::pair<std::string, std::string>> query{};
        std::map<std::string, std::string> headers{};  ///< names in lower case; those of x-amz-... are signed
        std::string payload_sha256{};                  ///< of the body; empty: there is none
    };
    /// The request, signed for this moment; whoever asked puts the body into it. Errors: credentials that cannot be read.
    Result<HttpRequest> request(const Ask& ask) const;
    /// Where the object is, without a query.
    std::string url(const std::string& key) const;
    const std::string& name() const { return settings_.bucket; }

    /// Whether the object is there, with this size and our note of this hash. Null: nobody says so.
    std::optional<bool> has(const std::string& key, const Cargo& cargo) const;
    /// Before the first byte: whose the key is, where a job has chosen it.
    std::optional<Setback> look(const std::string& key, const Cargo& cargo, Condition& condition) const;
    /// The headers in which we note a file's hash, and whose it is.
    static constexpr const char* hash_header = "x-amz-meta-sha256";
    static constexpr const char* claim_header = "x-amz-meta-emprops-job";
    /// Those, and the type: what an object of this file is made with.
    std::map<std::string, std::string> notes(const Cargo& cargo) const;

  private:
    std::string host() const;
    std::string path(const std::string& key) const;

    const S3Settings& settings_;
    const Uploads& uploads_;
    Url endpoint_;
};

}  // namespace emprops::stores
