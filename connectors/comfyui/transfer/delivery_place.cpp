// Where a file goes: the destinations of `deliver`, one after the other.

#include <openssl/evp.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "connectors/comfyui/strip/strip.h"
#include "connectors/comfyui/text/address.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "connectors/comfyui/transfer/delivery.h"
#include "ipc/text/percent.h"
#include "ipc/text/utf8.h"
#include "ipc/web/base64.h"

namespace emprops::comfyui {
namespace {

namespace fs = std::filesystem;

struct DigestDeleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

std::optional<std::string> sha256_of_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::unique_ptr<EVP_MD_CTX, DigestDeleter> context(EVP_MD_CTX_new());
    if (!file || !context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) return {};
    std::vector<char> block(std::size_t{1} << 16);
    while (file) {
        file.read(block.data(), static_cast<std::streamsize>(block.size()));
        EVP_DigestUpdate(context.get(), block.data(), static_cast<std::size_t>(file.gcount()));
    }
    if (file.bad()) return {};
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    EVP_DigestFinal_ex(context.get(), digest.data(), &length);
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (unsigned i = 0; i < length; ++i) {
        out += digits[digest[i] >> 4];
        out += digits[digest[i] & 15];
    }
    return out;
}

std::optional<std::string> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    if (!file) {
        std::error_code error;
        if (fs::file_size(path, error) != 0 || error) return {};
    }
    return bytes.str();
}

}  // namespace

std::optional<Failure> Delivery::strip(const OutputFile& file, const std::string& path) const {
    const auto stripped = strip_file(path, file.filename);
    if (stripped.ok()) return {};
    // A file that cannot be stripped must not slip through with its workflow inside.
    return failure(
        stripped.error().code == "internal" ? "internal" : "service_error",
        "\"" + file.filename + "\" (node " + file.node + ") is not delivered: strip_metadata is set, and " +
            stripped.error().message +
            ". Let the workflow save another format, or set strip_metadata (outputs.strip_metadata "
            "in the payload) to false",
        stripped.error().code == "internal", "strip_metadata");
}

std::variant<Json, Failure> Delivery::place(const OutputFile& file, const std::string& path,
                                            bool in_comfyui) {
    if (rules_.strip_metadata) {
        if (auto failed = strip(file, path)) return std::move(*failed);
    }
    std::error_code error;
    const std::uint64_t size = fs::file_size(path, error);
    const auto sha256 = sha256_of_file(path);
    if (error || !sha256) return failure("internal", "cannot read " + path + " again", true, "disk");
    Json entry = {{"node", file.node},
                  {"kind", file.kind},
                  {"filename", file.filename},
                  {"subfolder", file.subfolder},
                  {"type", file.type},
                  {"mime_type", file.mime_type},
                  {"size", size},
                  {"sha256", *sha256}};
    std::vector<std::string> spilled;
    for (const std::string& policy : rules_.deliver) {
        entry["delivery"] = policy;
        std::optional<std::string> why_not;
        std::optional<Failure> failed;
        if (policy == "inline") {
            why_not = place_inline(path, size, entry, failed);
        } else if (policy == "reference") {
            why_not = place_reference(file, in_comfyui, entry);
        } else if (policy == "directory") {
            failed = place_in_directory(file, path, values(file, *sha256), entry);
        } else {
            failed = place_by_put(file, path, policy == "s3", values(file, *sha256), entry);
        }
        if (failed) return std::move(*failed);
        if (!why_not) return entry;
        spilled.push_back(policy + ": " + *why_not);
    }
    return failure(
        "result_too_large",
        "\"" + file.filename + "\" (node " + file.node + ") cannot be delivered: " + advice(spilled), false,
        "too_large");
}

/// Why each destination was none, and what can be done about it.
std::string Delivery::advice(const std::vector<std::string>& spilled) const {
    std::string text;
    for (const std::string& why : spilled) {
        text += (text.empty() ? "" : "; ") + why;
    }
    const auto tried = [this](const char* policy) {
        return std::find(rules_.deliver.begin(), rules_.deliver.end(), policy) != rules_.deliver.end();
    };
    std::string cures;
    const auto cure = [&](const std::string& what) {
        cures += (cures.empty() ? ". To do: " : ", or ") + what;
    };
    if (tried("inline")) cure("raise inline_max_bytes (up to 11.5 MiB, as the Hub takes 16 MiB of base64)");
    if (link_refused_) cure("set reference_base_url to the address under which clients reach ComfyUI");
    std::string more;
    for (const char* policy : {"reference", "directory", "http_put", "s3"}) {
        const bool useless = std::string(policy) == "reference" && rules_.strip_metadata;
        if (!tried(policy) && !useless) more += (more.empty() ? "" : ", ") + std::string(policy);
    }
    if (!more.empty()) cure("add one of " + more + " to deliver");
    return text + cures;
}

std::optional<std::string> Delivery::place_inline(const std::string& path, std::uint64_t size, Json& entry,
                                                  std::optional<Failure>& failed) {
    if (!fits_inline(rules_, inline_used_, size)) {
        return "it has " + std::to_string(size) + " bytes, and of inline_max_bytes (" +
               std::to_string(rules_.inline_max_bytes) + ", for all files and texts of a job together) " +
               std::to_string(inline_used_) + " are taken";
    }
    const auto bytes = read_file(path);
    if (!bytes) {
        failed = failure("internal", "cannot read " + path + " again", true, "disk");
        return {};
    }
    inline_used_ += size;
    entry["data"] = web::base64_encode(*bytes);
    return {};
}

std::optional<std::string> Delivery::place_reference(const OutputFile& file, bool in_comfyui, Json& entry) {
    if (!in_comfyui) return "it is not stored in ComfyUI";
    // A link into ComfyUI would lead to the file with its metadata still in it.
    if (rules_.strip_metadata) return "it would lead to the file with its metadata (strip_metadata)";
    if (rules_.reference_base_url.empty()) {
        const bool loopback = is_loopback_name(settings_.server.host);
        if (!reachable_) reachable_ = !loopback && is_public_host(settings_.server.host);
        const std::string only =
            "the address of ComfyUI, " + settings_.server.text() +
            (loopback ? ", can be opened on this machine only" : ", can be opened in its own network only");
        if (!*reachable_ && !settings_.client_is_here) {
            link_refused_ = true;
            return only + ", and the Hub is elsewhere";
        }
        if (!*reachable_) local_links_ = only;
    }
    entry["url"] = api_.public_view_url(file);
    return {};
}

std::optional<Failure> Delivery::place_in_directory(const OutputFile& file, const std::string& path,
                                                    const Values& fill, Json& entry) {
    std::error_code error;
    const fs::path base = fs::path(rules_.directory).lexically_normal();
    const fs::path target = free_target(
        targets_, (base / fill_template(rules_.directory_template, fill)).lexically_normal().string());
    const auto inside = target.lexically_relative(base);
    if (inside.empty() || *inside.begin() == "..") {
        return failure("internal", "directory_template leads out of directory", false, "configuration");
    }
    fs::create_directories(target.parent_path(), error);
    const fs::path partial = target.string() + ".part";
    fs::copy_file(path, partial, fs::copy_options::overwrite_existing, error);
    if (!error) fs::rename(partial, target, error);
    if (error) {
        return failure("comfyui.delivery_failed",
                       "cannot copy \"" + file.filename + "\" to " + target.string() + ": " + error.message(),
                       true, "delivery");
    }
    entry["path"] = target.string();
    return {};
}

std::optional<Failure> Delivery::place_by_put(const OutputFile& file, const std::string& path, bool s3,
                                              const Values& fill, Json& entry) {
    std::string url;
    std::string shown;
    if (s3) {
        const std::string plain = free_target(targets_, fill_template(rules_.s3.key_template, fill));
        const std::string key = text::percent_encode(plain, "/");
        std::string endpoint = rules_.s3.endpoint;
        while (!endpoint.empty() && endpoint.back() == '/') {
            endpoint.pop_back();
        }
        url = endpoint + "/" + rules_.s3.bucket + "/" + key;
        shown = rules_.s3.public_url.empty() ? url : rules_.s3.public_url + "/" + key;
        entry["bucket"] = rules_.s3.bucket;
        entry["key"] = plain;
    } else {
        Values encoded = fill;
        for (auto& pair : encoded) {
            pair.second = text::percent_encode(pair.second);
        }
        url = fill_template(rules_.http_put_url, encoded);
        const auto query_at = std::min(url.find('?'), url.size());
        shown = free_target(targets_, url.substr(0, query_at));
        url = shown + url.substr(query_at);  // a presigned URL's query is a secret
    }
    if (auto failed = put_http(path, url, file, s3)) return failed;
    entry["url"] = shown;
    return {};
}

std::optional<Failure> Delivery::put_http(const std::string& path, const std::string& url,
                                          const OutputFile& file, bool s3) {
    HttpRequest put;
    put.method = "PUT";
    put.url = url;
    put.body_file = path;
    put.headers["Content-Type"] = file.mime_type;
    put.connect_timeout = settings_.limits.connect;
    put.timeout = settings_.limits.download;
    put.verify_tls = rules_.verify_tls;
    put.ca_file = rules_.ca_file;
    put.cancelled = cancelled_;
    if (s3) {
        put.s3 = HttpRequest::Signature{rules_.s3.region, rules_.s3.access_key, rules_.s3.secret_key};
        if (!rules_.s3.session_token.empty()) put.headers["x-amz-security-token"] = rules_.s3.session_token;
        const auto hash = sha256_of_file(path);
        if (hash) put.headers["x-amz-content-sha256"] = *hash;
    } else {
        for (const auto& [name, value] : rules_.http_put_headers) {
            put.headers[name] = value;
        }
    }
    std::string why;
    for (int attempt = 1; attempt <= tries; ++attempt) {
        const auto answer = api_.http().send(put);
        if (const auto* response = std::get_if<HttpResponse>(&answer)) {
            if (response->status >= 200 && response->status < 300) return {};
            why = "HTTP " + std::to_string(response->status) + " " +
                  std::string(text::cut(response->body, 300));
            if (response->status < 500 && response->status != 429) break;
        } else {
            why = no_answer(answer)->what;
        }
        if (attempt < tries && pause_(first_pause * attempt)) break;
    }
    return failure("comfyui.delivery_failed",
                   "cannot store \"" + file.filename + "\" by " + (s3 ? "s3" : "http_put") + " at " +
                       url.substr(0, url.find('?')) + ": " + why,
                   true, "delivery");
}

}  // namespace emprops::comfyui
