#pragma once
// What an answer over HTTP means, whoever gave it: ComfyUI, a proxy, the source of an input, a destination. Decided by
// the status; the shape of the answer counts only where the status says that all is well. Pure.

#include <string>
#include <string_view>

namespace emprops::stores {

enum class Meaning {
    good,       ///< 2xx
    page,       ///< 2xx, but a web page where none was asked for: a login
    redirect,   ///< 3xx
    denied,     ///< 401, 403, 407, 511
    missing,    ///< 404, 410
    later,      ///< 408, 425, 429, 503: come again
    gateway,    ///< 502, 504 and those of Cloudflare: what stands before the server got no answer
    too_large,  ///< 413
    broken,     ///< 500 and others: the server's own error
    refused,    ///< every other 4xx
};
Meaning meaning_of(long status, std::string_view content_type, bool page_is_wanted = false);

/// The request was not accepted, and the same may be once somebody has another moment.
bool is_passing(Meaning meaning);
/// 429 and 425 are said before anything is done with the request.
bool is_surely_not_done(long status);
/// Of `gateway`: nobody is there; else somebody is, and slow (504, 524).
bool is_nobody_there(long status);
/// Access: denied, a page in place of the answer, a redirect.
bool is_access(Meaning meaning);
bool is_html(std::string_view content_type);

/// "HTTP 413 (too large)".
std::string status_text(long status);
/// The same with what the body says to a person, if anything: "HTTP 502 (bad gateway: nginx)".
std::string answer_text(long status, std::string_view body);

}  // namespace emprops::stores
