#include "connectors/comfyui/job/raise.h"

#include "emprops/connector.h"

namespace emprops::comfyui {
namespace {

const char* class_for(const std::string& code) {
    if (code == "invalid_payload") return "validation";
    if (code == "service_unavailable") return "unreachable";
    if (code == "access_denied") return "access";
    if (code == "cancelled") return "cancelled";
    if (code == "internal") return "disk";
    return "server_error";
}

}  // namespace

void raise(const Failure& failure) {
    throw JobFailure(failure.code, failure.message, failure.retryable, failure.details);
}

void raise(const Error& error) {
    raise(failure_of(error.code, class_for(error.code), error.message, error.code != "invalid_payload"));
}

void raise_cancelled(const std::string& what) {
    raise(Failure{"cancelled", what, false, Json::object()});
}

}  // namespace emprops::comfyui
