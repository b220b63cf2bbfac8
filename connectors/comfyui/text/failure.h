#pragma once
// Why a job failed, in a class that a program can act on and with a sentence that a person can follow. All ways in
// which a job can fail here stand in one table, which also says whether another try can help. Plain values.

#include <chrono>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "connectors/stores/tries.h"

namespace emprops::comfyui {

using Json = nlohmann::json;

enum class Cause {
    validation,
    payload_too_large,
    no_file,
    missing_model,
    missing_node_class,
    other_folder,
    no_socket_here,
    node_error,
    gpu_fault,
    server_error,
    not_comfyui,
    unreadable_history,
    files_gone,
    files_vanished,
    files_replaced,
    download,
    pictures_lost,
    ended_comfyui,
    out_of_memory,
    queue_timeout,
    no_progress,
    total_timeout,
    lost,
    unreachable,
    silent_worker,
    blocked,
    socket_down,
    access,
    interrupted,
    result_too_large,
    disk,
    too_many,
    cancelled,
    drained,
};

/// One way to fail.
struct FailureKind {
    Cause cause;
    const char* code;         ///< of ipc/PROTOCOL.md
    const char* error_class;  ///< details.class; "": none
    bool retryable;           ///< another worker or another moment can do better
    const char* why;          ///< it is so or not so: the sentence of the README's table
};
std::span<const FailureKind> failure_kinds();
/// The README's table.
std::string failure_table();

/// What the connector throws as JobFailure.
struct Failure {
    std::string code;
    std::string message;
    bool retryable = true;
    Json details = Json::object();
};
Failure failure_of(Cause cause, std::string message);

/// Why a request or a file did not get where it should, and whether the same once more may work.
struct Setback {
    Failure failure{};
    bool passing = false;
    std::chrono::milliseconds wait{0};  ///< the server asks not to come before this is over
};
inline stores::Told told(Setback& setback) {
    return {setback.failure.message, setback.passing, setback.wait};
}

}  // namespace emprops::comfyui
