#include "connectors/comfyui/text/errors.h"

#include <algorithm>
#include <cctype>

#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

bool contains_any(const std::string& text, std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](const char* word) { return text.find(word) != std::string::npos; });
}

constexpr std::size_t longest_message = 2000;

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
    Failure failure;
    const std::string where = node_text(error.node, error.node_type, nodes);
    std::string message = trimmed(error.message, longest_message);
    if (message.empty()) message = "no message";
    failure.details = {{"node", error.node},
                       {"class_type", error.node_type},
                       {"exception_type", error.exception_type},
                       {"exception_message", trimmed(error.message, longest_message)}};
    Json traceback = Json::array();
    for (const std::string& line : error.traceback) {
        if (traceback.size() < 30) traceback.push_back(trimmed(line, 500));
    }
    failure.details["traceback"] = std::move(traceback);
    if (is_out_of_memory(error)) {
        failure.code = "out_of_memory";
        failure.details["class"] = "out_of_memory";
        failure.message =
            "out of memory in " + where + ": " + message +
            ". The job needs a GPU with more memory, a smaller picture or batch, or a smaller model.";
        return failure;
    }
    failure.code = "service_error";
    failure.retryable = false;
    failure.details["class"] = "node_error";
    failure.message = where + " failed: " + error.exception_type + ": " + message;
    if (is_sticky_gpu_fault(error)) {
        failure.retryable = true;
        failure.details["class"] = "gpu_fault";
        failure.message += ". The GPU context of this ComfyUI process is broken; ComfyUI must be restarted.";
    }
    return failure;
}

bool is_access_problem(long status, std::string_view content_type) {
    if (status == 401 || status == 403 || status == 407) return true;
    const bool html = content_type.substr(0, 9) == "text/html";
    // ComfyUI's API never redirects and never answers in HTML; a login page does.
    return (status >= 300 && status < 400 && status != 304) || (html && status < 500 && status != 404);
}

Failure access_failure(long status, const std::string& server) {
    Failure failure;
    failure.code = "access_denied";
    failure.details = {{"class", "access"}, {"http_status", status}};
    failure.message =
        "something in front of ComfyUI at " + server + " refused us (HTTP " + std::to_string(status) +
        "). Set username and password, bearer_token or headers in the connector's settings to what "
        "the proxy wants.";
    return failure;
}

}  // namespace emprops::comfyui
