#include "connectors/comfyui/transfer/delivery.h"

#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/text/percent.h"
#include "ipc/web/base64.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <utility>

namespace emprops::comfyui {
namespace {

namespace fs = std::filesystem;

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
            if (attempt < tries && problem->code == "service_unavailable" && !pause_(first_pause * attempt)) {
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

Delivery::Values Delivery::values(const OutputFile& file, const std::string& sha256) const {
    const fs::path name(file.filename);
    std::string extension = name.extension().string();
    if (!extension.empty()) extension.erase(0, 1);
    return {{"job_id", names_.job_id},   {"prompt_id", names_.prompt_id},
            {"node", file.node},         {"kind", file.kind},
            {"filename", file.filename}, {"stem", name.stem().string()},
            {"ext", extension},          {"sha256", sha256},
            {"date", today()},           {"subfolder", file.subfolder}};
}

}  // namespace emprops::comfyui
