#include "ipc/web/url.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

namespace emprops::web {
namespace {

struct CurlUrlDeleter {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

/// "" for a part that is not there.
std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
    const std::unique_ptr<char, decltype(&curl_free)> owner(text, &curl_free);
    return text;
}

/// A password may hold an "@" that nobody encoded: the last one ends it.
std::string with_one_at_sign(std::string_view text) {
    std::string encoded(text);
    const auto begin = encoded.find("://");
    if (begin == std::string::npos) return encoded;
    const auto end = std::min(encoded.find_first_of("/?#", begin + 3), encoded.size());
    for (auto last = encoded.rfind('@', end - 1); last != std::string::npos && last > begin;) {
        const auto before = encoded.rfind('@', last - 1);
        if (before == std::string::npos || before < begin) break;
        encoded.replace(before, 1, "%40");
        last = before;
    }
    return encoded;
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
    const auto bad = [](const char* why) { return Error{"bad_url", why}; };
    if (std::any_of(text.begin(), text.end(),
                    [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; }))
        return bad("it contains a space or a control character");
    if (text.find("://") == std::string_view::npos) return bad("it has no scheme");
    const std::unique_ptr<CURLU, CurlUrlDeleter> parsed(curl_url());
    constexpr unsigned flags = CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS;
    const auto code = curl_url_set(parsed.get(), CURLUPART_URL, with_one_at_sign(text).c_str(), flags);
    if (code != CURLUE_OK) return bad(curl_url_strerror(code));
    Url url;
    url.scheme = part(parsed.get(), CURLUPART_SCHEME);
    url.user = part(parsed.get(), CURLUPART_USER, CURLU_URLDECODE);
    url.password = part(parsed.get(), CURLUPART_PASSWORD, CURLU_URLDECODE);
    url.host = part(parsed.get(), CURLUPART_HOST);
    if (url.host.starts_with('[')) url.host = url.host.substr(1, url.host.size() - 2);
    if (url.host.empty()) return bad("it names no host");
    if (const auto zone = part(parsed.get(), CURLUPART_ZONEID); !zone.empty()) url.host += "%25" + zone;
    if (const auto port = part(parsed.get(), CURLUPART_PORT); !port.empty()) {
        const int number = std::stoi(port);
        if (number < 1 || number > 65535) return bad("the port must be a number from 1 to 65535");
        url.port = static_cast<std::uint16_t>(number);
    }
    url.path = part(parsed.get(), CURLUPART_PATH);
    url.query = part(parsed.get(), CURLUPART_QUERY);
    return url;
}

std::string Url::authority(const std::string& host, std::optional<std::uint16_t> port) {
    std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
    if (port) text += ":" + std::to_string(*port);
    return text;
}

}  // namespace emprops::web
