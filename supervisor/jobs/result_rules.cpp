#include "supervisor/jobs/result_rules.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace emprops::jobs {
namespace {

constexpr std::string_view json_space = " \t\r\n";

/// Picks `status`, `error` and the members of an object `error` out of a result without building the rest of
/// it (results reach 16 MiB, most of it one string).
struct FailureReader : nlohmann::json_sax<nlohmann::json> {
    int depth = 0;
    std::string keys[2];  // current member on level 1 and 2
    std::optional<std::string> status;
    std::string message;
    std::string code;
    bool retryable = true;

    bool inside_error() const { return depth == 2 && keys[0] == "error"; }

    bool string(string_t& value) override {
        if (depth == 1 && keys[0] == "status") status = value;
        if (depth == 1 && keys[0] == "error") message = value;
        if (inside_error() && keys[1] == "message") message = value;
        if (inside_error() && keys[1] == "code") code = value;
        return true;
    }
    bool boolean(bool value) override {
        if (inside_error() && keys[1] == "retryable") retryable = value;
        return true;
    }
    bool key(string_t& value) override {
        if (depth >= 1 && depth <= 2) keys[depth - 1] = value;
        return true;
    }
    bool start_object(std::size_t) override { return enter(); }
    bool end_object() override { return leave(); }
    bool start_array(std::size_t) override { return enter(); }
    bool end_array() override { return leave(); }
    bool enter() {
        ++depth;
        if (depth == 2) keys[1].clear();
        return true;
    }
    bool leave() {
        --depth;
        return true;
    }
    bool null() override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
        return false;
    }
};

std::optional<ipc::JobError> declared_failure(std::string_view text) {
    // Almost every result is a success: look for the word before reading 16 MiB of JSON.
    if (text.find("\"failed\"") == std::string_view::npos) return std::nullopt;
    FailureReader reader;
    if (!nlohmann::json::sax_parse(text, &reader) || reader.status != "failed") return std::nullopt;
    ipc::JobError error;
    error.code = reader.code.empty() ? ipc::code::service_error : reader.code;
    error.message =
        reader.message.empty() ? "the connector reported status \"failed\" without an error" : reader.message;
    error.retryable = reader.retryable;
    return error;
}

}  // namespace

std::variant<Completed, Failed> judge_result(ipc::RawJson result) {
    const std::string_view text = result.text();
    const std::size_t first = text.find_first_not_of(json_space);
    if (first == std::string_view::npos) return Completed{{R"({"status":"success"})"}};
    if (text[first] != '{') return Completed{{R"({"status":"success","output":)" + result.text() + "}"}};
    const std::size_t next = text.find_first_not_of(json_space, first + 1);
    if (next == std::string_view::npos || text[next] == '}') return Completed{{R"({"status":"success"})"}};
    if (auto error = declared_failure(text)) return Failed{std::move(*error)};
    return Completed{std::move(result)};
}

}  // namespace emprops::jobs
