#pragma once
// The pipes of one connector process: a line reader on stdout, a reader on stderr that always drains, a
// bounded writer on stdin with a write deadline. Each turn of the loop reads at most one block (64 KiB) of
// one pipe and gives stdin no more than it takes at once (256 KiB), so that a flood delays others but never stops
// them.
//
// Owned by its ConnectorProcess through a shared_ptr (outstanding operations keep it alive); event loop
// thread only. No event is called from inside a call into this class, and none after close().

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ipc/codec.h"
#include "ipc/unique_fd.h"
#include "supervisor/base/time.h"
#include "supervisor/process/pipes/newest_state.h"

namespace emprops::process {

struct IoLimits {
    std::size_t max_line_bytes = 0;
    std::size_t stdin_queue_bytes = 0;
    Ms write_timeout{0};  ///< zero: none
    /// All that it prints is text for people; else stdout holds messages.
    bool stdout_is_text = false;
};

struct IoEvents {
    /// `torn`: what stood after the last newline when stdout ended; it may be half of a line.
    std::function<void(std::string_view line, bool torn)> on_line;
    std::function<void(std::string_view head, std::uint64_t size)> on_overlong;
    std::function<void()> on_stdout_end;
    std::function<void(std::string_view line)> on_stderr;
    /// The newest state of a line of text that is written over (a progress bar) and has not ended; at most once in
    /// NewestState::interval. The last one comes as a line.
    std::function<void(std::string_view text, Pipe pipe)> on_state;
    /// No byte was taken for write_timeout: what was begun is incomplete, the process must not be used any
    /// more.
    std::function<void()> on_stalled;
    /// The process closed its stdin.
    std::function<void()> on_stdin_closed;
};

class ChildIo {
  public:
    /// The descriptors are non-blocking; `stderr_fd` may be empty. Reading starts at once.
    ChildIo(const boost::asio::any_io_executor& executor, UniqueFd stdin_fd, UniqueFd stdout_fd,
            UniqueFd stderr_fd, const IoLimits& limits, IoEvents events);
    ~ChildIo();

    /// Whether a job line of this size would be taken.
    bool fits(std::size_t bytes) const;
    bool backlog() const;
    /// Queues a line (with its newline). False: stdin is closed.
    bool send(ipc::SharedLine line, bool job);
    /// Jobs that were not begun are dropped; the rest is written, then stdin is closed.
    void close_stdin_after_writing();
    /// Closes stdin at once, whatever waits.
    void close_stdin();
    /// The process has ended: reads both outputs to their end, at most for `limit`, then calls `done` and
    /// closes.
    void finish(Ms limit, std::function<void()> done);
    void close();

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace emprops::process
