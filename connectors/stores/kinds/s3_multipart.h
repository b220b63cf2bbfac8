#pragma once
// One large file into a bucket in parts: begun, brought part by part, completed; or taken back. It keeps what the server
// has, so that the next try goes on from there. One per file, on the job's thread; blocking.

#include <string>
#include <vector>

#include "connectors/stores/kinds/s3_bucket.h"

namespace emprops::stores {

struct S3Limits {
    std::uint64_t single_bytes = 100ull << 20;  ///< up to here one request
    std::uint64_t part_bytes = 32ull << 20;
    std::uint64_t parts = 10'000;  ///< S3's own limit: parts of larger files are larger

    std::uint64_t part_of(std::uint64_t size) const;
};

class S3Multipart {
  public:
    /// What it refers to outlives it.
    S3Multipart(const S3Bucket& bucket, const Uploads& uploads, S3Limits limits);
    /// Gives up what is begun.
    ~S3Multipart() { give_up(); }
    S3Multipart(const S3Multipart&) = delete;
    S3Multipart& operator=(const S3Multipart&) = delete;

    /// One try. Null: the object is there, whole.
    std::optional<Setback> bring(const std::string& key, const Cargo& cargo);
    /// Aborts what is begun, so that nobody pays for it. Does not ask whether the job was cancelled.
    void give_up();
    /// Aborts what Road::begun told of an earlier one. True: the server does not have it any more.
    bool take_back(const Json& begun) const;

  private:
    std::optional<Setback> begin();
    std::optional<Setback> bring_part();
    std::optional<Setback> complete();
    /// Uploads of this very key that an earlier process began, or one whose id we did not get.
    void sweep();
    /// True: it is gone.
    bool abort(const std::string& key, const std::string& id) const;
    std::optional<Setback> ask(const S3Bucket::Ask& ask, const std::string& body, HttpAnswer& answer) const;
    std::optional<Setback> forget_if_gone(const HttpAnswer& answer, std::optional<Setback> failed);
    bool is_whole() const { return part_ * etags_.size() >= cargo_->size; }

    const S3Bucket& bucket_;
    const Uploads& uploads_;
    const S3Limits limits_;
    const Cargo* cargo_ = nullptr;  // while bring() runs
    std::string key_, id_;
    std::uint64_t part_ = 0;
    std::vector<std::string> etags_;
    bool to_sweep_;
    Condition condition_;
};

/// The upload ids of a ListMultipartUploads answer that belong to exactly this key. Pure.
std::vector<std::string> uploads_of(const std::string& xml, const std::string& key);
/// The body of CompleteMultipartUpload. Pure.
std::string completion(const std::vector<std::string>& etags);

}  // namespace emprops::stores
