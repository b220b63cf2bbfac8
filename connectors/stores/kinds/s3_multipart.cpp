#include "connectors/stores/kinds/s3_multipart.h"

#include <algorithm>

#include "connectors/stores/cargo/reader.h"
#include "ipc/json_text.h"
#include "ipc/text/values.h"
#include "ipc/web/digest.h"

namespace emprops::stores {
namespace {

constexpr Ms abort_time{5'000};

std::string xml_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else
            out += c;
    }
    return out;
}

std::string from_xml(std::string text) {
    static constexpr std::pair<const char*, const char*> marks[] = {
        {"&lt;", "<"},  {"&gt;", ">"},   {"&quot;", "\""}, {"&apos;", "'"},
        {"&#39;", "'"}, {"&#34;", "\""}, {"&amp;", "&"}};
    for (const auto& [mark, plain] : marks)
        text = text::replaced(std::move(text), mark, plain);
    return text;
}

/// Errors that come with a 200 after all, or say that the same once more may work.
bool says_come_again(const std::string& code) {
    for (const char* passing :
         {"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "OperationAborted"}) {
        if (code == passing) return true;
    }
    return false;
}

}  // namespace

std::uint64_t S3Limits::part_of(std::uint64_t size) const {
    return std::max(part_bytes, (size + parts - 1) / parts);
}

std::vector<std::string> uploads_of(const std::string& xml, const std::string& key) {
    std::vector<std::string> ids;
    const std::string open = "<Upload>", close = "</Upload>";
    for (auto at = xml.find(open); at != std::string::npos; at = xml.find(open, at + 1)) {
        const std::string upload = xml.substr(at, xml.find(close, at) - at);
        if (from_xml(xml_element(upload, "Key")) != key) continue;
        if (auto id = from_xml(xml_element(upload, "UploadId")); !id.empty()) ids.push_back(std::move(id));
    }
    return ids;
}

std::string completion(const std::vector<std::string>& etags) {
    std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (std::size_t i = 0; i < etags.size(); ++i) {
        body += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + xml_text(etags[i]) +
                "</ETag></Part>";
    }
    return body + "</CompleteMultipartUpload>";
}

S3Multipart::S3Multipart(const S3Bucket& bucket, const Uploads& uploads, S3Limits limits)
    : bucket_(bucket), uploads_(uploads), limits_(limits), to_sweep_(uploads.road.repeat) {}

std::optional<Setback> S3Multipart::bring(const std::string& key, const Cargo& cargo) {
    if (key != key_) give_up();  // another file of the same job
    cargo_ = &cargo;
    key_ = key;
    if (auto failed = bucket_.look(key_, *cargo_, condition_)) return failed;
    if (condition_.is_done()) {
        give_up();
        return {};
    }
    if (id_.empty()) {
        if (auto failed = begin()) return failed;
    }
    while (!is_whole()) {
        if (auto failed = bring_part()) return failed;
    }
    auto failed = complete();
    if (!failed) id_.clear();
    return failed;
}

/// One request with a body in memory. Null: it was answered well.
std::optional<Setback> S3Multipart::ask(const S3Bucket::Ask& ask, const std::string& body,
                                        HttpAnswer& answer) const {
    auto request = bucket_.request(ask);
    if (!request.ok()) return Setback{request.error().message, false, Ms{0}, Trouble::configuration};
    if (ask.method == "POST") request->body = body;
    answer = uploads_.road.http.send(*request);
    return judge(answer, *request, uploads_, *cargo_);
}

std::optional<Setback> S3Multipart::begin() {
    if (to_sweep_) sweep();
    part_ = limits_.part_of(cargo_->size);
    etags_.clear();
    HttpAnswer answer;
    auto failed = ask({"POST", key_, {{"uploads", ""}}, bucket_.notes(*cargo_), sha256_hex("")}, "", answer);
    if (failed) {
        to_sweep_ = to_sweep_ || is_lost(answer);
        return failed;
    }
    id_ = from_xml(xml_element(std::get<HttpResponse>(answer).body, "UploadId"));
    if (!id_.empty()) {
        if (uploads_.road.begun) uploads_.road.begun({{"key", key_}, {"upload_id", id_}});
        return {};
    }
    return Setback{
        cannot_store(uploads_, *cargo_, bucket_.url(key_), "it began an upload and gave no UploadId"), true};
}

std::optional<Setback> S3Multipart::bring_part() {
    const std::uint64_t offset = part_ * etags_.size();
    const std::uint64_t size = std::min(part_, cargo_->size - offset);
    const auto hash =
        sha256_of(cargo_->descriptor, offset, size, [this] { return !uploads_.road.cancelled(); });
    if (!hash.ok())
        return Setback{"cannot read \"" + cargo_->name + "\": " + hash.error().message, false, Ms{0},
                       Trouble::disk};
    auto put = bucket_.request(
        {"PUT", key_, {{"partNumber", std::to_string(etags_.size() + 1)}, {"uploadId", id_}}, {}, *hash});
    if (!put.ok()) return Setback{put.error().message, false, Ms{0}, Trouble::configuration};
    carry(*put, uploads_, *cargo_, offset, size);
    const auto answer = uploads_.road.http.send(*put);
    if (auto failed = judge(answer, *put, uploads_, *cargo_))
        return forget_if_gone(answer, std::move(failed));
    const auto& headers = std::get<HttpResponse>(answer).headers;
    const auto etag = headers.find("etag");
    if (etag == headers.end())
        return Setback{cannot_store(uploads_, *cargo_, put->url, "it took a part and gave no ETag")};
    etags_.push_back(etag->second);
    return {};
}

/// An upload that the server does not know any more (its administrator clears them) is begun anew.
std::optional<Setback> S3Multipart::forget_if_gone(const HttpAnswer& answer, std::optional<Setback> failed) {
    const auto* response = std::get_if<HttpResponse>(&answer);
    if (response == nullptr || xml_element(response->body, "Code") != "NoSuchUpload") return failed;
    id_.clear();
    etags_.clear();
    failed->passing = true;
    return failed;
}

std::optional<Setback> S3Multipart::complete() {
    const std::string body = completion(etags_);
    HttpAnswer answer;
    std::map<std::string, std::string> headers{{"content-type", "application/xml"}};
    condition_.add_to(headers);
    auto failed =
        ask({"POST", key_, {{"uploadId", id_}}, std::move(headers), sha256_hex(body)}, body, answer);
    if (failed && condition_.dropped_by(answer)) return complete();
    // The server says 200 before it knows, so that nobody hangs up; what went wrong stands in the body.
    const auto* response = std::get_if<HttpResponse>(&answer);
    if (!failed && response->body.find("<CompleteMultipartUploadResult") == std::string::npos) {
        const std::string code = xml_element(response->body, "Code");
        failed = Setback{
            cannot_store(uploads_, *cargo_, bucket_.url(key_),
                         "it says 200 and then " + code + ": " + xml_element(response->body, "Message")),
            code.empty() || says_come_again(code)};
    }
    if (!failed || uploads_.road.cancelled()) return failed;
    const bool gone = response != nullptr && xml_element(response->body, "Code") == "NoSuchUpload";
    condition_.judge(answer, *failed);
    if ((failed->passing || gone) && bucket_.has(key_, *cargo_).value_or(false)) return {};
    return forget_if_gone(answer, std::move(failed));
}

void S3Multipart::sweep() {
    HttpAnswer answer;
    if (ask({"GET", "", {{"uploads", ""}, {"prefix", key_}}}, "", answer)) return;
    to_sweep_ = false;
    for (const std::string& id : uploads_of(std::get<HttpResponse>(answer).body, key_))
        abort(key_, id);
}

bool S3Multipart::take_back(const Json& begun) const {
    const std::string key = ipc::text_or_empty(begun, "key"), id = ipc::text_or_empty(begun, "upload_id");
    return !key.empty() && !id.empty() && abort(key, id);
}

bool S3Multipart::abort(const std::string& key, const std::string& id) const {
    auto request = bucket_.request({"DELETE", key, {{"uploadId", id}}});
    if (!request.ok()) return false;
    request->cancelled = {};
    request->timeout = abort_time;
    request->connect_timeout = std::min(request->connect_timeout, abort_time);
    const auto answer = uploads_.road.http.send(*request);
    const auto* response = std::get_if<HttpResponse>(&answer);
    return response != nullptr &&
           (response->status / 100 == 2 || xml_element(response->body, "Code") == "NoSuchUpload");
}

void S3Multipart::give_up() {
    if (id_.empty()) return;
    abort(key_, id_);
    id_.clear();
    etags_.clear();
}

}  // namespace emprops::stores
