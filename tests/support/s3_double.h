#pragma once
// A small S3 server on 127.0.0.1: one bucket, PUT and GET of objects by path, signatures checked by the strict rules of
// aws_signature.h. Runs on a thread of its own; all functions are for the test's thread.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/aws_signature.h"

namespace emprops::test {

struct S3Options {
    std::string bucket = "results";
    std::string region = "us-east-1";
    std::string access_key = "AK";
    std::string secret_key = "secret";
};

class S3Double {
  public:
    struct Object {
        std::string body;
        std::string content_type;
    };

    explicit S3Double(S3Options options = {});
    ~S3Double();
    S3Double(const S3Double&) = delete;
    S3Double& operator=(const S3Double&) = delete;

    std::string endpoint() const;  ///< http://127.0.0.1:PORT
    /// What a PUT stored under "/bucket/key", percent-coded as it was sent.
    std::optional<Object> object(const std::string& target) const;
    std::vector<SignedRequest> requests() const;  ///< all of them, also those that were refused
    std::vector<std::string> refusals() const;    ///< what was wrong with a signature

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace emprops::test
