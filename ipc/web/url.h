#pragma once
// Absolute URLs in their parts, read by libcurl's parser. Pure, any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/result.h"

namespace emprops::web {

struct Url {
    std::string scheme;          ///< lowercase
    std::string user, password;  ///< decoded
    std::string host;            ///< an IPv6 address without brackets
    std::optional<std::uint16_t> port;
    std::string path;   ///< as it stands: empty, or begins with "/"
    std::string query;  ///< as it stands, without "?"

    /// Any scheme; a fragment is dropped. An error's message says what is wrong and never repeats the text,
    /// which may hold a password.
    static Result<Url> parse(std::string_view text);
    /// "host", "host:8188", "[::1]:8188".
    static std::string authority(const std::string& host, std::optional<std::uint16_t> port);
};

}  // namespace emprops::web
