#include "supervisor/process/pipes/attach_listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>

#include "supervisor/base/socket_file.h"

namespace emprops::process {

namespace asio = boost::asio;
using Local = asio::local::stream_protocol;
using boost::system::error_code;

class AttachListener::Impl : public std::enable_shared_from_this<Impl> {
  public:
    Impl(const asio::any_io_executor& executor, std::filesystem::path path, Connected connected)
        : file_(std::move(path)), acceptor_(executor), connected_(std::move(connected)) {}

    Result<> listen() {
        if (const auto listening = file_.listen(acceptor_, 1); !listening) {
            error_code ignored;
            acceptor_.close(ignored);
            return Error{"attach", "cannot listen on " + file_.path().string() + ": " +
                                       listening.error().message +
                                       " (worker.state_dir names another folder)"};
        }
        accept();
        return Ok{};
    }

    bool look() {
        if (!connected_ || file_.look() != SocketFile::There::nothing) return false;
        error_code ignored;
        acceptor_.close(ignored);
        return listen().ok();
    }

    void close() {
        connected_ = nullptr;
        error_code ignored;
        acceptor_.close(ignored);
        file_.remove();
    }

  private:
    void accept() {
        acceptor_.async_accept([self = shared_from_this()](error_code error, Local::socket socket) {
            if (!self->connected_ || error == asio::error::operation_aborted) return;
            if (error) {
                self->accept();
                return;
            }
            ucred peer{};
            socklen_t size = sizeof peer;
            ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
            socket.native_non_blocking(true, error);
            UniqueFd in(::fcntl(socket.native_handle(), F_DUPFD_CLOEXEC, 3));
            UniqueFd out(::fcntl(socket.native_handle(), F_DUPFD_CLOEXEC, 3));
            const Connected connected = std::move(self->connected_);
            self->close();
            connected(peer.pid, std::move(in), std::move(out));
        });
    }

    SocketFile file_;
    Local::acceptor acceptor_;
    Connected connected_;
};

Result<std::unique_ptr<AttachListener>> AttachListener::open(const asio::any_io_executor& executor,
                                                             const std::filesystem::path& path,
                                                             Connected connected) {
    auto impl = std::make_shared<Impl>(executor, path, std::move(connected));
    if (const auto listening = impl->listen(); !listening) return listening.error();
    return std::unique_ptr<AttachListener>(new AttachListener(std::move(impl)));
}

bool AttachListener::look() {
    return impl_->look();
}

AttachListener::~AttachListener() {
    impl_->close();
}

}  // namespace emprops::process
