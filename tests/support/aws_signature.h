#pragma once
// Checks the signature (AWS version 4) of a request as a strict S3 server does. The rule about headers is MinIO's
// (https://github.com/minio/minio, cmd/signature-v4-utils.go): what is named in SignedHeaders and was not sent is
// an error, only an absent "expect" counts as "100-continue". Pure functions.

#include <map>
#include <string>

namespace emprops::test {

struct SignedRequest {
    std::string method;
    std::string target;                          ///< path, percent-coded as sent; no query
    std::map<std::string, std::string> headers;  ///< names in lower case
    std::string body;
    std::string query{};  ///< as sent, without "?"
};

/// What is wrong with the signature of `request`; empty if a strict server accepts it.
std::string signature_error(const SignedRequest& request, const std::string& access_key,
                            const std::string& secret_key, const std::string& region);

}  // namespace emprops::test
