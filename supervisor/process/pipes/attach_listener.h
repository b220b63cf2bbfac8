#pragma once
// Waits on a Unix socket (0600) for a connector that a person started under a debugger; the one connection is
// then its stdin and stdout. Owned by a Member; event loop thread only; destroyed at any time.

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <functional>
#include <memory>

#include "ipc/result.h"
#include "ipc/unique_fd.h"

namespace emprops::process {

class AttachListener {
  public:
    /// `pid` is what the kernel says of the peer.
    using Connected = std::function<void(int pid, UniqueFd stdin_fd, UniqueFd stdout_fd)>;

    /// Replaces a socket file that is left over. `connected` is called at most once, later.
    static Result<std::unique_ptr<AttachListener>> open(const boost::asio::any_io_executor& executor,
                                                        const std::filesystem::path& path,
                                                        Connected connected);
    ~AttachListener();
    /// A cleaner may have removed the socket file: then it is made again, which is true.
    bool look();

  private:
    class Impl;
    explicit AttachListener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
    std::shared_ptr<Impl> impl_;
};

}  // namespace emprops::process
