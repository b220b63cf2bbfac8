#include "connectors/comfyui/text/failure.h"

#include <algorithm>
#include <utility>

namespace emprops::comfyui {
namespace {

constexpr FailureKind kinds[] = {
    {Cause::validation, "invalid_payload", "validation", false, "the payload is the same everywhere"},
    {Cause::payload_too_large, "invalid_payload", "too_large", false, "it is as large everywhere"},
    {Cause::no_file, "invalid_payload", "input", false,
     "the address of an input gives no file: a page, an error, nothing, or there is no such host"},
    {Cause::missing_model, "unsupported", "missing_model", true, "another worker may have the model"},
    {Cause::missing_node_class, "unsupported", "missing_node_class", true,
     "another worker may have the node pack"},
    {Cause::other_folder, "unsupported", "other_folder", true,
     "another worker may have the file where the payload says"},
    {Cause::no_socket_here, "unsupported", "no_websocket", true, "another worker may use the WebSocket"},
    {Cause::node_error, "service_error", "node_error", false,
     "the same nodes get the same values everywhere"},
    {Cause::gpu_fault, "service_error", "gpu_fault", true, "after ComfyUI's restart, or elsewhere"},
    {Cause::server_error, "service_error", "server_error", false,
     "ComfyUI failed twice with this very workflow"},
    {Cause::not_comfyui, "service_error", "not_comfyui", true, "another worker has another address"},
    {Cause::unreadable_history, "service_error", "unreadable_history", false,
     "a node put out what cannot be written down, and would again"},
    {Cause::files_gone, "service_error", "files_gone", false,
     "where another run makes the file anew, one was made; ComfyUI does not serve this name"},
    {Cause::files_vanished, "service_error", "files_vanished", true,
     "the slot was given back already: the next attempt runs the prompt again"},
    {Cause::files_replaced, "service_error", "files_replaced", true,
     "another prompt wrote a file of the same name; the next one of this instance is fetched before that can happen"},
    {Cause::download, "service_error", "download", true,
     "the run is done: the next attempt finds it and fetches the file"},
    {Cause::pictures_lost, "service_error", "pictures_lost", true, "the next socket may hold"},
    {Cause::ended_comfyui, "poison", "ended_comfyui", false, "it would end the next ComfyUI, too"},
    {Cause::out_of_memory, "out_of_memory", "out_of_memory", true, "another GPU may have more memory"},
    {Cause::queue_timeout, "timeout", "queue_timeout", true, "another ComfyUI has a shorter queue"},
    {Cause::no_progress, "timeout", "no_progress", true, "it may have been this ComfyUI"},
    {Cause::total_timeout, "timeout", "total_timeout", true, "a faster GPU may do it in time"},
    {Cause::lost, "lost", "lost", true, "ComfyUI lost it, not the job"},
    {Cause::unreachable, "service_unavailable", "unreachable", true,
     "it may answer later, or another one does"},
    {Cause::silent_worker, "service_unavailable", "silent_worker", true,
     "after ComfyUI's restart, or elsewhere"},
    {Cause::blocked, "service_unavailable", "blocked", true, "another ComfyUI is free"},
    {Cause::socket_down, "service_unavailable", "no_websocket", true,
     "the WebSocket may be back, or elsewhere up"},
    {Cause::access, "access_denied", "access", true, "another worker may have the right password"},
    {Cause::interrupted, "comfyui.interrupted", "interrupted", true,
     "somebody stopped this run, not the next one"},
    {Cause::result_too_large, "result_too_large", "too_large", false,
     "the result has the same size everywhere"},
    {Cause::disk, "internal", "disk", true, "another machine has room"},
    {Cause::too_many, "internal", "too_many", false, "it was tried often enough"},
    {Cause::cancelled, "cancelled", "", false, "nobody wants it any more"},
    {Cause::drained, "drained", "", true, "the next supervisor goes on with it"},
};

const FailureKind& kind_of(Cause cause) {
    return *std::find_if(std::begin(kinds), std::end(kinds),
                         [cause](const FailureKind& kind) { return kind.cause == cause; });
}

}  // namespace

std::span<const FailureKind> failure_kinds() {
    return kinds;
}

std::string failure_table() {
    std::string text = "| code | `details.class` | tried again | why |\n|---|---|---|---|\n";
    for (const FailureKind& kind : kinds) {
        text += std::string("| `") + kind.code + "` | " + kind.error_class + " | " +
                (kind.retryable ? "yes" : "no") + " | " + kind.why + " |\n";
    }
    return text;
}

Failure failure_of(Cause cause, std::string message) {
    const FailureKind& kind = kind_of(cause);
    Json details = Json::object();
    if (*kind.error_class != '\0') details["class"] = kind.error_class;
    return {kind.code, std::move(message), kind.retryable, std::move(details)};
}

}  // namespace emprops::comfyui
