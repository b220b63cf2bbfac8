#include "connectors/stores/kinds/s3_bucket.h"

#include "connectors/stores/settings/secrets.h"
#include "ipc/text/percent.h"
#include "ipc/web/digest.h"

namespace emprops::stores {

S3Bucket::S3Bucket(const S3Settings& settings, const Uploads& uploads)
    : settings_(settings), uploads_(uploads) {
    if (auto endpoint = parse_url(settings.endpoint); endpoint.ok()) endpoint_ = *endpoint;
}

std::string S3Bucket::host() const {
    return settings_.path_style ? endpoint_.authority() : settings_.bucket + "." + endpoint_.authority();
}

std::string S3Bucket::path(const std::string& key) const {
    const std::string folder = endpoint_.prefix + (settings_.path_style ? "/" + settings_.bucket : "");
    if (key.empty()) return settings_.path_style ? folder : folder + "/";
    return folder + "/" + text::percent_encode(key, "/");
}

std::string S3Bucket::url(const std::string& key) const {
    return endpoint_.scheme + "://" + host() + path(key);
}

Result<HttpRequest> S3Bucket::request(const Ask& ask) const {
    const auto keys = aws_keys_of(settings_);
    if (!keys.ok()) return keys.error();
    const std::string moment = aws_moment(std::chrono::system_clock::now());
    AwsRequest to_sign{ask.method,
                       path(ask.key),
                       ask.query,
                       {},
                       ask.payload_sha256.empty() ? sha256_hex("") : ask.payload_sha256};
    to_sign.headers = {
        {"host", host()}, {"x-amz-date", moment}, {"x-amz-content-sha256", to_sign.payload_sha256}};
    if (!keys->session_token.empty()) to_sign.headers["x-amz-security-token"] = keys->session_token;
    for (const auto& [name, value] : ask.headers) {
        if (name.starts_with("x-amz-")) to_sign.headers[name] = value;
    }
    const std::string query = aws_query(ask.query);
    HttpRequest request =
        store_request(uploads_, ask.method, url(ask.key) + (query.empty() ? "" : "?" + query));
    request.headers = to_sign.headers;
    for (const auto& [name, value] : ask.headers)
        request.headers[name] = value;
    request.headers["authorization"] = aws_authorization(to_sign, *keys, settings_.region, moment);
    return request;
}

std::optional<bool> S3Bucket::has(const std::string& key, const Cargo& cargo) const {
    const auto head = request({"HEAD", key});
    if (!head.ok()) return {};
    const auto answer = uploads_.road.http.send(*head);
    const auto* response = std::get_if<HttpResponse>(&answer);
    if (response == nullptr) return {};
    if (response->status == 404) return false;
    if (response->status != 200) return {};
    return has_content(*response, cargo, hash_header);
}

std::optional<Setback> S3Bucket::look(const std::string& key, const Cargo& cargo,
                                      Condition& condition) const {
    if (uploads_.road.claim.empty()) return {};
    const auto head = request({"HEAD", key});
    if (!head.ok()) return Setback{head.error().message, false, Ms{0}, Trouble::configuration};
    auto holder =
        holder_of(uploads_.road.http.send(*head), *head, uploads_, cargo, {hash_header, claim_header});
    if (auto* failed = std::get_if<Setback>(&holder)) return std::move(*failed);
    condition.looked(std::get<Holder>(holder));
    return {};
}

std::map<std::string, std::string> S3Bucket::notes(const Cargo& cargo) const {
    std::map<std::string, std::string> headers{{"content-type", cargo.mime_type},
                                               {hash_header, cargo.sha256}};
    if (!uploads_.road.claim.empty()) headers[claim_header] = uploads_.road.claim;
    return headers;
}

}  // namespace emprops::stores
