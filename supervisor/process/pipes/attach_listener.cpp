#include "supervisor/process/pipes/attach_listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>

namespace emprops::process {

namespace asio = boost::asio;
using Local = asio::local::stream_protocol;
using boost::system::error_code;

class AttachListener::Impl : public std::enable_shared_from_this<Impl> {
  public:
    Impl(const asio::any_io_executor& executor, std::filesystem::path path, Connected connected)
        : path_(std::move(path)), acceptor_(executor), connected_(std::move(connected)) {}

    error_code listen() {
        error_code error;
        ::unlink(path_.c_str());
        acceptor_.open(Local(), error);
        // The mode is the socket's from its first moment: nobody else can slip in between bind and chmod.
        const mode_t mask = ::umask(0177);
        if (!error) acceptor_.bind(Local::endpoint(path_.string()), error);
        ::umask(mask);
        if (!error) acceptor_.listen(1, error);
        if (!error) accept();
        return error;
    }

    void close() {
        connected_ = nullptr;
        error_code ignored;
        acceptor_.close(ignored);
        ::unlink(path_.c_str());
    }

  private:
    void accept() {
        acceptor_.async_accept([self = shared_from_this()](error_code error, Local::socket socket) {
            if (!self->connected_) return;
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

    std::filesystem::path path_;
    Local::acceptor acceptor_;
    Connected connected_;
};

Result<std::unique_ptr<AttachListener>> AttachListener::open(const asio::any_io_executor& executor,
                                                             const std::filesystem::path& path,
                                                             Connected connected) {
    // sun_path holds 108 bytes.
    if (path.string().size() > 107)
        return Error{"attach", "the path of the attach socket is too long (107 bytes): " + path.string()};
    auto impl = std::make_shared<Impl>(executor, path, std::move(connected));
    const error_code error = impl->listen();
    if (error) return Error{"attach", "cannot listen on " + path.string() + ": " + error.message()};
    return std::unique_ptr<AttachListener>(new AttachListener(std::move(impl)));
}

AttachListener::~AttachListener() {
    impl_->close();
}

}  // namespace emprops::process
