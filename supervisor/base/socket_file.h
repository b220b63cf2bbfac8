#pragma once
// A Unix socket of ours in the file system, for its user only. A path is not the object behind it: a cleaner of old
// files may remove the file while we listen, and somebody else may put his own there. Owned by whoever listens;
// event loop thread only.

#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>
#include <optional>

#include "ipc/result.h"
#include "supervisor/base/file_identity.h"

namespace emprops {

class SocketFile {
  public:
    using Acceptor = boost::asio::local::stream_protocol::acceptor;

    explicit SocketFile(std::filesystem::path path) : path_(std::move(path)) {}
    const std::filesystem::path& path() const { return path_; }

    /// Opens `acceptor`, binds it to the path and listens. A folder that is missing is made, a socket at which nobody
    /// answers is replaced. Error "socket": the path is too long, cannot be made, another file lies or somebody
    /// answers there; the sentence names neither path nor cure.
    Result<> listen(Acceptor& acceptor, int backlog = boost::asio::socket_base::max_listen_connections);

    enum class There { ours, nothing, foreign };
    /// What the path leads to now.
    There look() const;
    /// Removes the file unless it is another's by now.
    void remove();

  private:
    std::filesystem::path path_;
    std::optional<FileIdentity> made_;  // the file that we made
};

}  // namespace emprops
