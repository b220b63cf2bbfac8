// The least that a worker can do: the same frames and lines at the same moments as emprops-worker, in one process with one
// loop, and nothing else. Frames are masked, their text is checked to be UTF-8; nothing is parsed that is not needed, kept,
// logged, limited, or safe. The benchmarks compare with it. floor_worker PORT CONNECTOR
//
// It is no worker: it trusts the hub and its connector, and ends when either does.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace emprops::bench {
namespace {

[[noreturn]] void give_up(const char* what) {
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

std::size_t read_some(int fd, std::string& into, std::size_t at_once) {
    const std::size_t before = into.size();
    into.resize(before + at_once);
    const ssize_t count = ::read(fd, into.data() + before, at_once);
    if (count <= 0) std::exit(0);
    into.resize(before + static_cast<std::size_t>(count));
    return static_cast<std::size_t>(count);
}

/// Eight bytes at a time as long as they are ASCII.
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

/// The text of the member, as it stands there; it has no escapes in what a hub and the simulation say.
std::string_view member(std::string_view json, std::string_view name) {
    const std::string key = "\"" + std::string(name) + "\":\"";
    const std::size_t begin = json.find(key);
    if (begin == std::string_view::npos) return {};
    const std::size_t from = begin + key.size();
    return json.substr(from, json.find('"', from) - from);
}

std::string_view object(std::string_view json, std::string_view name) {
    const std::string key = "\"" + std::string(name) + "\":{";
    const std::size_t begin = json.find(key);
    if (begin == std::string_view::npos) return "{}";
    const std::string_view rest = json.substr(begin + key.size() - 1);
    return rest.substr(0, rest.rfind('}'));
}

class Floor {
  public:
    Floor(std::uint16_t port, const char* connector) {
        connect(port);
        start(connector);
    }

    void run() {
        for (;;) {
            std::array<pollfd, 2> look{{{hub_, POLLIN, 0}, {child_out_, POLLIN, 0}}};
            if (::poll(look.data(), look.size(), -1) < 0) give_up("poll");
            if (look[0].revents != 0) {
                read_some(hub_, from_hub_, 256 * 1024);
                take_frames();
            }
            if (look[1].revents != 0) {
                read_some(child_out_, from_child_, 64 * 1024);
                take_lines();
            }
            if (!to_hub_.empty()) write_all(hub_, std::exchange(to_hub_, {}));
        }
    }

  private:
    void connect(std::uint16_t port) {
        hub_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(hub_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            give_up("connect");
        const int yes = 1;
        ::setsockopt(hub_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        write_all(
            hub_,
            "GET /ws/worker/floor HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n");
        while (from_hub_.find("\r\n\r\n") == std::string::npos)
            read_some(hub_, from_hub_, 4096);
        from_hub_.erase(0, from_hub_.find("\r\n\r\n") + 4);
        send(
            R"({"type":"register_worker","worker_id":"floor","capabilities":{"supported_job_types":["simulation"]},)"
            R"("subscribe_to_jobs":true,"status":"idle"})");
    }

    void start(const char* connector) {
        int in[2], out[2];
        if (::pipe(in) != 0 || ::pipe(out) != 0) give_up("pipe");
        if (::fork() == 0) {
            ::dup2(in[0], 0);
            ::dup2(out[1], 1);
            for (const int each : {in[0], in[1], out[0], out[1]})
                ::close(each);
            ::setenv("EMPROPS_CONNECTOR", "simulation", 1);
            ::execl(connector, connector, nullptr);
            std::_Exit(1);
        }
        ::close(in[0]);
        ::close(out[1]);
        child_in_ = in[1];
        child_out_ = out[0];
        write_all(
            child_in_,
            R"({"type":"hello","protocol_versions":[1],"worker_id":"floor","connector":"simulation","instance":0,)"
            R"("max_line_bytes":25165824,"work_dir":"/tmp","heartbeat":{"interval_ms":0,"missed":3},)"
            R"("settings":{}})"
            "\n");
    }

    void send(std::string_view text) {
        to_hub_ += '\x81';
        if (text.size() < 126) {
            to_hub_ += static_cast<char>(0x80 | text.size());
        } else if (text.size() < 65536) {
            to_hub_ += '\xfe';
            to_hub_ += static_cast<char>(text.size() >> 8);
            to_hub_ += static_cast<char>(text.size());
        } else {
            to_hub_ += '\xff';
            for (int shift = 56; shift >= 0; shift -= 8)
                to_hub_ += static_cast<char>(text.size() >> shift);
        }
        const std::uint32_t mask = static_cast<std::uint32_t>(random_());
        std::array<char, 4> key;
        std::memcpy(key.data(), &mask, key.size());
        to_hub_.append(key.data(), key.size());
        const std::size_t at = to_hub_.size();
        to_hub_ += text;
        for (std::size_t i = 0; i < text.size(); ++i)
            to_hub_[at + i] = static_cast<char>(to_hub_[at + i] ^ key[i % 4]);
    }

    void take_frames() {
        std::size_t at = 0;
        while (from_hub_.size() >= at + 2) {
            const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(from_hub_[at + i]); };
            std::uint64_t size = byte(1) & 0x7fU;
            std::size_t head = 2;
            const std::size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
            if (from_hub_.size() < at + head + more) break;
            if (more > 0) size = 0;
            for (std::size_t i = 0; i < more; ++i)
                size = size << 8 | byte(head + i);
            head += more;
            if (from_hub_.size() < at + head + size) break;
            if ((byte(0) & 0x0fU) <= 1) {
                message_.append(from_hub_, at + head, size);
                if (byte(0) & 0x80U) {
                    if (!is_utf8(message_)) std::exit(2);
                    on_message(message_);
                    message_.clear();
                }
            }
            at += head + size;
        }
        from_hub_.erase(0, at);
    }

    void on_message(std::string_view text) {
        const std::string_view head = text.substr(0, 400);
        const std::string_view type = member(head, "type");
        if (type == "chunked_message") {
            // What is in it stands in the text with escapes; these are taken away once.
            const std::size_t begin = text.find("\"content\":\"") + 11;
            unescape(text.substr(begin, text.rfind('"') - begin));
            const bool last = member_number(head, "chunk_id") + 1 == member_number(head, "total_chunks");
            if (!last) return;
            const std::string whole = std::exchange(parts_, {});
            return on_message(whole);
        }
        if (type == "job_available") {
            send(R"({"type":"claim_job","timestamp":1796035324.5,"worker_id":"worker-11112222","job_id":")" +
                 std::string(member(head, "job_id")) + "\"}");
        } else if (type == "job_assigned") {
            const std::string job_id(member(head, "job_id"));
            job_id_ = job_id;
            send(
                R"({"type":"worker_status","timestamp":1796035324.5,"worker_id":"worker-11112222","status":"busy"})");
            progress(R"("progress":0,"status":"started","message":"Starting job")");
            std::string line = R"({"type":"job","job_id":")" + job_id +
                               R"(","job_type":"simulation","attempt":1,"work_dir":"/tmp","payload":)";
            line += object(text, "params");
            line += "}\n";
            write_all(child_in_, line);
        }
    }

    static std::size_t member_number(std::string_view json, std::string_view name) {
        const std::string key = "\"" + std::string(name) + "\":";
        const std::size_t begin = json.find(key);
        return begin == std::string_view::npos ? 0
                                               : std::strtoull(json.data() + begin + key.size(), nullptr, 10);
    }

    void unescape(std::string_view text) {
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t next = std::min(text.find('\\', at), text.size());
            parts_.append(text, at, next - at);
            if (next + 1 >= text.size()) return;
            parts_ += text[next + 1] == 'n' ? '\n' : text[next + 1];
            at = next + 2;
        }
    }

    void progress(std::string_view members) {
        std::string frame =
            R"({"type":"update_job_progress","timestamp":1796035324.5,"worker_id":"worker-11112222","job_id":")";
        frame += job_id_;
        frame += "\",";
        frame += members;
        frame += '}';
        send(frame);
    }

    void take_lines() {
        std::size_t at = 0;
        for (std::size_t end; (end = from_child_.find('\n', at)) != std::string::npos; at = end + 1)
            on_line(std::string_view(from_child_).substr(at, end - at));
        from_child_.erase(0, at);
    }

    void on_line(std::string_view line) {
        if (!is_utf8(line)) std::exit(2);
        const std::string_view type = member(line.substr(0, 200), "type");
        if (type == "progress") {
            // As ours: of many in a row the first and the last ones.
            if (member(line, "status") == "processing") return;
            const std::size_t begin = line.find("\"progress\":");
            progress(line.substr(begin, line.size() - 1 - begin));
        } else if (type == "result") {
            std::string frame =
                R"({"type":"complete_job","timestamp":1796035324.5,"worker_id":"worker-11112222","job_id":")";
            frame += job_id_;
            frame += R"(","result":)";
            frame += object(line, "result");
            frame += '}';
            send(frame);
            send(
                R"({"type":"worker_status","timestamp":1796035324.5,"worker_id":"worker-11112222","status":"idle"})");
        }
    }

    int hub_ = -1, child_in_ = -1, child_out_ = -1;
    std::string from_hub_, message_, parts_, from_child_, to_hub_, job_id_;
    std::mt19937 random_{std::random_device{}()};
};

}  // namespace
}  // namespace emprops::bench

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: floor_worker PORT CONNECTOR\n");
        return 64;
    }
    emprops::bench::Floor(static_cast<std::uint16_t>(std::atoi(argv[1])), argv[2]).run();
}
