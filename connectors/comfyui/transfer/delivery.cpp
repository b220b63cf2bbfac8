#include "connectors/comfyui/transfer/delivery.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "connectors/comfyui/strip/strip.h"
#include "connectors/comfyui/transfer/destinations/from_store.h"
#include "connectors/comfyui/transfer/destinations/inline.h"
#include "connectors/comfyui/transfer/destinations/reference.h"
#include "ipc/text/date.h"
#include "ipc/text/people.h"
#include "ipc/web/digest.h"

namespace emprops::comfyui {
namespace {

namespace fs = std::filesystem;

/// The clock of files is some milliseconds behind that of messages, never before it.
constexpr std::int64_t time_slack_ms = 2;

bool write_output(const std::string& path, std::string_view bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.flush();
    return file.good();
}

bool has(const std::vector<std::string>& words, const char* word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// A file that cannot be stripped must not slip through with its workflow inside.
std::optional<Failure> strip_or_fail(const OutputFile& file, const std::string& path) {
    const auto stripped = strip_file(path, file.filename);
    if (stripped.ok()) return {};
    const bool ours = stripped.error().code == "internal";
    return failure_of(
        ours ? Cause::disk : Cause::not_strippable,
        "\"" + file.filename + "\" (node " + file.node + ") is not delivered: strip_metadata is set, and " +
            stripped.error().message +
            ". Let the workflow save another format, or set strip_metadata (outputs.strip_metadata "
            "in the payload) to false");
}

std::vector<std::pair<std::string, std::string>> template_values(const OutputFile& file,
                                                                 const JobNames& names,
                                                                 const std::string& sha256) {
    const fs::path name(file.filename);
    std::string extension = name.extension().string();
    if (!extension.empty()) extension.erase(0, 1);
    return {
        {"job_id", names.job_id},    {"prompt_id", names.prompt_id}, {"node", file.node}, {"kind", file.kind},
        {"filename", file.filename}, {"stem", name.stem().string()}, {"ext", extension},  {"sha256", sha256},
        {"date", date_today()},      {"subfolder", file.subfolder}};
}

/// Of the words of `deliver`, which settings and payload allow.
Destination make_destination(const std::string& policy, const Settings& settings, const OutputSettings& rules,
                             const stores::Road& road, const Api& api, std::uint64_t inline_used) {
    if (policy == "inline") return make_inline(rules.inline_max_bytes, inline_used);
    if (policy == "directory") return make_directory(rules, road);
    if (policy == "http_put") return make_put(settings, rules, road);
    if (policy == "s3") return make_s3(settings, rules, road);
    return make_reference(settings, rules,
                          [&api](const OutputFile& file) { return api.public_view_url(file); });
}

}  // namespace

Result<OutputSettings> output_rules(const OutputSettings& settings, const OutputWishes& wishes) {
    OutputSettings rules = settings;
    rules.says_deliver = settings.deliver != OutputSettings{}.deliver ||
                         settings.inline_max_bytes != OutputSettings{}.inline_max_bytes;
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
        rules.says_deliver = true;
    }
    if (wishes.temp) rules.temp = *wishes.temp;
    if (wishes.strip_metadata) rules.strip_metadata = *wishes.strip_metadata;
    if (wishes.inline_max_bytes) {
        rules.inline_max_bytes = std::min(rules.inline_max_bytes, *wishes.inline_max_bytes);
        rules.says_deliver = true;
    }
    return rules;
}

Delivery::Delivery(Api& api, const Settings& settings, OutputSettings rules, JobNames names,
                   std::function<bool()> cancelled, const Pause& pause, std::uint64_t inline_used, Hand hand)
    : api_(api),
      settings_(settings),
      rules_(std::move(rules)),
      names_(std::move(names)),
      cancelled_(std::move(cancelled)),
      downloads_(settings.limits.unreachable, pause),
      hand_(std::move(hand)),
      inline_left_(rules_.inline_max_bytes - std::min(rules_.inline_max_bytes, inline_used)) {
    const stores::Road road{api.http(), cancelled_, {}};
    for (const std::string& policy : rules_.deliver) {
        destinations_.push_back({policy, make_destination(policy, settings, rules_, road, api, inline_used),
                                 Tries(settings.limits.unreachable, pause)});
    }
}

std::string Delivery::next_path() {
    return names_.work_dir + "/output-" + std::to_string(count_++);
}

std::variant<Json, Delivery::FilesGone, Failure> Delivery::deliver(const OutputFile& file) {
    const std::string path = next_path();
    bool gone = false;
    std::optional<std::int64_t> written_at_ms;
    const auto setback = downloads_.run([&]() -> std::optional<Setback> {
        auto answer = api_.download(file, path);
        gone = std::holds_alternative<Api::Missing>(answer);
        if (const auto* there = std::get_if<Api::Downloaded>(&answer)) written_at_ms = there->written_at_ms;
        if (auto* failed = std::get_if<Setback>(&answer)) return std::move(*failed);
        return {};
    });
    if (gone) return FilesGone{};
    if (setback && cancelled_()) return failure_of(Cause::cancelled, "cancelled while delivering");
    if (setback) {
        Failure failure = setback->failure;
        failure.message += ". It still lies in ComfyUI: " + api_.public_view_url(file);
        return failure;
    }
    if (names_.ended_at_ms && written_at_ms && *written_at_ms > *names_.ended_at_ms + time_slack_ms)
        return replaced(file);
    if (hand_) {
        auto handed = hand_over(file, path, true);
        if (auto* failed = std::get_if<Failure>(&handed)) return std::move(*failed);
        return std::move(std::get<Json>(handed));
    }
    auto placed = place(file, path, true);
    std::error_code ignored;
    fs::remove(path, ignored);
    if (auto* failed = std::get_if<Failure>(&placed)) return std::move(*failed);
    if (std::get<Json>(placed).at("delivery") != "reference") remember_delivered(file);
    return std::move(std::get<Json>(placed));
}

std::variant<Json, Failure> Delivery::deliver_bytes(const OutputFile& file, const std::string& bytes) {
    const std::string path = next_path();
    if (!write_output(path, bytes)) return failure_of(Cause::disk, "cannot write " + path + " (disk full?)");
    if (hand_) return hand_over(file, path, false);
    auto placed = place(file, path, false);
    std::error_code ignored;
    fs::remove(path, ignored);
    return placed;
}

Failure Delivery::replaced(const OutputFile& file) {
    replaced_ = true;
    return failure_of(
        Cause::files_replaced,
        "\"" + file.filename + "\" (node " + file.node +
            ") was written after this job's prompt had ended: it is another prompt's. Let the workflow "
            "save under names of its own, or set output_subfolder");
}

/// The file stays in the job's folder, from which the worker takes it.
std::variant<Json, Failure> Delivery::hand_over(const OutputFile& file, const std::string& path,
                                                bool in_comfyui) {
    if (rules_.strip_metadata) {
        if (auto failed = strip_or_fail(file, path)) return std::move(*failed);
    }
    emprops::OutputFile out;
    out.path = path;
    out.name = file.filename;
    out.mime_type = file.mime_type;
    out.kind = file.kind;
    out.node = file.node;
    out.more = {{"filename", file.filename}, {"subfolder", file.subfolder}, {"type", file.type}};
    if (rules_.says_deliver) out.deliver = rules_.deliver;
    std::error_code error;
    const std::uint64_t size = fs::file_size(path, error);
    if (size > inline_left_) std::erase(out.deliver, "inline");
    if (rules_.says_deliver && out.deliver.empty())
        return place(file, path, in_comfyui);  // there is only `inline`, which says why it does not take it
    inline_left_ -= std::min(inline_left_, size);
    // A link into ComfyUI would lead to the file with its metadata, or to one that is removed.
    const bool linked =
        has(rules_.deliver, "reference") && (rules_.says_deliver || !settings_.delete_delivered);
    if (in_comfyui && !rules_.strip_metadata && linked) {
        out.url = api_.public_view_url(file);
        gave_links_ = true;
    } else if (in_comfyui) {
        remember_delivered(file);
    }
    return hand_(std::move(out));
}

std::variant<Json, Failure> Delivery::place(const OutputFile& file, const std::string& path,
                                            bool in_comfyui) {
    if (rules_.strip_metadata) {
        if (auto failed = strip_or_fail(file, path)) return std::move(*failed);
    }
    std::error_code error;
    const std::uint64_t size = fs::file_size(path, error);
    const auto sha256 = sha256_hex_of_file(path);
    if (error || !sha256) return failure_of(Cause::disk, "cannot read " + path + " again");
    const Cargo cargo{file, path, size, *sha256, in_comfyui, template_values(file, names_, *sha256)};
    std::vector<Miss> misses;
    for (Named& each : destinations_) {
        auto placement = try_at(each, cargo);
        if (cancelled_()) return failure_of(Cause::cancelled, "cancelled while delivering");
        if (auto* miss = std::get_if<Miss>(&placement)) {
            misses.push_back(std::move(*miss));
            continue;
        }
        auto& placed = std::get<Placed>(placement);
        if (!placed.local_only.empty()) local_links_ = std::move(placed.local_only);
        Json entry = {{"node", file.node},
                      {"kind", file.kind},
                      {"filename", file.filename},
                      {"subfolder", file.subfolder},
                      {"type", file.type},
                      {"mime_type", file.mime_type},
                      {"size", size},
                      {"sha256", *sha256},
                      {"delivery", each.policy}};
        entry.update(placed.entry);
        for (const Miss& miss : misses) {
            if (miss.failure)
                detours_.insert(miss.policy + " did not take \"" + file.filename + "\", " + each.policy +
                                " has it: " + miss.why);
        }
        return entry;
    }
    return no_destination(cargo, misses);
}

std::variant<Placed, Delivery::Miss> Delivery::try_at(Named& destination, const Cargo& cargo) {
    std::optional<Placement> placement;
    const auto setback = destination.tries.run([&]() -> std::optional<Setback> {
        placement = destination.destination(cargo);
        if (auto* failed = std::get_if<Setback>(&*placement)) return std::move(*failed);
        return {};
    });
    if (setback) return Miss{destination.policy, setback->failure.message, {}, setback->failure};
    if (auto* spilled = std::get_if<Spilled>(&*placement))
        return Miss{destination.policy, std::move(spilled->why), std::move(spilled->cure), {}};
    return std::move(std::get<Placed>(*placement));
}

/// Why each destination was none, what can be done about it, and where the file still is.
Failure Delivery::no_destination(const Cargo& cargo, const std::vector<Miss>& misses) const {
    std::string reasons, cures;
    const auto cure = [&](const std::string& what) {
        cures += (cures.empty() ? ". To do: " : ", or ") + what;
    };
    std::optional<Failure> failure;
    for (const Miss& miss : misses) {
        add_item(reasons, miss.policy + ": " + miss.why, "; ");
        if (!miss.cure.empty()) cure(miss.cure);
        const bool counts = miss.failure && (!failure || failure->code == "result_too_large");
        if (counts) failure = miss.failure;
    }
    std::string more;
    for (const std::string policy : {"reference", "directory", "http_put", "s3"}) {
        const bool useless = policy == "reference" && (rules_.strip_metadata || !cargo.in_comfyui);
        if (!has(rules_.deliver, policy.c_str()) && !useless) add_item(more, policy);
    }
    if (!more.empty()) cure("add one of " + more + " to deliver");
    const OutputFile& file = cargo.file;
    if (!failure) failure = failure_of(Cause::result_too_large, "");
    failure->message = "\"" + file.filename + "\" (node " + file.node + ") cannot be delivered: " + reasons +
                       cures +
                       (cargo.in_comfyui ? ". It still lies in ComfyUI: " + api_.public_view_url(file)
                                         : ". It came over the WebSocket and lies nowhere else");
    return *failure;
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

}  // namespace emprops::comfyui
