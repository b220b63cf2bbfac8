#pragma once
// Typed access to the members of one message, for the decoders in ipc/. Reads what is asked and remembers the
// first thing that was wrong as a sentence which names the field. A member that is null counts as absent:
// many languages cannot leave a member out. Not thread-safe; refers to the fields it reads.

#include <cstdint>
#include <string>
#include <vector>

#include "ipc/messages.h"

namespace emprops::ipc {

class FieldReader {
  public:
    /// `what` begins the sentence of an error, for example "message \"progress\"".
    FieldReader(const Json& fields, std::string what) : fields_(fields), what_(std::move(what)) {}

    /// Required members.
    std::string text(const char* name);
    std::string nonempty_text(const char* name);
    bool flag(const char* name);
    std::int64_t integer(const char* name, std::int64_t low, std::int64_t high);
    std::uint64_t unsigned_integer(const char* name);
    JobError job_error(const char* name);

    /// Optional members; `fallback` (or nothing) if absent.
    std::string text(const char* name, std::string fallback);
    bool flag(const char* name, bool fallback);
    std::int64_t integer(const char* name, std::int64_t low, std::int64_t high, std::int64_t fallback);
    std::uint64_t unsigned_integer(const char* name, std::uint64_t fallback);
    Json object(const char* name, Json fallback);
    std::optional<int> percent(const char* name);
    std::vector<std::string> texts(const char* name);
    std::vector<int> integers(const char* name);

    bool has(const char* name) const;

    void fail(std::string sentence);
    bool failed() const { return !reason_.empty(); }
    const std::string& reason() const { return reason_; }

  private:
    /// The member, or nullptr if it is absent or null.
    const Json* find(const char* name) const;
    const Json* require(const char* name);
    void wrong(const char* name, const std::string& expected, const Json& found);
    std::int64_t integer_of(const char* name, const Json& value, std::int64_t low, std::int64_t high);

    const Json& fields_;
    std::string what_;
    std::string reason_;
};

}  // namespace emprops::ipc
