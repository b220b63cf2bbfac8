#pragma once
// Why a job failed, in a class that a program can act on and with a sentence that a person can follow. Plain
// value.

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace emprops::comfyui {

using Json = nlohmann::json;

/// What the connector throws as JobFailure.
struct Failure {
    std::string code;  ///< of ipc/PROTOCOL.md
    std::string message;
    bool retryable = true;
    Json details = Json::object();
};

/// `error_class`: details.class, as in the table of the connector's README.
inline Failure failure_of(std::string code, const char* error_class, std::string message,
                          bool retryable = true) {
    return {std::move(code), std::move(message), retryable, {{"class", error_class}}};
}

}  // namespace emprops::comfyui
