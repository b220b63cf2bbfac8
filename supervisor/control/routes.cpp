#include "supervisor/control/routes.h"

#include <fmt/format.h>

#include <array>

namespace emprops::control {
namespace {

std::optional<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        const auto digit = [&](std::size_t at) -> int {
            if (at >= text.size()) return -1;
            const char c = text[at];
            if (c >= '0' && c <= '9') return c - '0';
            if (c >= 'a' && c <= 'f') return c - 'a' + 10;
            if (c >= 'A' && c <= 'F') return c - 'A' + 10;
            return -1;
        };
        const int high = digit(i + 1);
        const int low = digit(i + 2);
        if (high < 0 || low < 0) return std::nullopt;
        decoded += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return decoded;
}

Answer failure(int status, const std::string& code, const std::string& message) {
    return {status, Json{{"error", {{"code", code}, {"message", message}}}}, {}};
}

Answer failure(const Error& error) {
    return failure(error.code == "not_found" ? 404 : 409, error.code, error.message);
}

Answer sentence(const Result<std::string>& result) {
    if (!result) return failure(result.error());
    return {200, Json{{"message", result.value()}}, {}};
}

/// The string member `key` of a JSON object body; the fallback when it is absent. nullopt: present but no
/// string.
std::optional<std::string> text_member(const Json& body, const char* key, const std::string& fallback) {
    const auto found = body.find(key);
    if (found == body.end()) return fallback;
    if (!found->is_string()) return std::nullopt;
    return found->get<std::string>();
}

/// Of the worker, or of one connector.
Answer drain(Operations& operations, const std::string& name, const Json& body) {
    const auto mode = text_member(body, "mode", "graceful");
    if (!mode || (*mode != "graceful" && *mode != "deadline" && *mode != "now")) {
        return failure(400, "bad_request", "mode must be graceful, deadline or now");
    }
    return sentence(operations.drain(name, *mode));
}

/// The boolean member `key`, false when it is absent. nullopt: present but no boolean.
std::optional<bool> flag_member(const Json& body, const char* key) {
    const auto found = body.find(key);
    if (found == body.end()) return false;
    if (!found->is_boolean()) return std::nullopt;
    return found->get<bool>();
}

Answer handle_post(Operations& operations, const std::vector<std::string>& parts, const Json& body) {
    if (parts.size() == 3 && parts[0] == "connectors") {
        const std::string& name = parts[1];
        const std::string& verb = parts[2];
        if (verb == "restart") {
            const auto service = flag_member(body, "service");
            if (!service) return failure(400, "bad_request", "service must be true or false");
            return sentence(*service ? operations.restart_service(name) : operations.restart(name));
        }
        if (verb == "start") return sentence(operations.start(name));
        if (verb == "stop") return sentence(operations.stop(name));
        if (verb == "drain") return drain(operations, name, body);
        if (verb == "resume") return sentence(operations.resume(name));
        return failure(
            404, "not_found",
            fmt::format("unknown operation '{}' on a connector; known: restart, start, stop, drain, resume",
                        verb));
    }
    if (parts.size() == 1 && parts[0] == "drain") {
        return drain(operations, "", body);
    }
    if (parts.size() == 1 && parts[0] == "resume") return sentence(operations.resume(""));
    if (parts.size() == 1 && parts[0] == "reload") return sentence(operations.reload());
    if (parts.size() == 1 && parts[0] == "cancel") {
        const auto job_id = text_member(body, "job_id", "");
        const auto reason = text_member(body, "reason", "cancelled by the operator");
        if (!job_id || job_id->empty() || !reason)
            return failure(400, "bad_request", "cancel needs a body {\"job_id\": \"...\"}");
        return sentence(operations.cancel(*job_id, *reason));
    }
    return failure(404, "not_found", "no such operation; see supervisor/control/README.md");
}

Answer follow(std::function<Result<Subscription>(OnLine)> stream) {
    return {200, Json(), std::move(stream)};
}

Answer handle_get(Operations& operations, const std::vector<std::string>& parts, const Request& request) {
    const std::string name = parts.size() == 2 ? parts[1] : "";
    if (parts.size() == 1 && parts[0] == "status") return {200, operations.status(), {}};
    if (parts.size() == 1 && parts[0] == "jobs") return {200, operations.jobs(), {}};
    if (parts.size() == 2 && parts[0] == "why") {
        const auto why = operations.why(name);
        if (!why) return failure(why.error());
        return {200, Json{{"connector", name}, {"why", why.value()}}, {}};
    }
    if (!parts.empty() && parts.size() <= 2 && parts[0] == "logs") {
        const auto wanted = request.query.find("follow");
        if (wanted != request.query.end() && wanted->second == "1") {
            return follow([&operations, name](OnLine on_line) {
                return operations.follow_log(name, std::move(on_line));
            });
        }
        const auto lines = operations.log_tail(name);
        if (!lines) return failure(lines.error());
        return {200, Json{{"lines", lines.value()}}, {}};
    }
    if (parts.size() == 2 && parts[0] == "trace") {
        return follow([&operations, name](OnLine on_line) {
            return operations.follow_trace(name, std::move(on_line));
        });
    }
    return failure(404, "not_found", "no such page; see supervisor/control/README.md");
}

}  // namespace

bool parse_target(std::string_view target, Request& request) {
    if (target.empty() || target[0] != '/') return false;
    const auto mark = target.find('?');
    const auto path = percent_decode(target.substr(0, mark));
    if (!path) return false;
    request.path = *path;
    if (mark == std::string_view::npos) return true;
    std::string_view query = target.substr(mark + 1);
    while (!query.empty()) {
        const auto end = query.find('&');
        const auto pair = query.substr(0, end);
        const auto equals = pair.find('=');
        const auto key = percent_decode(pair.substr(0, equals));
        const auto value =
            percent_decode(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1));
        if (!key || !value) return false;
        request.query[*key] = *value;
        if (end == std::string_view::npos) break;
        query.remove_prefix(end + 1);
    }
    return true;
}

Answer handle(Operations& operations, const Request& request) {
    constexpr std::string_view prefix = "/v1/";
    if (!request.path.starts_with(prefix))
        return failure(404, "not_found", "paths begin with /v1/; see supervisor/control/README.md");
    std::vector<std::string> parts;
    std::string_view rest = std::string_view(request.path).substr(prefix.size());
    while (!rest.empty()) {
        const auto slash = rest.find('/');
        parts.emplace_back(rest.substr(0, slash));
        if (slash == std::string_view::npos) break;
        rest.remove_prefix(slash + 1);
    }
    if (request.method == "GET") return handle_get(operations, parts, request);
    if (request.method != "POST") return failure(405, "bad_method", "only GET and POST are known");
    Json body = Json::object();
    if (!request.body.empty()) {
        body = Json::parse(request.body, nullptr, false);
        if (!body.is_object()) return failure(400, "bad_request", "the body must be a JSON object");
    }
    return handle_post(operations, parts, body);
}

}  // namespace emprops::control
