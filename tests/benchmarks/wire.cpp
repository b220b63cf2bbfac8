#include "tests/benchmarks/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

namespace emprops::bench {
namespace {

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

void set(int fd, int level, int option) {
    const int yes = 1;
    ::setsockopt(fd, level, option, &yes, sizeof yes);
}

/// Reads until `from` holds the head of a request or answer, and takes it off.
void skip_head(int fd, std::string& from) {
    while (from.find("\r\n\r\n") == std::string::npos)
        if (!read_some(fd, from, 4096)) give_up("the handshake");
    from.erase(0, from.find("\r\n\r\n") + 4);
}

void mask_bytes(char* bytes, std::size_t size, const std::array<char, 4>& key) {
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<char>(bytes[i] ^ key[i % 4]);
}

}  // namespace

void give_up(const char* what) {
    std::perror(what);
    std::exit(1);
}

void write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0) give_up("write");
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

bool read_some(int fd, std::string& into, std::size_t at_once) {
    const std::size_t before = into.size();
    into.resize(before + at_once);
    const ssize_t count = ::read(fd, into.data() + before, at_once);
    into.resize(before + static_cast<std::size_t>(count > 0 ? count : 0));
    return count > 0;
}

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        std::uint64_t eight = 0;
        if (text.size() - at >= sizeof eight) {
            std::memcpy(&eight, text.data() + at, sizeof eight);
            if ((eight & 0x8080808080808080U) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        const auto lead = static_cast<unsigned char>(text[at]);
        const std::size_t more = lead < 0x80 ? 0 : lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc2 ? 1 : 4;
        if (more == 4 || text.size() - at <= more) return false;
        for (std::size_t i = 1; i <= more; ++i)
            if ((static_cast<unsigned char>(text[at + i]) & 0xc0U) != 0x80U) return false;
        at += 1 + more;
    }
    return true;
}

std::string_view member(std::string_view json, std::string_view name) {
    const std::string key = "\"" + std::string(name) + "\":\"";
    const std::size_t begin = json.find(key);
    if (begin == std::string_view::npos) return {};
    const std::size_t from = begin + key.size();
    return json.substr(from, json.find('"', from) - from);
}

std::size_t member_number(std::string_view json, std::string_view name) {
    const std::string key = "\"" + std::string(name) + "\":";
    const std::size_t begin = json.find(key);
    return begin == std::string_view::npos ? 0 : std::strtoull(json.data() + begin + key.size(), nullptr, 10);
}

std::string_view object(std::string_view json, std::string_view name) {
    const std::string key = "\"" + std::string(name) + "\":{";
    const std::size_t begin = json.find(key);
    if (begin == std::string_view::npos) return "{}";
    const std::string_view rest = json.substr(begin + key.size() - 1);
    return rest.substr(0, rest.rfind('}'));
}

int connect_loopback(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) give_up("connect");
    set(fd, IPPROTO_TCP, TCP_NODELAY);
    return fd;
}

int listen_loopback(std::uint16_t port) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set(listener, SOL_SOCKET, SO_REUSEADDR);
    const sockaddr_in address = loopback(port);
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) give_up("bind");
    if (::listen(listener, 1) != 0) give_up("listen");
    return listener;
}

int accept_one(int listener) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) give_up("accept");
    ::close(listener);
    set(fd, IPPROTO_TCP, TCP_NODELAY);
    return fd;
}

void open_websocket(int fd, const std::string& path, std::string& from) {
    write_all(fd, "GET " + path +
                      " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    skip_head(fd, from);
}

void accept_websocket(int fd, std::string& from) {
    skip_head(fd, from);
    write_all(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
}

void add_frame(std::string& to, std::string_view text, bool masked) {
    const auto size_byte = [&](std::size_t size) { to += static_cast<char>((masked ? 0x80U : 0U) | size); };
    to += '\x81';
    if (text.size() < 126) {
        size_byte(text.size());
    } else if (text.size() < 65536) {
        size_byte(126);
        to += static_cast<char>(text.size() >> 8);
        to += static_cast<char>(text.size());
    } else {
        size_byte(127);
        for (int shift = 56; shift >= 0; shift -= 8)
            to += static_cast<char>(text.size() >> shift);
    }
    if (!masked) {
        to += text;
        return;
    }
    static std::mt19937 random{std::random_device{}()};
    const std::uint32_t mask = static_cast<std::uint32_t>(random());
    std::array<char, 4> key;
    std::memcpy(key.data(), &mask, key.size());
    to.append(key.data(), key.size());
    const std::size_t at = to.size();
    to += text;
    mask_bytes(to.data() + at, text.size(), key);
}

void FrameReader::take(std::string& from, const std::function<void(std::string_view)>& on_message) {
    std::size_t at = 0;
    while (from.size() >= at + 2) {
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(from[at + i]); };
        const bool masked = (byte(1) & 0x80U) != 0;
        std::uint64_t size = byte(1) & 0x7fU;
        const std::size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
        const std::size_t head = 2 + more + (masked ? 4 : 0);
        if (from.size() < at + head) break;
        if (more > 0) size = 0;
        for (std::size_t i = 0; i < more; ++i)
            size = size << 8 | byte(2 + i);
        if (from.size() < at + head + size) break;
        if ((byte(0) & 0x0fU) <= 1) {
            const std::size_t begin = message_.size();
            message_.append(from, at + head, size);
            if (masked) {
                std::array<char, 4> key;
                std::memcpy(key.data(), from.data() + at + head - key.size(), key.size());
                mask_bytes(message_.data() + begin, size, key);
            }
            if ((byte(0) & 0x80U) != 0) {
                if (!is_utf8(message_)) std::exit(2);
                on_message(message_);
                message_.clear();
            }
        }
        at += head + size;
    }
    from.erase(0, at);
}

Connector start_connector(const char* program, int slots) {
    Connector child;
    std::array<int, 2> in{}, out{};
    if (::pipe(in.data()) != 0 || ::pipe(out.data()) != 0) give_up("pipe");
    child.pid = ::fork();
    if (child.pid == 0) {
        ::dup2(in[0], 0);
        ::dup2(out[1], 1);
        for (const int each : {in[0], in[1], out[0], out[1]})
            ::close(each);
        ::setenv("EMPROPS_CONNECTOR", "simulation", 1);
        ::execl(program, program, nullptr);
        std::_Exit(1);
    }
    ::close(in[0]);
    ::close(out[1]);
    child.in = in[1];
    child.out = out[0];
    std::string hello =
        R"({"type":"hello","protocol_versions":[1],"worker_id":"floor","connector":"simulation","instance":0,)"
        R"("max_line_bytes":25165824,"work_dir":"/tmp","heartbeat":{"interval_ms":0,"missed":3},)";
    hello += "\"concurrency\":" + std::to_string(slots) + ",\"settings\":{}}\n";
    write_all(child.in, hello);
    return child;
}

std::string progress_frame(std::string_view job_id, std::string_view members) {
    std::string frame =
        R"({"type":"update_job_progress","timestamp":1796035324.5,"worker_id":"worker-11112222","job_id":")";
    return frame.append(job_id).append("\",").append(members).append("}");
}

std::string_view told_progress(std::string_view line) {
    if (member(line, "status") == "processing") return {};
    const std::size_t begin = line.find("\"progress\":");
    return line.substr(begin, line.size() - 1 - begin);
}

std::string complete_frame(std::string_view job_id, std::string_view result) {
    std::string frame =
        R"({"type":"complete_job","timestamp":1796035324.5,"worker_id":"worker-11112222","job_id":")";
    return frame.append(job_id).append(R"(","result":)").append(result).append("}");
}

std::string job_line(std::string_view job_id, std::string_view payload) {
    std::string line = R"({"type":"job","job_id":")";
    line.append(job_id).append(R"(","job_type":"simulation","attempt":1,"work_dir":"/tmp","payload":)");
    return line.append(payload).append("}\n");
}

void take_lines(std::string& from, const std::function<void(std::string_view)>& on_line) {
    std::size_t at = 0;
    for (std::size_t end; (end = from.find('\n', at)) != std::string::npos; at = end + 1)
        on_line(std::string_view(from).substr(at, end - at));
    from.erase(0, at);
}

}  // namespace emprops::bench
