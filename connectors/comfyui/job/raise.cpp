#include "connectors/comfyui/job/raise.h"

#include "emprops/connector.h"

namespace emprops::comfyui {

void raise(const Failure& failure) {
    throw JobFailure(failure.code, failure.message, failure.retryable, failure.details);
}

void raise_invalid(const Error& error) {
    raise(failure_of(Cause::validation, error.message));
}

void raise_cancelled(const std::string& what) {
    raise(failure_of(Cause::cancelled, what));
}

}  // namespace emprops::comfyui
