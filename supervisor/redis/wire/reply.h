#pragma once
// What Redis answers (RESP2), as a value.

#include <optional>
#include <string>
#include <vector>

namespace emprops::redis {

struct Reply {
    enum class Kind {
        nil,
        number,
        text,  ///< a status ("OK") or bytes
        error,
        list,
        lost,  ///< the connection ended before it was answered: the command may have been done
    };
    Kind kind = Kind::nil;
    long long number = 0;
    std::string text{};  ///< of an error: what Redis says; of `lost`: why
    std::vector<Reply> list{};

    bool is_nil() const { return kind == Kind::nil; }
    bool is_lost() const { return kind == Kind::lost; }
    /// An error, or no answer at all.
    bool failed() const { return kind == Kind::error || kind == Kind::lost; }
    bool is_error(const char* code) const { return kind == Kind::error && text.rfind(code, 0) == 0; }
    /// The text of the nth element; empty where there is none, or another kind of thing.
    std::string at(std::size_t index) const { return index < list.size() ? list[index].text : std::string(); }
};

inline Reply lost_reply(std::string why) {
    return {Reply::Kind::lost, 0, std::move(why)};
}

using Command = std::vector<std::string>;

/// Redis 5 and older know no users: without one the password stands alone.
inline Command auth_command(const std::string& user, const std::string& password) {
    return user.empty() ? Command{"AUTH", password} : Command{"AUTH", user, password};
}

}  // namespace emprops::redis
