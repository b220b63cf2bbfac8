#pragma once
// AWS Signature Version 4 ("Authenticating Requests", Amazon S3 API reference) as the strictest servers check it: what is
// signed is sent, queries are sorted, the body's hash is always part of it. Pure, any thread.

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace emprops::stores {

struct AwsKeys {
    std::string access_key, secret_key;
    std::string session_token{};  ///< empty: none
};

struct AwsRequest {
    std::string method;
    std::string path;                                          ///< percent-coded, as it is sent
    std::vector<std::pair<std::string, std::string>> query{};  ///< as they are, in any order
    std::map<std::string, std::string> headers{};  ///< all that are signed, in lower case; host among them
    std::string payload_sha256{};
};

/// "uploadId=x&uploads=", sorted and coded: for the signature and for the URL.
std::string aws_query(std::vector<std::pair<std::string, std::string>> query);
/// What is hashed and signed.
std::string aws_canonical_request(const AwsRequest& request);
/// The value of the header Authorization. `moment`: as in x-amz-date, "20130524T000000Z".
std::string aws_authorization(const AwsRequest& request, const AwsKeys& keys, const std::string& region,
                              const std::string& moment);
/// "20130524T000000Z"
std::string aws_moment(std::chrono::system_clock::time_point now);

}  // namespace emprops::stores
