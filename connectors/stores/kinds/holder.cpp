#include "connectors/stores/kinds/holder.h"

#include "connectors/stores/http/meaning.h"

namespace emprops::stores {

std::variant<Holder, Setback> holder_of(const HttpAnswer& answer, const HttpRequest& head,
                                        const Uploads& uploads, const Cargo& cargo, const Notes& notes) {
    const auto* response = std::get_if<HttpResponse>(&answer);
    if (response == nullptr || (response->status != 200 && response->status != 404)) {
        auto failed = judge(answer, head, uploads, cargo);
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
    if (response->content_length == cargo.size && noted(notes.hash) == cargo.sha256) return Holder::done;
    if (noted(notes.claim) == uploads.road.claim) return Holder::us;
    return Setback{
        cannot_store(uploads, cargo, head.url,
                     "another job's or somebody else's object has this key, and is not replaced; choose "
                     "another prefix")};
}

bool is_taken(const HttpAnswer& answer) {
    const auto* response = std::get_if<HttpResponse>(&answer);
    return response != nullptr && (response->status == 412 || response->status == 409);
}

bool knows_no_condition(const HttpAnswer& answer) {
    const auto* response = std::get_if<HttpResponse>(&answer);
    if (response == nullptr) return false;
    const std::string code = xml_element(response->body, "Code");
    return response->status == 501 ||
           (response->status == 400 && (code == "NotImplemented" || code == "InvalidArgument"));
}

}  // namespace emprops::stores
