#include "connectors/comfyui/server/api.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "connectors/comfyui/run/failures.h"
#include "connectors/comfyui/server/file_handle.h"
#include "connectors/comfyui/text/errors.h"
#include "connectors/comfyui/text/file_time.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/text/people.h"
#include "ipc/text/percent.h"

namespace emprops::comfyui {
namespace {

constexpr int recent_prompts = 32;
constexpr std::uint64_t max_answer = 128ull << 20;  // of JSON, which takes many times that when it is parsed

/// The answer as people are told it.
std::string told(const HttpResponse& response) {
    return answer_text(response.status, response.body);
}

Meaning meaning_of_answer(const HttpResponse& response) {
    return meaning_of(response.status, response.content_type);
}

/// ComfyUI itself refuses a file outside its folders with an empty 403; a proxy says something.
bool is_own_refusal(const HttpResponse& response) {
    return response.status == 403 && response.body.empty();
}

}  // namespace

Api::Api(const Settings& settings, std::function<bool()> cancelled)
    : settings_(settings), cancelled_(std::move(cancelled)) {}

HttpRequest Api::request(std::string method, const std::string& path, Ms timeout) const {
    HttpRequest out;
    out.method = std::move(method);
    out.url = settings_.server.text() + path;
    out.headers = settings_.headers;
    out.connect_timeout = settings_.limits.connect;
    out.timeout = std::min(timeout, longest_);
    out.cancelled = cancelled_;
    out.verify_tls = settings_.verify_tls;
    out.ca_file = settings_.ca_file;
    out.max_bytes = max_answer;
    return out;
}

AccessDenied Api::denied(const HttpResponse& response, Meaning meaning, const std::string& path) const {
    return {response.status,
            barrier_text({meaning, told(response), settings_.server.text(), path, response.location})};
}

PostAnswer Api::post_prompt(std::string body) {
    HttpRequest post = request("POST", "/prompt", settings_.limits.response);
    post.headers["Content-Type"] = "application/json";
    const std::string sent = human_bytes(body.size()) + " were sent";
    post.body = std::move(body);
    post.fresh_connection = true;  // libcurl would repeat it on a stale connection
    auto answer = http_.send(post);
    if (auto problem = no_answer(answer)) return std::move(*problem);
    auto& response = std::get<HttpResponse>(answer);
    const Meaning meaning = meaning_of_answer(response);
    if (is_access(meaning)) return denied(response, meaning, "/prompt");
    if (meaning == Meaning::later)
        return PutOff{told(response), response.retry_after, !is_surely_not_done(response.status)};
    if (meaning == Meaning::too_large) return ServerError{response.status, told(response) + "; " + sent};
    const auto parsed = parse_tolerant(response.body);
    const bool object = parsed && parsed->is_object();
    if (meaning == Meaning::good && object && parsed->contains("prompt_id")) {
        Accepted accepted;
        const Json& id = parsed->at("prompt_id");
        accepted.prompt_id = id.is_string() ? id.get<std::string>() : dump(id);
        accepted.node_errors = parsed->value("node_errors", Json::object());
        return accepted;
    }
    if (response.status == 400 && object) return Refused{*parsed};
    return ServerError{response.status, told(response)};
}

std::variant<Json, AccessDenied, Unreachable> Api::get_json(const std::string& path, Ms timeout,
                                                            Repairs* repairs) {
    auto answer = get(path, timeout, repairs);
    if (auto* error = std::get_if<Unreadable>(&answer))
        return Unreachable{"GET " + path + " answered " + error->what};
    if (auto* denied = std::get_if<AccessDenied>(&answer)) return std::move(*denied);
    if (auto* problem = std::get_if<Unreachable>(&answer)) return std::move(*problem);
    return std::move(std::get<Json>(answer));
}

std::variant<Json, Unreadable, AccessDenied, Unreachable> Api::get(const std::string& path, Ms timeout,
                                                                   Repairs* repairs) {
    auto answer = http_.send(request("GET", path, timeout));
    if (auto problem = no_answer(answer)) return std::move(*problem);
    auto& response = std::get<HttpResponse>(answer);
    const Meaning meaning = meaning_of_answer(response);
    if (meaning == Meaning::good) {
        if (auto value = parse_tolerant(response.body, repairs)) return std::move(*value);
    }
    if (is_access(meaning)) return denied(response, meaning, path);
    if (meaning == Meaning::broken) return Unreadable{told(response)};
    Unreachable problem{"GET " + path + " answered " + told(response) +
                        (meaning == Meaning::good ? ", which is no JSON" : "")};
    problem.gone = is_nobody_there(response.status);
    return problem;
}

HistoryAnswer Api::history(const std::string& prompt_id) {
    Repairs repairs;
    auto answer = get("/history/" + text::percent_encode(prompt_id), settings_.limits.response, &repairs);
    if (auto* error = std::get_if<Unreadable>(&answer)) return std::move(*error);
    if (auto* denied = std::get_if<AccessDenied>(&answer)) return std::move(*denied);
    if (auto* problem = std::get_if<Unreachable>(&answer)) return std::move(*problem);
    Json& value = std::get<Json>(answer);
    if (!value.is_object()) return Unreachable{"GET /history answered no object"};
    const auto entry = value.find(prompt_id);
    if (entry == value.end() || !entry->is_object()) return NoEntry{};
    return Entry{std::move(*entry), repairs.not_finite, repairs.too_deep};
}

RecentAnswer Api::recent() {
    auto answer = get_json("/history?max_items=" + std::to_string(recent_prompts), settings_.limits.response);
    if (auto* denied = std::get_if<AccessDenied>(&answer)) return std::move(*denied);
    if (auto* problem = std::get_if<Unreachable>(&answer)) return std::move(*problem);
    return Recent{std::move(std::get<Json>(answer))};
}

QueueAnswer Api::queue() {
    auto answer = get_json("/queue", settings_.limits.response);
    if (auto* denied = std::get_if<AccessDenied>(&answer)) return std::move(*denied);
    if (auto* problem = std::get_if<Unreachable>(&answer)) return std::move(*problem);
    const Json& value = std::get<Json>(answer);
    if (!value.is_object() || !value.contains("queue_running"))
        return Unreachable{"GET /queue answered no queue"};
    return read_queue(value);
}

HttpAnswer Api::post_json(const std::string& path, const Json& body) {
    // Short: these answer at once, and a cancel must not wait for a server that is gone.
    HttpRequest post = request("POST", path, std::min(settings_.limits.response, Ms{5'000}));
    post.headers["Content-Type"] = "application/json";
    post.body = dump(body);
    return http_.send(post);
}

bool Api::post_empty(const std::string& path, const Json& body) {
    const auto answer = post_json(path, body);
    const auto* response = std::get_if<HttpResponse>(&answer);
    return response != nullptr && response->status == 200;
}

CancelAnswer Api::cancel(const std::string& prompt_id) {
    // The jobs API has no twin outside /api, which may be the prefix already.
    const std::string api = settings_.server.prefix.ends_with("/api") ? "" : "/api";
    const auto answer =
        post_json(api + "/jobs/" + text::percent_encode(prompt_id) + "/cancel", Json::object());
    const auto* response = std::get_if<HttpResponse>(&answer);
    if (response == nullptr || response->status >= 500) return CancelAnswer::none;
    const auto body = parse_tolerant(response->body);
    const bool knows = response->status == 200 && body && body->is_object() && body->contains("cancelled");
    return knows ? CancelAnswer::done : CancelAnswer::unknown_call;
}

bool Api::remove_pending(const std::string& prompt_id) {
    return post_empty("/queue", {{"delete", Json::array({prompt_id})}});
}

bool Api::interrupt(const std::string& prompt_id) {
    return post_empty("/interrupt", {{"prompt_id", prompt_id}});
}

bool Api::free_memory() {
    return post_empty("/free", {{"unload_models", true}, {"free_memory", true}});
}

std::variant<Json, Unreachable> Api::node_class(const std::string& name) {
    auto answer = get("/object_info/" + text::percent_encode(name), settings_.limits.response, nullptr);
    if (auto* problem = std::get_if<Unreachable>(&answer)) return std::move(*problem);
    auto* value = std::get_if<Json>(&answer);
    return value != nullptr && value->is_object() ? std::move(*value) : Json::object();
}

std::optional<std::uint64_t> Api::max_upload() {
    const auto answer = get_json("/features", settings_.limits.response);
    const auto* value = std::get_if<Json>(&answer);
    if (value == nullptr || !value->is_object() || !value->contains("max_upload_size")) return {};
    const Json& size = value->at("max_upload_size");  // an integer or a float
    if (!size.is_number() || size.get<double>() < 1 || size.get<double>() > 1e15) return {};
    return static_cast<std::uint64_t>(size.get<double>());
}

std::variant<std::string, Setback> Api::upload(const std::string& file, const std::string& name,
                                               const std::string& subfolder) {
    const std::string path = "/upload/image";
    HttpRequest post = request("POST", path, settings_.limits.upload);
    post.silence = settings_.limits.response;
    post.form = {{"image", {}, file, name},
                 {"overwrite", "true", {}, {}},
                 {"type", "input", {}, {}},
                 {"subfolder", subfolder, {}, {}}};
    auto answer = http_.send(post);
    const auto failed = [&](const std::string& why) {
        return "uploading " + name + " to ComfyUI failed: " + why;
    };
    if (const auto problem = no_answer(answer))
        return Setback{failure_of(Cause::unreachable, failed(problem->what)), true};
    const auto& response = std::get<HttpResponse>(answer);
    const Meaning meaning = meaning_of_answer(response);
    if (is_access(meaning)) return Setback{denied_failure(denied(response, meaning, path))};
    if (meaning == Meaning::too_large)
        return Setback{too_large_failure("the input file " + name, told(response), "")};
    // A 500 is ComfyUI's way to refuse what it does not understand; the others are a proxy's and may pass.
    if (is_passing(meaning) && response.status != 500) {
        return Setback{failure_of(Cause::unreachable, failed(told(response))), true, response.retry_after};
    }
    const auto body = parse_tolerant(response.body);
    if (meaning != Meaning::good || !body || !body->is_object() || !body->contains("name") ||
        !body->at("name").is_string()) {
        return Setback{failure_of(Cause::server_error, "ComfyUI did not take the input file " + name + " (" +
                                                           told(response) + ")")};
    }
    const std::string stored = body->at("name");
    const Json folder = body->value("subfolder", Json());
    const bool plain = !folder.is_string() || folder.get_ref<const std::string&>().empty();
    return plain ? stored : folder.get<std::string>() + "/" + stored;
}

namespace {

std::string view_path(const OutputFile& file) {
    return "/view" + query({{"filename", file.filename}, {"subfolder", file.subfolder}, {"type", file.type}});
}

}  // namespace

std::string Api::public_view_url(const OutputFile& file) const {
    const std::string& base = settings_.outputs.reference_base_url;
    return (base.empty() ? settings_.server.text() : base) + view_path(file);
}

Setback Api::too_large(const OutputFile& file, std::optional<std::uint64_t> size) const {
    const std::uint64_t most = settings_.outputs.max_file_bytes;
    return Setback{failure_of(Cause::result_too_large,
                              "\"" + file.filename + "\" has " +
                                  (size ? exact_bytes(*size) : "more than " + exact_bytes(most)) +
                                  "; max_file_bytes allows " + exact_bytes(most))};
}

Api::Download Api::download(const OutputFile& file, const std::string& path, const std::string& unless) {
    const auto disk = [&] {
        return Setback{failure_of(Cause::disk, "cannot write " + path + ": " + std::strerror(errno))};
    };
    const FileHandle out(std::fopen(path.c_str(), "wbe"));
    if (!out) return disk();
    HttpRequest get = request("GET", view_path(file), settings_.limits.download);
    if (!unless.empty()) get.headers["If-None-Match"] = unless;
    get.silence = settings_.limits.response;
    get.max_bytes = settings_.outputs.max_file_bytes;
    get.sink = [&](std::string_view bytes) {
        return std::fwrite(bytes.data(), 1, bytes.size(), out.get()) == bytes.size();
    };
    auto answer = http_.send(get);
    const std::string name = "\"" + file.filename + "\"";
    if (const auto* large = std::get_if<TooLarge>(&answer)) return too_large(file, large->size);
    if (std::holds_alternative<NotWritten>(answer)) return disk();
    const auto failed = [&](const std::string& why) {
        return "downloading " + name + " from ComfyUI failed: " + why;
    };
    if (const auto problem = no_answer(answer))
        return Setback{failure_of(Cause::unreachable, failed(problem->what)), true};
    const auto& response = std::get<HttpResponse>(answer);
    if (response.status == 304 && !unless.empty()) return Unchanged{};
    // A login page in place of the file; a file that is a page itself has a name that says so.
    const Meaning meaning =
        meaning_of(response.status, response.content_type, mime_type_of(file.filename) == "text/html");
    if (meaning == Meaning::missing) return Missing{};
    if (is_access(meaning) && !is_own_refusal(response))
        return Setback{denied_failure(denied(response, meaning, view_path(file)))};
    if (is_passing(meaning))
        return Setback{failure_of(Cause::download, failed(told(response))), true, response.retry_after};
    // ComfyUI's word for a name that leads out of its folders (connectors/comfyui/API.md 5.3).
    if (meaning != Meaning::good) return Missing{};
    if (response.content_length && *response.content_length != response.received) {
        return Setback{failure_of(Cause::unreachable, failed("it sent " + exact_bytes(response.received) +
                                                             " of " + exact_bytes(*response.content_length))),
                       true};
    }
    if (std::fflush(out.get()) != 0) return disk();
    const auto tag = response.headers.find("etag");
    return Downloaded{tag == response.headers.end() ? std::nullopt : file_time_of(tag->second)};
}

}  // namespace emprops::comfyui
