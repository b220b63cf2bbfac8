#include "tests/support/fake_service.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace emprops::test {

namespace fs = std::filesystem;

namespace {

constexpr const char* service_word = "--fake-service";

/// The descriptor, or -1.
template <class Address>
int listen_at(int family, const Address& address) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd >= 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::listen(fd, 16) == 0)
        return fd;
    if (fd >= 0) ::close(fd);
    return -1;
}

int listen_on_v6(std::uint16_t port) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = in6addr_loopback;
    return listen_at(AF_INET6, address);
}

int listen_on(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return listen_at(AF_INET, address);
}

void note(const fs::path& file, const std::string& text) {
    std::ofstream(file, std::ios::app) << text << "\n";
}

void answer(int fd, const fs::path& folder) {
    char request[4096];
    pollfd readable{fd, POLLIN, 0};
    if (::poll(&readable, 1, 1000) <= 0 || ::read(fd, request, sizeof request) <= 0) return;
    std::string vram = "0";
    if (std::ifstream file(folder / "vram"); file) file >> vram;
    const std::string body = R"({"system":{},"devices":[{"vram_total":)" + std::to_string(1ll << 40) +
                             R"(,"vram_free":)" + std::to_string((1ll << 40) - std::atoll(vram.c_str())) +
                             "}]}";
    const std::string status = fs::exists(folder / "broken") ? "503 Service Unavailable" : "200 OK";
    const std::string text = "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
                             "\r\nConnection: close\r\n\r\n" + body;
    [[maybe_unused]] const auto sent = ::write(fd, text.data(), text.size());
}

[[noreturn]] void serve(const fs::path& folder, const std::string& instance, std::uint16_t port) {
    if (fs::exists(folder / "daemon") && ::fork() != 0) ::_exit(0);
    const char* gpu = std::getenv("CUDA_VISIBLE_DEVICES");
    note(folder / ("gpu-" + instance), gpu != nullptr ? gpu : "");
    note(folder / ("pids-" + instance), std::to_string(::getpid()));
    if (fs::exists(folder / "deaf")) ::signal(SIGTERM, SIG_IGN);
    if (fs::exists(folder / "child") && ::fork() == 0) {
        ::setsid();
        ::signal(SIGTERM, SIG_IGN);
        note(folder / "children", std::to_string(::getpid()));
        ::alarm(600);
        while (true)
            ::pause();
    }
    ::alarm(600);  // so that a failed test does not leave it forever
    int listener = -1;
    std::vector<int> unanswered;
    while (true) {
        if (fs::remove(folder / "crash")) {
            std::fprintf(stderr, "fake service: about to crash\n");
            ::_exit(3);
        }
        if (listener < 0 && !fs::exists(folder / "slow")) {
            listener = fs::exists(folder / "ipv6") ? listen_on_v6(port) : listen_on(port);
            std::printf("fake service: %s port %d\n", listener < 0 ? "cannot open" : "listens on", port);
            std::fflush(stdout);
        }
        pollfd readable{listener, POLLIN, 0};
        if (::poll(&readable, listener < 0 ? 0 : 1, 10) <= 0) continue;
        const int fd = ::accept(listener, nullptr, nullptr);
        if (fd < 0) continue;
        if (fs::exists(folder / "hang")) {
            unanswered.push_back(fd);
            continue;
        }
        answer(fd, folder);
        ::close(fd);
    }
}

/// Runs before main(): a test program that was started as a service never becomes a test program.
const bool service_checked = [] {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    std::vector<std::string> arguments;
    for (std::size_t at = 0; at < text.size(); at = text.find('\0', at) + 1)
        arguments.emplace_back(text.c_str() + at);
    if (arguments.size() < 5 || arguments[1] != service_word) return false;
    serve(arguments[2], arguments[3], static_cast<std::uint16_t>(std::stoi(arguments[4])));
}();

}  // namespace

std::vector<std::string> fake_service(const fs::path& folder) {
    (void)service_checked;
    return {fs::read_symlink("/proc/self/exe").string(), service_word, folder.string(), "{instance}",
            "{port}"};
}

std::string fake_service_toml(const fs::path& folder) {
    std::string text;
    for (const std::string& word : fake_service(folder))
        text += (text.empty() ? "[\"" : ", \"") + word + "\"";
    return text + "]";
}

Stranger::Stranger(std::uint16_t port) : fd_(listen_on(port)) {
    if (fd_ < 0) throw std::runtime_error("port " + std::to_string(port) + " is not free");
}

Stranger::~Stranger() {
    ::close(fd_);
}

}  // namespace emprops::test
