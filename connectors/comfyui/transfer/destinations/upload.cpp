#include "connectors/comfyui/transfer/destinations/upload.h"

#include "connectors/comfyui/text/meaning.h"
#include "connectors/comfyui/text/url.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

std::string element(const std::string& xml, const std::string& name) {
    const auto begin = xml.find("<" + name + ">");
    const auto end = xml.find("</" + name + ">");
    const auto from = begin + name.size() + 2;
    return begin == std::string::npos || end == std::string::npos || end < from
               ? ""
               : xml.substr(from, end - from);
}

/// What an S3 server says: "NoSuchBucket: The specified bucket does not exist"; empty: it is none.
std::string xml_error(const std::string& body) {
    const std::string code = element(body, "Code");
    const std::string message = element(body, "Message");
    return code.empty() ? "" : std::string(text::cut(code + (message.empty() ? "" : ": " + message), 300));
}

/// Words of S3 that come with a status which says nothing of the kind.
bool is_passing_word(const std::string& error) {
    return error.starts_with("RequestTimeout:") || error.starts_with("OperationAborted:");
}

bool asks_for_password(const std::string& body) {
    const std::string text = text::lower(text::cut(body, 64 * 1024));
    return text.find("<form") != std::string::npos && text.find("password") != std::string::npos;
}

}  // namespace

HttpRequest put_request(const Uploads& uploads, const OutputSettings& rules, const Cargo& cargo,
                        const std::string& url) {
    HttpRequest put;
    put.method = "PUT";
    put.url = url;
    put.body_file = cargo.path;
    put.headers["Content-Type"] = cargo.file.mime_type;
    put.connect_timeout = uploads.settings.limits.connect;
    put.timeout = uploads.settings.limits.download;
    put.verify_tls = rules.verify_tls;
    put.ca_file = rules.ca_file;
    put.ca_setting = "deliver_ca_file";
    put.use_proxy = true;
    put.cancelled = uploads.cancelled;
    return put;
}

std::optional<Setback> upload(const Uploads& uploads, const HttpRequest& put, const Cargo& cargo,
                              const UploadWords& words) {
    const auto failed = [&](const std::string& why) {
        return "cannot store \"" + cargo.file.filename + "\" by " + words.by + " at " +
               without_secrets(put.url) + ": " + why;
    };
    const auto answer = uploads.http.send(put);
    if (const auto problem = no_answer(answer))
        return Setback{failure_of(Cause::delivery, failed(problem->what)), true};
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
                failure_of(Cause::result_too_large, why + "; its limit (or that of a proxy in front of it) " +
                                                        "is below " + exact_bytes(cargo.size))};
        case Meaning::page:
        case Meaning::denied:
            return Setback{failure_of(Cause::delivery, why + "; check " + words.access)};
        case Meaning::redirect: {
            const std::string target = without_secrets(absolute_location(put.url, response.location));
            return Setback{failure_of(Cause::delivery,
                                      why + "; it leads to " + (target.empty() ? "nowhere usable" : target) +
                                          ": set " + words.address + " to where it really is")};
        }
        default:
            return Setback{failure_of(Cause::delivery, why), is_passing(meaning) || is_passing_word(said),
                           response.retry_after};
    }
}

}  // namespace emprops::comfyui
