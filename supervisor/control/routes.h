#pragma once
// The control API's requests as a pure mapping: method and path in, an operation called, an answer out. No
// sockets. Paths are documented in README.md; they are a promise.

#include <functional>
#include <string>

#include "ipc/web/request_target.h"
#include "supervisor/control/operations.h"

namespace emprops::control {

struct Request {
    std::string method;  ///< GET, POST
    web::RequestTarget target;
    std::string body;  ///< JSON object or empty
};

struct Answer {
    int status = 200;
    Json body;
    /// Set for a stream: called once with a sink for its lines; the subscription lives as long as the client
    /// listens.
    std::function<Result<Subscription>(OnLine)> stream;
};

/// Never throws for bad input: 400 for a malformed request, 404 for unknown paths and names, 405 for a wrong
/// method, 409 for an operation that is refused; the body then is {"error":{"code","message"}}.
Answer handle(Operations& operations, const Request& request);

}  // namespace emprops::control
