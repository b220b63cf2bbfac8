#include "connectors/stores/kinds/upload.h"

#include "connectors/stores/http/meaning.h"
#include "connectors/stores/http/url.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::stores {
namespace {

/// Below this a server is as good as away: 100 MB would take a day. It holds while the answer is waited for, too, where
/// nothing moves at all.
constexpr std::uint64_t least_speed = 1024;

/// What an S3 server says: "NoSuchBucket: The specified bucket does not exist"; empty: it is none.
std::string xml_error(const std::string& body) {
    const std::string code = xml_element(body, "Code");
    const std::string message = xml_element(body, "Message");
    return code.empty() ? "" : in_one_line(text::cut(code + (message.empty() ? "" : ": " + message), 300));
}

/// Words of S3 that come with a status which says nothing of the kind.
bool is_passing_word(const std::string& error) {
    return error.starts_with("RequestTimeout:") || error.starts_with("OperationAborted:");
}

bool asks_for_password(const std::string& body) {
    const std::string text = text::lower(text::cut(body, 64 * 1024));
    return text.find("<form") != std::string::npos && text.find("password") != std::string::npos;
}

/// What stands beside a refusal that only the clock explains.
bool is_about_the_clock(const std::string& error) {
    return error.starts_with("RequestTimeTooSkewed") ||
           error.find("Request date header too old") != std::string::npos;
}

}  // namespace

std::string xml_element(const std::string& xml, const std::string& name) {
    const auto begin = xml.find("<" + name + ">");
    const auto end = xml.find("</" + name + ">");
    const auto from = begin + name.size() + 2;
    return begin == std::string::npos || end == std::string::npos || end < from
               ? ""
               : xml.substr(from, end - from);
}

HttpRequest store_request(const Uploads& uploads, std::string method, std::string url) {
    HttpRequest request;
    request.method = std::move(method);
    request.url = std::move(url);
    request.connect_timeout = uploads.settings.connect_timeout;
    request.timeout = Ms{0};
    request.silence = uploads.settings.timeout;
    request.least_speed = least_speed;
    request.max_bytes = 16ull << 20;
    request.verify_tls = uploads.settings.verify_tls;
    request.ca_file = uploads.settings.ca_file;
    request.ca_setting = uploads.words.ca;
    request.use_proxy = true;
    request.cancelled = uploads.road.cancelled;
    return request;
}

void carry(HttpRequest& request, const Uploads& uploads, const Cargo& cargo, std::uint64_t offset,
           std::uint64_t size) {
    request.body_file = FilePart{cargo.descriptor, offset, size};
    if (uploads.road.moved) {
        request.sent = [offset, &moved = uploads.road.moved](std::uint64_t bytes) { moved(offset + bytes); };
    }
}

std::string cannot_store(const Uploads& uploads, const Cargo& cargo, const std::string& url,
                         const std::string& why) {
    return "cannot store \"" + cargo.name + "\" by " + uploads.words.by + " at " + without_secrets(url) +
           ": " + why;
}

bool is_lost(const HttpAnswer& answer) {
    const auto* problem = std::get_if<Unreachable>(&answer);
    return problem != nullptr && problem->sent && !problem->refused;
}

std::optional<Setback> judge(const HttpAnswer& answer, const HttpRequest& request, const Uploads& uploads,
                             const Cargo& cargo) {
    const Words& words = uploads.words;
    const auto failed = [&](const std::string& why) {
        return cannot_store(uploads, cargo, request.url, why);
    };
    if (const auto problem = no_answer(answer)) return Setback{failed(problem->what), !problem->refused};
    const auto& response = std::get<HttpResponse>(answer);
    const std::string said = xml_error(response.body);
    const std::string why = failed(said.empty() ? answer_text(response.status, response.body)
                                                : status_text(response.status) + " " + said);
    // Servers say "stored" in HTML, too; a form that asks for a password is no such word.
    const Meaning meaning =
        meaning_of(response.status, response.content_type, !asks_for_password(response.body));
    switch (meaning) {
        case Meaning::good:
            return {};
        case Meaning::too_large:
            return Setback{
                why + "; its limit (or that of a proxy in front of it) is below " + exact_bytes(cargo.size),
                false, Ms{0}, Trouble::too_large};
        case Meaning::page:
        case Meaning::denied:
            return Setback{why + (is_about_the_clock(said) ? "; set the clock of this machine"
                                                           : "; check " + words.access),
                           false, Ms{0}, Trouble::access};
        case Meaning::redirect: {
            const std::string target = without_secrets(absolute_location(request.url, response.location));
            return Setback{why + "; it leads to " + (target.empty() ? "nowhere usable" : target) + ": set " +
                           words.address + " to where it really is"};
        }
        default:
            if (response.status == 501 || response.status == 505)
                return Setback{why};  // it will never know how
            return Setback{why, is_passing(meaning) || is_passing_word(said), response.retry_after};
    }
}

}  // namespace emprops::stores
