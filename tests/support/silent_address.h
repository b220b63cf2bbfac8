#pragma once
// An address that does not answer: somebody listens there and has no room for one more connection, so that the system
// drops what arrives. For one test thread.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace emprops::test {

class SilentAddress {
  public:
    /// `address` is an IPv4 one; port 0: any.
    explicit SilentAddress(const std::string& address, std::uint16_t port = 0)
        : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(port);
        ::inet_pton(AF_INET, address.c_str(), &name.sin_addr);
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
            ::listen(listener_, 0) != 0)
            throw std::runtime_error("cannot listen on " + address);
        socklen_t size = sizeof name;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
        port_ = ntohs(name.sin_port);
        while (takes_one_more(name)) {
            if (clients_.size() > 100) throw std::runtime_error("a backlog that does not fill");
        }
    }
    ~SilentAddress() {
        for (const int client : clients_)
            ::close(client);
        ::close(listener_);
    }
    SilentAddress(const SilentAddress&) = delete;
    SilentAddress& operator=(const SilentAddress&) = delete;

    std::uint16_t port() const { return port_; }

  private:
    /// One connection more; on loopback it is there at once, or never.
    bool takes_one_more(const sockaddr_in& name) {
        const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        clients_.push_back(client);
        if (::connect(client, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return true;
        pollfd wait{client, POLLOUT, 0};
        return errno == EINPROGRESS && ::poll(&wait, 1, 200) > 0;
    }

    int listener_;
    std::uint16_t port_ = 0;
    std::vector<int> clients_;
};

}  // namespace emprops::test
