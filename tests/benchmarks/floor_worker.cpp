// The least that a worker can do: the same frames and lines at the same moments as emprops-worker, in one process with one
// loop, and nothing else. Frames are masked, their text is checked to be UTF-8; nothing is parsed that is not needed, kept,
// logged, limited, or safe. The benchmarks compare with it. floor_worker PORT CONNECTOR
//
// It is no worker: it trusts the hub and its connector, and ends when either does; of the connector's death it tells the hub
// before, if there was a job.

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "tests/benchmarks/wire.h"

namespace emprops::bench {
namespace {

class Floor {
  public:
    Floor(std::uint16_t port, const char* connector) : hub_(connect_loopback(port)) {
        open_websocket(hub_, "/ws/worker/floor", from_hub_);
        send(
            R"({"type":"register_worker","worker_id":"floor","capabilities":{"supported_job_types":["simulation"]},)"
            R"("subscribe_to_jobs":true,"status":"idle"})");
        write_all(hub_, std::exchange(to_hub_, {}));
        child_ = start_connector(connector, 1);
        death_ = static_cast<int>(::syscall(SYS_pidfd_open, child_.pid, 0));
        if (death_ < 0) give_up("pidfd_open");
    }

    void run() {
        for (;;) {
            std::array<pollfd, 3> look{{{hub_, POLLIN, 0}, {child_.out, POLLIN, 0}, {death_, POLLIN, 0}}};
            if (::poll(look.data(), look.size(), -1) < 0) give_up("poll");
            if (look[2].revents != 0) return tell_death();
            if (look[0].revents != 0) {
                if (!read_some(hub_, from_hub_, 256 * 1024)) return;
                frames_.take(from_hub_, [this](std::string_view message) { on_message(message); });
            }
            if ((look[1].revents & POLLIN) != 0) {
                read_some(child_.out, from_child_, 64 * 1024);
                take_lines(from_child_, [this](std::string_view line) { on_line(line); });
            }
            if (!to_hub_.empty()) write_all(hub_, std::exchange(to_hub_, {}));
        }
    }

  private:
    void tell_death() {
        int status = 0;
        ::waitpid(child_.pid, &status, 0);
        if (job_id_.empty()) return;
        send(R"({"type":"fail_job","timestamp":1796035324.5,"worker_id":"worker-11112222","job_id":")" +
             job_id_ + R"(","error":"the connector has ended with )" + std::to_string(status) + "\"}");
        write_all(hub_, to_hub_);
    }

    void send(std::string_view text) { add_frame(to_hub_, text, true); }

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
            job_id_ = member(head, "job_id");
            send(
                R"({"type":"worker_status","timestamp":1796035324.5,"worker_id":"worker-11112222","status":"busy"})");
            send(progress_frame(job_id_, starting_job));
            write_all(child_.in, job_line(job_id_, object(text, "params")));
        }
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

    void on_line(std::string_view line) {
        if (!is_utf8(line)) std::exit(2);
        const std::string_view type = member(line.substr(0, 200), "type");
        if (type == "progress") {
            const std::string_view told = told_progress(line);
            if (!told.empty()) send(progress_frame(job_id_, told));
        } else if (type == "result") {
            send(complete_frame(job_id_, object(line, "result")));
            send(
                R"({"type":"worker_status","timestamp":1796035324.5,"worker_id":"worker-11112222","status":"idle"})");
        }
    }

    int hub_ = -1, death_ = -1;
    Connector child_;
    FrameReader frames_;
    std::string from_hub_, parts_, from_child_, to_hub_, job_id_;
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
