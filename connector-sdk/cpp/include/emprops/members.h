#pragma once
// Typed reading of a payload. A wrong or missing member throws JobFailure("invalid_payload", not retryable) that names the
// member, what it may be and what it is; null counts as absent. For settings see settings.h. Any thread; a value.
//
//     const emprops::Members payload(job.payload());
//     const auto width = payload.integer("width", 512, {1, 8192});
//     const auto model = payload.object("options").string("model");

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/rows/codec.h"
#include "emprops/connector.h"

namespace emprops {

class Members {
  public:
    using Range = settings::Range;

    /// `values` must be an object, as Job::payload() is; else all members are absent.
    explicit Members(Json values) : Members(std::move(values), {}) {}

    /// It is there and not null.
    bool has(std::string_view key) const;
    const Json& values() const { return values_; }

    /// Without a fallback the member must be there.
    std::string string(std::string_view key) const;
    std::string string(std::string_view key, const std::string& fallback) const;
    /// One of these texts; the first is the fallback.
    std::string choice(std::string_view key, const std::vector<std::string>& choices) const;
    /// 3.0 is a whole number, 2^64 is none that fits.
    std::int64_t integer(std::string_view key, Range range = {}) const;
    std::int64_t integer(std::string_view key, std::int64_t fallback, Range range = {}) const;
    double number(std::string_view key, Range range = {}) const;
    double number(std::string_view key, double fallback, Range range = {}) const;
    bool boolean(std::string_view key) const;
    bool boolean(std::string_view key, bool fallback) const;
    /// A list.
    Json array(std::string_view key) const;
    Json array(std::string_view key, const Json& fallback) const;
    /// The members of an object in this one; of an absent one with a fallback (`{}`): has() says no to all of them.
    Members object(std::string_view key) const;
    Members object(std::string_view key, const Json& fallback) const;

  private:
    Members(Json values, std::string path) : values_(std::move(values)), path_(std::move(path)) {}
    const Json* find(std::string_view key) const;
    const Json& need(std::string_view key, const char* kind) const;
    JobFailure wrong(std::string_view key, const std::string& wanted, const Json& value) const;
    std::int64_t to_integer(std::string_view key, const Json& value, Range range) const;
    double to_number(std::string_view key, const Json& value, Range range) const;
    std::string to_string(std::string_view key, const Json& value) const;
    bool to_boolean(std::string_view key, const Json& value) const;
    Json to_array(std::string_view key, const Json& value) const;
    Members to_object(std::string_view key, const Json& value) const;

    Json values_;
    std::string path_;  ///< of the object in the payload, with a dot at its end
};

}  // namespace emprops
