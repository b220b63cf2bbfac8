#include "connectors/stores/sign/aws.h"

#include <algorithm>
#include <ctime>
#include <string_view>

#include "ipc/text/percent.h"
#include "ipc/text/values.h"
#include "ipc/web/digest.h"

namespace emprops::stores {
namespace {

/// Without blanks around it, and with one for each run of them inside.
std::string canonical_value(std::string_view value) {
    std::string out;
    for (const char c : text::trim(value)) {
        if (c == ' ' && !out.empty() && out.back() == ' ') continue;
        out += c;
    }
    return out;
}

std::string signed_names(const AwsRequest& request) {
    std::string names;
    for (const auto& header : request.headers)
        names += (names.empty() ? "" : ";") + header.first;
    return names;
}

}  // namespace

std::string aws_query(std::vector<std::pair<std::string, std::string>> query) {
    for (auto& [name, value] : query) {
        name = text::percent_encode(name);
        value = text::percent_encode(value);
    }
    // By the coded names, as bytes: "a-b" comes before "a_b", and "%C3" before letters.
    std::sort(query.begin(), query.end());
    std::string out;
    for (const auto& [name, value] : query)
        out += (out.empty() ? "" : "&") + name + "=" + value;
    return out;
}

std::string aws_canonical_request(const AwsRequest& request) {
    std::string out = request.method + "\n" + request.path + "\n" + aws_query(request.query) + "\n";
    for (const auto& [name, value] : request.headers)
        out += name + ":" + canonical_value(value) + "\n";
    return out + "\n" + signed_names(request) + "\n" + request.payload_sha256;
}

std::string aws_authorization(const AwsRequest& request, const AwsKeys& keys, const std::string& region,
                              const std::string& moment) {
    const std::string day = moment.substr(0, 8);
    const std::string scope = day + "/" + region + "/s3/aws4_request";
    const std::string to_sign =
        "AWS4-HMAC-SHA256\n" + moment + "\n" + scope + "\n" + sha256_hex(aws_canonical_request(request));
    std::string key = "AWS4" + keys.secret_key;
    for (const std::string& part : {day, region, std::string("s3"), std::string("aws4_request")})
        key = hmac_sha256(key, part);
    return "AWS4-HMAC-SHA256 Credential=" + keys.access_key + "/" + scope +
           ", SignedHeaders=" + signed_names(request) + ", Signature=" + to_hex(hmac_sha256(key, to_sign));
}

std::string aws_moment(std::chrono::system_clock::time_point now) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    char text[20];
    std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
    return text;
}

}  // namespace emprops::stores
