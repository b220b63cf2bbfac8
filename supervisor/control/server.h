#pragma once
// The control API on a Unix socket (mode 0600): HTTP/1.1 with JSON, one operation per request; log and trace
// streams are chunked text, a line per chunk. Runs on the event loop; a slow or stuck client costs itself its
// connection only. Owned by the worker; Operations must outlive it.

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <memory>

#include "ipc/result.h"
#include "supervisor/control/operations.h"

namespace emprops::control {

class Server {
  public:
    virtual ~Server() = default;  // closes the socket, all connections, and removes the file

    /// Replaces a socket file that a dead worker left (the caller holds the lock of the state folder).
    /// Errors: "socket" with path and reason (a path of more than 107 bytes, a folder without rights).
    static Result<std::unique_ptr<Server>> listen(boost::asio::any_io_executor executor,
                                                  const std::filesystem::path& path, Operations& operations);
};

}  // namespace emprops::control
