#include "tests/support/aws_signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <optional>
#include <regex>
#include <sstream>
#include <vector>

#include "ipc/web/digest.h"

namespace emprops::test {

namespace {

std::string hmac(const std::string& key, const std::string& text) {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &length);
    return std::string(reinterpret_cast<const char*>(out), length);
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);)
        parts.push_back(part);
    return parts;
}

/// Sorted, and with a "=" behind each name, as servers make it out of what they parsed.
std::string canonical_query(const std::string& query) {
    std::vector<std::string> pairs = split(query, '&');
    for (std::string& pair : pairs)
        if (pair.find('=') == std::string::npos) pair += "=";
    std::sort(pairs.begin(), pairs.end());
    std::string out;
    for (const std::string& pair : pairs)
        out += (out.empty() ? "" : "&") + pair;
    return out;
}

std::optional<std::string> value_of(const SignedRequest& request, const std::string& name) {
    if (const auto found = request.headers.find(name); found != request.headers.end()) return found->second;
    if (name == "expect") return "100-continue";
    return std::nullopt;
}

}  // namespace

std::string signature_error(const SignedRequest& request, const std::string& access_key,
                            const std::string& secret_key, const std::string& region) {
    const auto header = [&](const std::string& name) {
        const auto found = request.headers.find(name);
        return found == request.headers.end() ? std::string() : found->second;
    };
    static const std::regex shape(
        "AWS4-HMAC-SHA256 Credential=([^/]*)/(\\d{8})/([^/]*)/s3/aws4_request, *"
        "SignedHeaders=([^,]*), *Signature=([0-9a-f]{64})");
    std::smatch parts;
    const std::string authorization = header("authorization");
    if (!std::regex_match(authorization, parts, shape)) return "no version 4 signature: " + authorization;
    const std::string day = parts[2];
    if (parts[1] != access_key) return "unknown access key " + parts[1].str();
    if (parts[3] != region) return "signed for region " + parts[3].str() + ", this is " + region;
    if (header("x-amz-date").substr(0, 8) != day) return "x-amz-date is not of the day of the credential";
    if (header("x-amz-content-sha256") != sha256_hex(request.body)) {
        return "x-amz-content-sha256 is not the hash of the body";
    }
    const std::vector<std::string> names = split(parts[4], ';');
    for (const auto& [name, value] : request.headers) {
        const bool must_be_signed = name == "host" || name.rfind("x-amz-", 0) == 0;
        if (must_be_signed && std::find(names.begin(), names.end(), name) == names.end()) {
            return "header " + name + " is not signed";
        }
    }
    std::string canonical =
        request.method + "\n" + request.target + "\n" + canonical_query(request.query) + "\n";
    for (const std::string& name : names) {
        const auto value = value_of(request, name);
        if (!value) return "header " + name + " is signed and was not sent";
        canonical += name + ":" + *value + "\n";
    }
    canonical += "\n" + parts[4].str() + "\n" + header("x-amz-content-sha256");
    std::string key = "AWS4" + secret_key;
    for (const std::string& part : {day, region, std::string("s3"), std::string("aws4_request")}) {
        key = hmac(key, part);
    }
    const std::string to_sign = "AWS4-HMAC-SHA256\n" + header("x-amz-date") + "\n" + day + "/" + region +
                                "/s3/aws4_request\n" + sha256_hex(canonical);
    if (to_hex(hmac(key, to_sign)) != parts[5].str())
        return "the signature does not match; signed were " + parts[4].str();
    return {};
}

}  // namespace emprops::test
