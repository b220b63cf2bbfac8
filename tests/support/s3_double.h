#pragma once
// A small S3 server on 127.0.0.1: one bucket, objects by path, uploads in parts, signatures checked by the strict rules of
// aws_signature.h. Without a check of signatures it is a server that takes any PUT. It misbehaves when told to. Runs on a thread of its own; all functions are for the test's thread.

#include <map>
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
    bool check_signatures = true;  ///< false: any bucket, any key
    /// What `If-None-Match: *` means to it.
    enum class Condition { honoured, ignored, unknown } condition = Condition::honoured;
};

/// What the next requests of this method get, whose target (with query) has this text.
struct S3Fault {
    enum class Kind {
        answer,   ///< `status` and `body` after the request was read; it is not done
        early,    ///< the same before the body was read
        lost,     ///< it is done, and the connection closed without a word
        cut,      ///< the connection is closed before the body was read
        stall,    ///< not a byte is read or written any more
        mute,     ///< it is done, and nothing is said of it
        trickle,  ///< it is done, and the answer comes a byte at a time, for ever
        lie,      ///< it is done, and the answer is shorter than its Content-Length says
    };
    std::string method;
    std::string text;
    Kind kind = Kind::answer;
    unsigned status = 503;
    std::string body{};
    int count = 1;
    std::string retry_after{};
    std::string location{};
};

class S3Double {
  public:
    struct Object {
        std::string body;
        std::string content_type;
        std::string sha256{};                        ///< x-amz-meta-sha256
        std::map<std::string, std::string> notes{};  ///< x-amz-meta-... and x-ms-meta-...
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
    std::vector<std::string> object_names() const;
    std::vector<std::string> open_uploads()
        const;  ///< targets of uploads that were neither completed nor aborted
    /// As if another process had begun it; target as in object().
    void begin_upload(const std::string& target);
    /// As if somebody else had stored it.
    void store(const std::string& target, Object object);
    void fail(S3Fault fault);
    void clear_faults();
    int faults_met() const;  ///< requests that were left waiting

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace emprops::test
