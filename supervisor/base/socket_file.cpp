#include "supervisor/base/socket_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "supervisor/base/privacy.h"

namespace emprops {
namespace {

using Local = boost::asio::local::stream_protocol;
using boost::system::error_code;

/// Whether somebody listens there: then the file is not ours to replace.
bool somebody_answers(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.string().size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    // EAGAIN: he does, and is busy.
    const bool answers =
        ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN;
    ::close(fd);
    return answers;
}

}  // namespace

Result<> SocketFile::listen(Acceptor& acceptor, int backlog) {
    const auto failed = [](const std::string& why) { return Error{"socket", why}; };
    if (path_.string().size() >= sizeof(sockaddr_un::sun_path))
        return failed("the path has more than 107 bytes");
    if (path_.has_parent_path()) make_private_folder(path_.parent_path());  // if it fails, bind says why
    struct stat found {};
    if (::lstat(path_.c_str(), &found) == 0) {
        if (!S_ISSOCK(found.st_mode)) return failed("a file that is no socket lies there");
        if (somebody_answers(path_)) return failed("another process listens there");
        ::unlink(path_.c_str());
    }
    error_code error;
    acceptor.open(Local(), error);
    // The mode is the socket's from its first moment: nobody else can slip in between bind and chmod.
    const mode_t mask = ::umask(0177);
    if (!error) acceptor.bind(Local::endpoint(path_.string()), error);
    ::umask(mask);
    if (!error) acceptor.listen(backlog, error);
    if (error) return failed(error.message());
    made_ = FileIdentity::of(path_);
    return Ok{};
}

SocketFile::There SocketFile::look() const {
    const auto found = FileIdentity::of(path_);
    if (!found) return errno == ENOENT || errno == ENOTDIR ? There::nothing : There::ours;
    return found == made_ ? There::ours : There::foreign;
}

void SocketFile::remove() {
    if (made_ && look() == There::ours) ::unlink(path_.c_str());
    made_.reset();
}

}  // namespace emprops
