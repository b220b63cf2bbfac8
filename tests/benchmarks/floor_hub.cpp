// The least that a hub and a worker in one process can do: a client's jobs go to one simulation connector, so many at a time,
// and what the connector says of them goes back, as emprops-worker with the embedded hub would say it. One loop; nothing is
// stored, offered, claimed, limited, or safe. The benchmarks compare with it. floor_hub PORT CONNECTOR SLOTS
//
// It serves one client, and ends with it.

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "tests/benchmarks/wire.h"

namespace emprops::bench {
namespace {

class FloorHub {
  public:
    FloorHub(std::uint16_t port, const char* connector, int slots)
        : child_(start_connector(connector, slots)), slots_(slots) {
        const int listener = listen_loopback(port);
        std::printf("listens\n");
        std::fflush(stdout);
        client_ = accept_one(listener);
        accept_websocket(client_, from_client_);
    }

    void run() {
        for (;;) {
            std::array<pollfd, 2> look{{{client_, POLLIN, 0}, {child_.out, POLLIN, 0}}};
            if (::poll(look.data(), look.size(), -1) < 0) give_up("poll");
            if (look[0].revents != 0) {
                if (!read_some(client_, from_client_, 256 * 1024)) return;
                frames_.take(from_client_, [this](std::string_view message) { on_submit(message); });
            }
            if (look[1].revents != 0) {
                if (!read_some(child_.out, from_child_, 64 * 1024)) return;
                take_lines(from_child_, [this](std::string_view line) { on_line(line); });
            }
            for (; free_slots_ > 0 && !waiting_.empty(); waiting_.pop_front(), --free_slots_)
                give(waiting_.front());
            if (!to_child_.empty()) write_all(child_.in, std::exchange(to_child_, {}));
            if (!to_client_.empty()) write_all(client_, std::exchange(to_client_, {}));
        }
    }

  private:
    void send(std::string_view text) { add_frame(to_client_, text, false); }

    void on_submit(std::string_view text) {
        const std::string id(member(text.substr(0, 200), "message_id"));
        send(R"({"type":"job_accepted","timestamp":1796035324.5,"job_id":")" + id +
             R"(","status":"queued"})");
        waiting_.push_back(job_line(id, object(text, "payload")));
    }

    void give(const std::string& line) {
        to_child_ += line;
        send(progress_frame(member(line, "job_id"), starting_job));
    }

    void on_line(std::string_view line) {
        if (!is_utf8(line)) std::exit(2);
        const std::string_view head = line.substr(0, 200);
        const std::string_view type = member(head, "type");
        const std::string_view job_id = member(head, "job_id");
        if (type == "progress") {
            const std::string_view told = told_progress(line);
            if (!told.empty()) send(progress_frame(job_id, told));
        } else if (type == "result") {
            ++free_slots_;
            send(complete_frame(job_id, object(line, "result")));
        } else if (type == "ready") {
            free_slots_ = slots_;
        } else if (type == "failed") {
            std::fprintf(stderr, "floor_hub: a job failed: %.*s\n", static_cast<int>(line.size()),
                         line.data());
            std::exit(2);
        }
    }

    Connector child_;
    int slots_, free_slots_ = 0, client_ = -1;
    FrameReader frames_;
    std::deque<std::string> waiting_;  // lines for the connector
    std::string from_client_, to_client_, from_child_, to_child_;
};

}  // namespace
}  // namespace emprops::bench

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: floor_hub PORT CONNECTOR SLOTS\n");
        return 64;
    }
    emprops::bench::FloorHub(static_cast<std::uint16_t>(std::atoi(argv[1])), argv[2], std::atoi(argv[3]))
        .run();
}
