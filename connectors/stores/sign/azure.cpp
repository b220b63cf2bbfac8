#include "connectors/stores/sign/azure.h"

#include <algorithm>
#include <ctime>

#include "ipc/text/values.h"
#include "ipc/web/base64.h"
#include "ipc/web/digest.h"

namespace emprops::stores {

std::string azure_string_to_sign(const AzureRequest& request, const std::string& account) {
    const auto header = [&](const char* name) {
        const auto found = request.headers.find(name);
        return found == request.headers.end() ? std::string() : found->second;
    };
    std::string out = request.method + "\n";
    for (const char* name : {"content-encoding", "content-language"})
        out += header(name) + "\n";
    out += (request.size == 0 ? "" : std::to_string(request.size)) + "\n";
    for (const char* name : {"content-md5", "content-type", "date", "if-modified-since", "if-match",
                             "if-none-match", "if-unmodified-since", "range"})
        out += header(name) + "\n";
    for (const auto& [name, value] : request.headers) {
        if (name.starts_with("x-ms-")) out += name + ":" + std::string(text::trim(value)) + "\n";
    }
    out += "/" + account + request.path;
    auto query = request.query;
    std::sort(query.begin(), query.end());
    for (const auto& [name, value] : query)
        out += "\n" + text::lower(name) + ":" + value;
    return out;
}

Result<std::string> azure_authorization(const AzureRequest& request, const std::string& account,
                                        const std::string& account_key) {
    const auto key = web::base64_decode(account_key);
    if (!key.ok()) return Error{"configuration", "account_key: it is no base64, and so no key of an account"};
    return "SharedKey " + account + ":" +
           web::base64_encode(hmac_sha256(*key, azure_string_to_sign(request, account)));
}

std::string azure_moment(std::chrono::system_clock::time_point now) {
    static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    // strftime() would use the language of the process.
    char digits[32];
    std::strftime(digits, sizeof digits, " %Y %H:%M:%S GMT", &utc);
    return std::string(days[utc.tm_wday]) + ", " + (utc.tm_mday < 10 ? "0" : "") +
           std::to_string(utc.tm_mday) + " " + months[utc.tm_mon] + digits;
}

}  // namespace emprops::stores
