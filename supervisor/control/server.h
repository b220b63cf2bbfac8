#pragma once
// The control API on a Unix socket (mode 0600): HTTP/1.1 with JSON, one operation per request; log and trace
// streams are chunked text, a line per chunk. Runs on the event loop; a slow or stuck client costs itself its
// connection only: a request must come, and each piece of an answer be taken, within 30 s. At most 64 requests
// are served at once, more are told so (503). A connection without a request takes no place of those: of such
// silent ones the oldest gives way to a new one. A request that is too large gets 413. Owned by the worker;
// Operations must outlive it.

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "ipc/result.h"
#include "supervisor/control/operations.h"

namespace emprops::control {

class Server {
  public:
    virtual ~Server() =
        default;  // closes the socket, all connections, and removes the file if it is still ours

    /// A cleaner may have removed the socket file: then it is made again. What the operator should know, told
    /// once; usually empty.
    virtual std::string look() = 0;

    struct Limits {
        std::size_t connections = 64;  ///< whose request has come
        std::size_t silent = 32;       ///< whose request has not come; at least 1
        std::chrono::milliseconds deadline{30'000};
    };
    /// Replaces a socket file that a dead worker left (the caller holds the lock of the state folder).
    /// Errors: "socket" with path, reason and cure (a path of more than 107 bytes, a folder without rights, another
    /// process listens there).
    static Result<std::unique_ptr<Server>> listen(boost::asio::any_io_executor executor,
                                                  const std::filesystem::path& path, Operations& operations,
                                                  const Limits& limits);
    static Result<std::unique_ptr<Server>> listen(boost::asio::any_io_executor executor,
                                                  const std::filesystem::path& path, Operations& operations) {
        return listen(std::move(executor), path, operations, Limits{});
    }
};

}  // namespace emprops::control
