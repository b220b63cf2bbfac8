#include "connectors/comfyui/delivery.h"

#include "connectors/comfyui/tolerant_json.h"
#include "ipc/text/percent.h"
#include "ipc/web/base64.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

namespace emprops::comfyui {
namespace {

namespace fs = std::filesystem;
constexpr int put_tries = 3;
constexpr int first_pause = 300;  // ms

Failure failure(std::string code, std::string message, bool retryable, const char* error_class) {
    return {std::move(code), std::move(message), retryable, {{"class", error_class}}};
}

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

bool begins_as_png(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::array<char, 8> head{};
    file.read(head.data(), head.size());
    return is_png({head.data(), static_cast<std::size_t>(file.gcount())});
}

bool write_output(const std::string& path, std::string_view bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.flush();
    return file.good();
}

std::string today() {
    const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[16];
    std::strftime(text, sizeof text, "%Y-%m-%d", &utc);
    return text;
}

bool has(const std::vector<std::string>& words, const char* word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

Result<OutputSettings> output_rules(const OutputSettings& settings, const OutputWishes& wishes) {
    OutputSettings rules = settings;
    const S3Settings& s3 = settings.s3;
    const bool s3_complete =
        !s3.endpoint.empty() && !s3.bucket.empty() && !s3.access_key.empty() && !s3.secret_key.empty();
    if (wishes.deliver) {
        for (const std::string& policy : *wishes.deliver) {
            const bool harmless = policy == "inline" || policy == "reference";
            const bool configured = has(settings.deliver, policy.c_str()) ||
                                    (policy == "s3" && s3_complete) ||
                                    (policy == "http_put" && !settings.http_put_url.empty()) ||
                                    (policy == "directory" && !settings.directory.empty());
            if (!harmless && !configured) {
                return Error{"invalid_payload", "outputs.deliver names \"" + policy +
                                                    "\", which this worker is not configured for"};
            }
        }
        if (wishes.deliver->empty()) return Error{"invalid_payload", "outputs.deliver must not be empty"};
        rules.deliver = *wishes.deliver;
    }
    if (wishes.temp) rules.temp = *wishes.temp;
    if (wishes.strip_metadata) rules.strip_metadata = *wishes.strip_metadata;
    if (wishes.inline_max_bytes) {
        rules.inline_max_bytes = std::min(rules.inline_max_bytes, *wishes.inline_max_bytes);
    }
    return rules;
}

std::string free_target(std::set<std::string>& taken, const std::string& target) {
    if (taken.insert(target).second) return target;
    const auto slash = target.rfind('/');
    auto dot = target.rfind('.');
    if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) dot = target.size();
    for (int i = 2;; ++i) {
        std::string next = target.substr(0, dot) + "-" + std::to_string(i) + target.substr(dot);
        if (taken.insert(next).second) return next;
    }
}

bool fits_inline(const OutputSettings& rules, std::uint64_t used, std::uint64_t size) {
    return used <= rules.inline_max_bytes && size <= rules.inline_max_bytes - used;
}

Delivery::Delivery(Api& api, const Settings& settings, OutputSettings rules, JobNames names,
                   std::function<bool()> cancelled, Pause pause, std::uint64_t inline_used)
    : api_(api),
      settings_(settings),
      rules_(std::move(rules)),
      names_(std::move(names)),
      cancelled_(std::move(cancelled)),
      pause_(std::move(pause)),
      inline_used_(inline_used) {}

std::variant<Json, Delivery::FilesGone, Failure> Delivery::deliver(const OutputFile& file) {
    const std::string path = names_.work_dir + "/output-" + std::to_string(count_++);
    for (int attempt = 1;; ++attempt) {
        auto answer = api_.download(file, path);
        if (std::holds_alternative<Api::Missing>(answer)) return FilesGone{};
        if (const auto* problem = std::get_if<Error>(&answer)) {
            if (attempt < put_tries && problem->code == "service_unavailable" &&
                !pause_(Ms{first_pause * attempt})) {
                continue;
            }
            const bool large = problem->code == "result_too_large";
            const char* error_class = large                              ? "too_large"
                                      : problem->code == "access_denied" ? "access"
                                                                         : "download";
            return failure(problem->code, problem->message, !large, error_class);
        }
        break;
    }
    auto placed = place(file, path, true);
    std::error_code ignored;
    fs::remove(path, ignored);
    if (auto* failed = std::get_if<Failure>(&placed)) return std::move(*failed);
    if (std::get<Json>(placed).at("delivery") != "reference") remember_delivered(file);
    return std::move(std::get<Json>(placed));
}

void Delivery::remember_delivered(const OutputFile& file) {
    if (!settings_.delete_delivered || settings_.comfyui_folder.empty() || file.type != "output") return;
    const fs::path inside = (fs::path(file.subfolder) / file.filename).lexically_normal();
    if (inside.empty() || inside.is_absolute() || *inside.begin() == "..") return;
    const bool own_folder =
        !names_.own_folder.empty() && inside.string().rfind(names_.own_folder + "/", 0) == 0;
    const auto& cached = names_.cached_nodes;
    const bool made_now =
        names_.own_run && std::find(cached.begin(), cached.end(), file.node) == cached.end();
    if (own_folder || made_now)
        delivered_.push_back((fs::path(settings_.comfyui_folder) / "output" / inside).string());
}

void Delivery::remove_delivered() {
    std::error_code ignored;
    for (const std::string& path : std::exchange(delivered_, {})) {
        fs::remove(path, ignored);
    }
}

std::variant<Json, Failure> Delivery::deliver_bytes(const OutputFile& file, const std::string& bytes) {
    const std::string path = names_.work_dir + "/output-" + std::to_string(count_++);
    if (!write_output(path, bytes))
        return failure("internal", "cannot write " + path + " (disk full?)", true, "disk");
    auto placed = place(file, path, false);
    std::error_code ignored;
    fs::remove(path, ignored);
    return placed;
}

std::vector<std::pair<std::string, std::string>> Delivery::values(const OutputFile& file,
                                                                  const std::string& sha256) const {
    const fs::path name(file.filename);
    std::string extension = name.extension().string();
    if (!extension.empty()) extension.erase(0, 1);
    return {{"job_id", names_.job_id},   {"prompt_id", names_.prompt_id},
            {"node", file.node},         {"kind", file.kind},
            {"filename", file.filename}, {"stem", name.stem().string()},
            {"ext", extension},          {"sha256", sha256},
            {"date", today()},           {"subfolder", file.subfolder}};
}

std::variant<Json, Failure> Delivery::place(const OutputFile& file, const std::string& path,
                                            bool in_comfyui) {
    if (rules_.strip_metadata && begins_as_png(path)) {
        const auto bytes = read_file(path);
        if (bytes && is_png(*bytes)) {
            auto stripped = strip_png_metadata(*bytes);
            // A broken PNG must not slip through with its workflow inside.
            if (!stripped.ok()) {
                return failure(
                    "service_error",
                    "\"" + file.filename + "\": metadata cannot be stripped: " + stripped.error().message,
                    false, "strip_metadata");
            }
            if (!write_output(path, *stripped))
                return failure("internal", "cannot write " + path + " (disk full?)", true, "disk");
        }
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
    const auto fill = values(file, *sha256);
    std::string spilled;
    for (const std::string& policy : rules_.deliver) {
        entry["delivery"] = policy;
        if (policy == "inline") {
            if (!fits_inline(rules_, inline_used_, size)) {
                spilled = "it has " + std::to_string(size) + " bytes, and inline_max_bytes allows " +
                          std::to_string(rules_.inline_max_bytes) + " for all files and texts of a job";
                continue;
            }
            const auto bytes = read_file(path);
            if (!bytes) return failure("internal", "cannot read " + path + " again", true, "disk");
            inline_used_ += size;
            entry["data"] = web::base64_encode(*bytes);
            return entry;
        }
        if (policy == "reference") {
            // A link into ComfyUI would lead to the picture with its metadata still in it.
            if (!in_comfyui || rules_.strip_metadata) {
                spilled += std::string(spilled.empty() ? "" : "; ") +
                           (in_comfyui ? "reference cannot strip metadata" : "it is not stored in ComfyUI");
                continue;
            }
            entry["url"] = api_.view_url(file);
            return entry;
        }
        if (policy == "directory") {
            const fs::path base = fs::path(rules_.directory).lexically_normal();
            const fs::path target = free_target(
                targets_,
                (base / fill_template(rules_.directory_template, fill)).lexically_normal().string());
            const auto inside = target.lexically_relative(base);
            if (inside.empty() || *inside.begin() == "..") {
                return failure("internal", "directory_template leads out of directory", false,
                               "configuration");
            }
            fs::create_directories(target.parent_path(), error);
            const fs::path partial = target.string() + ".part";
            fs::copy_file(path, partial, fs::copy_options::overwrite_existing, error);
            if (!error) fs::rename(partial, target, error);
            if (error) {
                return failure(
                    "comfyui.delivery_failed",
                    "cannot copy \"" + file.filename + "\" to " + target.string() + ": " + error.message(),
                    true, "delivery");
            }
            entry["path"] = target.string();
            return entry;
        }
        const bool s3 = policy == "s3";
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
            std::vector<std::pair<std::string, std::string>> encoded = fill;
            for (auto& pair : encoded) {
                pair.second = text::percent_encode(pair.second);
            }
            url = fill_template(rules_.http_put_url, encoded);
            const auto query_at = std::min(url.find('?'), url.size());
            shown = free_target(targets_, url.substr(0, query_at));
            url = shown + url.substr(query_at);  // a presigned URL's query is a secret
        }
        if (auto failed = put_http(path, url, file, s3)) return std::move(*failed);
        entry["url"] = shown;
        return entry;
    }
    return failure("result_too_large",
                   "\"" + file.filename + "\" (node " + file.node + ") cannot be delivered: " + spilled +
                       "; raise inline_max_bytes (up to 11.5 MiB, as the Hub takes 16 MiB of base64) or add "
                       "reference, directory, http_put or s3 "
                       "to deliver",
                   false, "too_large");
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
    for (int attempt = 1; attempt <= put_tries; ++attempt) {
        const auto answer = api_.http().send(put);
        if (const auto* response = std::get_if<HttpResponse>(&answer)) {
            if (response->status >= 200 && response->status < 300) return {};
            why = "HTTP " + std::to_string(response->status) + " " + cut_text(response->body, 300);
            if (response->status < 500 && response->status != 429) break;
        } else {
            why = no_answer(answer)->what;
        }
        if (attempt < put_tries && pause_(Ms{first_pause * attempt})) break;
    }
    return failure("comfyui.delivery_failed",
                   "cannot store \"" + file.filename + "\" by " + (s3 ? "s3" : "http_put") + " at " +
                       url.substr(0, url.find('?')) + ": " + why,
                   true, "delivery");
}

}  // namespace emprops::comfyui
