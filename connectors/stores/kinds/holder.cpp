#include "connectors/stores/kinds/holder.h"

#include "connectors/stores/http/meaning.h"
#include "connectors/stores/http/url.h"
#include "ipc/text/values.h"

namespace emprops::stores {

namespace {
constexpr const char* rights_to_look =
    "; whether something is there under a job's key can be seen with the rights to read and to list (s3:GetObject, "
    "s3:ListBucket)";
}  // namespace

bool keeps_the_condition(const std::string& url) {
    const auto parsed = parse_url(url);
    if (!parsed.ok()) return false;
    const std::string host = text::lower(parsed->host);
    return host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
}

std::variant<Holder, Setback> holder_of(const HttpAnswer& answer, const HttpRequest& head,
                                        const Uploads& uploads, const Cargo& cargo, const Notes& notes) {
    const auto* response = std::get_if<HttpResponse>(&answer);
    if (response == nullptr || (response->status != 200 && response->status != 404)) {
        const bool denied = response != nullptr && response->status == 403;
        if (denied && keeps_the_condition(head.url)) return Holder::unseen;
        auto failed = judge(answer, head, uploads, cargo);
        if (failed && denied) failed->message += rights_to_look;
        if (failed) return std::move(*failed);
        return Setback{
            cannot_store(uploads, cargo, head.url,
                         "asked whether something is there, it says " + status_text(response->status))};
    }
    if (response->status == 404) return Holder::nobody;
    const auto noted = [&](const char* name) {
        const auto found = response->headers.find(name);
        return found == response->headers.end() ? std::string() : found->second;
    };
    if (has_content(*response, cargo, notes.hash)) return Holder::done;
    if (noted(notes.claim) == uploads.road.claim) return Holder::us;
    return Setback{
        cannot_store(uploads, cargo, head.url,
                     "another job's or somebody else's object has this key, and is not replaced; choose "
                     "another prefix")};
}

bool has_content(const HttpResponse& head, const Cargo& cargo, const char* hash_header) {
    const auto noted = head.headers.find(hash_header);
    return head.content_length == cargo.size && noted != head.headers.end() && noted->second == cargo.sha256;
}

void Condition::add_to(std::map<std::string, std::string>& headers) const {
    if (holds()) headers["if-none-match"] = "*";
}

bool Condition::dropped_by(const HttpAnswer& answer) {
    const auto* response = std::get_if<HttpResponse>(&answer);
    if (response == nullptr || !holds() || holder_ == Holder::unseen) return false;
    const std::string code = xml_element(response->body, "Code");
    dropped_ = response->status == 501 ||
               (response->status == 400 && (code == "NotImplemented" || code == "InvalidArgument"));
    return dropped_;
}

void Condition::judge(const HttpAnswer& answer, Setback& failed) const {
    const auto* response = std::get_if<HttpResponse>(&answer);
    if (response == nullptr || !holds() || (response->status != 412 && response->status != 409)) return;
    failed.passing = holder_ != Holder::unseen || response->status != 412;
    if (!failed.passing) failed.message += rights_to_look;
}

}  // namespace emprops::stores
