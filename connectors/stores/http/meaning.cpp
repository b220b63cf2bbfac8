#include "connectors/stores/http/meaning.h"

#include <utility>

#include "ipc/text/values.h"
#include "ipc/web/page_text.h"

namespace emprops::stores {
namespace {

const char* words_for(long status) {
    static constexpr std::pair<long, const char*> known[] = {
        {200, "OK"},
        {301, "moved"},
        {302, "moved"},
        {303, "moved"},
        {307, "moved"},
        {308, "moved"},
        {400, "bad request"},
        {401, "a password is wanted"},
        {403, "forbidden"},
        {404, "not found"},
        {405, "method not allowed"},
        {407, "a proxy wants a password"},
        {408, "took too long"},
        {410, "gone"},
        {411, "length required"},
        {412, "precondition failed"},
        {413, "too large"},
        {414, "the address is too long"},
        {421, "wrong host"},
        {425, "too early"},
        {429, "too many requests"},
        {431, "the headers are too large"},
        {500, "internal error"},
        {501, "not implemented"},
        {502, "bad gateway"},
        {503, "unavailable"},
        {504, "gateway timed out"},
        {507, "no room there"},
        {511, "a login is wanted"},
    };
    for (const auto& [number, words] : known) {
        if (number == status) return words;
    }
    if (status >= 200 && status < 300) return "well";
    if (status >= 300 && status < 400) return "another place";
    if (status >= 400 && status < 500) return "refused";
    return status >= 520 && status <= 530 ? "what stands before it got no answer" : "an error of the server";
}

}  // namespace

Meaning meaning_of(long status, std::string_view content_type, bool page_is_wanted) {
    switch (status) {
        case 401:
        case 403:
        case 407:
        case 511:
            return Meaning::denied;
        case 404:
        case 410:
            return Meaning::missing;
        case 408:
        case 425:
        case 429:
        case 503:
            return Meaning::later;
        case 413:
            return Meaning::too_large;
        case 502:
        case 504:
            return Meaning::gateway;
        default:
            break;
    }
    if (status >= 200 && status < 300)
        return is_html(content_type) && !page_is_wanted ? Meaning::page : Meaning::good;
    if (status >= 300 && status < 400) return Meaning::redirect;
    if (status >= 400 && status < 500) return Meaning::refused;
    return status >= 520 && status <= 530 ? Meaning::gateway : Meaning::broken;
}

bool is_passing(Meaning meaning) {
    return meaning == Meaning::later || meaning == Meaning::gateway || meaning == Meaning::broken;
}

bool is_surely_not_done(long status) {
    return status == 429 || status == 425;
}

bool is_nobody_there(long status) {
    return meaning_of(status, {}) == Meaning::gateway ? status != 504 && status != 524 : status == 503;
}

bool is_access(Meaning meaning) {
    return meaning == Meaning::denied || meaning == Meaning::page || meaning == Meaning::redirect;
}

bool is_html(std::string_view content_type) {
    const std::string type = text::lower(text::trim(content_type.substr(0, content_type.find(';'))));
    return type == "text/html" || type == "application/xhtml+xml";
}

std::string status_text(long status) {
    return "HTTP " + std::to_string(status) + " (" + words_for(status) + ")";
}

std::string answer_text(long status, std::string_view body) {
    const std::string said = web::page_text(body);
    return said.empty() ? status_text(status)
                        : "HTTP " + std::to_string(status) + " (" + words_for(status) + ": " + said + ")";
}

}  // namespace emprops::stores
