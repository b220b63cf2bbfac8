#include "supervisor/control/routes.h"

#include <fmt/format.h>

#include <array>

namespace emprops::control {
namespace {

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
    if (parts.size() == 1 && parts[0] == "retry") {
        const auto name = text_member(body, "name", "");
        if (!name || name->empty())
            return failure(400, "bad_request", "retry needs a body {\"name\": \"...\"}");
        return sentence(operations.deliver_again(*name));
    }
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
        const auto wanted = request.target.query.find("follow");
        if (wanted != request.target.query.end() && wanted->second == "1") {
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

Answer handle(Operations& operations, const Request& request) {
    std::vector<std::string> parts = request.target.segments;
    if (!request.target.well_formed)
        return failure(400, "bad_request", "the request target is not a valid path");
    if (parts.empty() || parts.front() != "v1")
        return failure(404, "not_found", "paths begin with /v1/; see supervisor/control/README.md");
    parts.erase(parts.begin());
    if (!parts.empty() && parts.back().empty()) parts.pop_back();  // "/v1/status/"
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
