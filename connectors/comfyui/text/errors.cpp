#include "connectors/comfyui/text/errors.h"

#include <algorithm>
#include <cctype>

#include "connectors/comfyui/text/api_key.h"
#include "connectors/comfyui/text/web.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

bool contains_any(const std::string& text, std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](const char* word) { return text.find(word) != std::string::npos; });
}

constexpr std::size_t longest_message = 2000;

/// Of a custom node's exception the module may be the path of a file (connectors/comfyui/API.md 10.1).
std::string short_type(const std::string& type) {
    return type.find_first_of("/\\") == std::string::npos ? type : type.substr(type.rfind('.') + 1);
}

}  // namespace

std::string trimmed(std::string text, std::size_t limit) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
        text.pop_back();
    }
    return text::shortened(text, limit);
}

std::string node_text(const std::string& id, const std::string& class_type, const std::vector<Node>& nodes) {
    const auto node = std::find_if(nodes.begin(), nodes.end(), [&](const Node& n) { return n.id == id; });
    const std::string type = !class_type.empty() ? class_type : node != nodes.end() ? node->class_type : "?";
    std::string out = "node \"" + id + "\" (" + type;
    if (node != nodes.end() && node->title != type) out += ", \"" + node->title + "\"";
    return out + ")";
}

bool is_out_of_memory(const NodeError& error) {
    const std::string suffix = "OutOfMemoryError";
    const std::string& type = error.exception_type;
    if (type == "MemoryError") return true;
    if (type.size() >= suffix.size() &&
        type.compare(type.size() - suffix.size(), suffix.size(), suffix) == 0) {
        return true;
    }
    return contains_any(text::lower(error.message),
                        {"out of memory", "allocate memory", "allocation on device"});
}

bool is_sticky_gpu_fault(const NodeError& error) {
    if (is_out_of_memory(error)) return false;
    const std::string message = text::lower(error.message);
    // A node may use such words about its own arrays.
    const bool torch = error.exception_type.rfind("torch.", 0) == 0 ||
                       contains_any(message, {"cuda error", "hip error", "cublas", "cudnn"});
    if (!torch) return false;
    return contains_any(message, {"illegal memory access", "device-side assert", "unspecified launch failure",
                                  "cuda error: misaligned address", "cuda error: an illegal instruction",
                                  "uncorrectable ecc error", "cuda error: unknown error", "gpu is lost",
                                  "hip error: illegal"});
}

Failure node_failure(const NodeError& error, const std::vector<Node>& nodes) {
    const std::string where = node_text(error.node, error.node_type, nodes);
    std::string message = trimmed(error.message, longest_message);
    Json details = {{"node", error.node},
                    {"class_type", error.node_type},
                    {"exception_type", error.exception_type},
                    {"exception_message", message}};
    message = message.empty() ? "no message" : in_one_line(message);
    const std::string failed = where + " failed: " + short_type(error.exception_type) + ": " + message;
    Failure failure =
        is_out_of_memory(error)
            ? failure_of(Cause::out_of_memory,
                         "out of memory in " + where + ": " + message +
                             ". The job needs a GPU with more memory, a smaller picture or "
                             "batch, or a smaller model.")
        : is_sticky_gpu_fault(error)
            ? failure_of(
                  Cause::gpu_fault,
                  failed + ". The GPU context of this ComfyUI process is broken; ComfyUI must be restarted.")
            : failure_of(Cause::node_error, failed + api_key_hint(message));
    Json traceback = Json::array();
    for (const std::string& line : error.traceback) {
        if (traceback.size() < 30) traceback.push_back(trimmed(line, 500));
    }
    details["traceback"] = std::move(traceback);
    failure.details.update(details);
    return failure;
}

std::string barrier_text(const Barrier& barrier) {
    const std::string credentials =
        "username and password, bearer_token or headers in the connector's settings to what the proxy wants";
    const std::string where = "something in front of ComfyUI at " + barrier.server;
    if (barrier.meaning == Meaning::page)
        return where + " answered with a web page, most likely a login (" + barrier.answer + "). Set " +
               credentials + ".";
    if (barrier.meaning != Meaning::redirect)
        return where + " refused us (" + barrier.answer + "). Set " + credentials + ".";
    const std::string target = absolute_location(barrier.server + barrier.path, barrier.location);
    const std::string shown = without_secrets(target);
    const std::string asked = without_secrets(barrier.path);
    const std::string leads = where + " leads elsewhere: to " + (shown.empty() ? "nowhere usable" : shown) +
                              " (" + barrier.answer + "). ";
    // The same request at another address, not another page.
    if (shown.ends_with(asked)) {
        std::string base = shown.substr(0, shown.size() - asked.size());
        if (base != barrier.server) return leads + "Set server_url to " + base + ".";
    }
    return leads + "If that is a login, set " + credentials + "; if ComfyUI is there, set server_url to it.";
}

Failure too_large_failure(const std::string& what, const std::string& answer, const std::string& instead) {
    // ComfyUI's own answer is a plain text (connectors/comfyui/API.md 1.3).
    const bool own = answer.find("Maximum request body size") != std::string::npos;
    return failure_of(
        Cause::payload_too_large,
        what + " is larger than what is accepted: " + answer + ". There are two limits: that of ComfyUI " +
            "(--max-upload-size, 100 MiB unless it is set) and that of a proxy in front of it (nginx: "
            "client_max_body_size, 1 MiB unless it is set). " +
            (own ? "ComfyUI's is the one" : "The proxy's is most likely the one") + " to raise" +
            (instead.empty() ? "" : "; or " + instead));
}

}  // namespace emprops::comfyui
