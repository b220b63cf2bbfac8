#pragma once
// The least of WebSocket, HTTP, JSON and a connector's pipes: for floors and for clients that must cost next to nothing.
// Blocking, over loopback, for one thread. It trusts whoever is at the other end; a failed call ends the program with its
// reason (give_up).

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace emprops::bench {

[[noreturn]] void give_up(const char* what);
void write_all(int fd, std::string_view bytes);
/// Appends what is there, at most `at_once` bytes; waits for the first. False at the end.
bool read_some(int fd, std::string& into, std::size_t at_once);

/// Eight bytes at a time as long as they are ASCII.
bool is_utf8(std::string_view text);
/// The text of the member, as it stands there (no escapes are undone); of the first one of this name, at any depth.
std::string_view member(std::string_view json, std::string_view name);
/// 0 when there is none.
std::size_t member_number(std::string_view json, std::string_view name);
/// The object behind the name, which must be the last member of its own; "{}" when there is none.
std::string_view object(std::string_view json, std::string_view name);

int connect_loopback(std::uint16_t port);
int listen_loopback(std::uint16_t port);
/// Waits for one connection; the listener is closed.
int accept_one(int listener);
/// Sends the handshake and reads its answer; what came behind it is left in `from`.
void open_websocket(int fd, const std::string& path, std::string& from);
/// Takes a client's handshake as it is and agrees.
void accept_websocket(int fd, std::string& from);
/// A text message in one frame; a client's are masked.
void add_frame(std::string& to, std::string_view text, bool masked);

/// Joins frames to messages. The text of each is checked to be UTF-8.
class FrameReader {
  public:
    /// Takes the whole frames off the begin of `from`.
    void take(std::string& from, const std::function<void(std::string_view message)>& on_message);

  private:
    std::string message_;
};

/// A simulation connector on two pipes that has been greeted.
struct Connector {
    pid_t pid = -1;
    int in = -1, out = -1;  ///< its stdin and stdout, our ends
};
Connector start_connector(const char* program, int slots);
/// What a worker says of a job before its connector does.
inline constexpr std::string_view starting_job =
    R"("progress":0,"status":"started","message":"Starting job")";
/// Worker to hub; `members`: what a connector says in its progress.
std::string progress_frame(std::string_view job_id, std::string_view members);
/// The members of a line `progress` that is worth a frame, as ours: of many in a row the first and the last ones. Else empty.
std::string_view told_progress(std::string_view line);
std::string complete_frame(std::string_view job_id, std::string_view result);
/// Worker to connector.
std::string job_line(std::string_view job_id, std::string_view payload);
/// Hands on and takes away the whole lines at the begin of `from`.
void take_lines(std::string& from, const std::function<void(std::string_view line)>& on_line);

}  // namespace emprops::bench
