#include "supervisor/process/pipes/child_io.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <climits>
#include <new>
#include <optional>
#include <vector>

#include "ipc/line_framer.h"
#include "supervisor/base/alarm.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/timer.h"
#include "supervisor/process/pipes/write_queue.h"

namespace emprops::process {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {
constexpr std::size_t block_bytes = std::size_t{64} << 10;
/// Of what waits for stdin, in one turn of the loop.
constexpr std::size_t write_at_once = std::size_t{256} << 10;
/// Of 64 MiB that Linux gives the pipes of a user, if nobody has changed it (/proc/sys/fs/pipe-user-pages-soft).
constexpr int wide_pipe_bytes = 256 << 10;
constexpr std::size_t stderr_line_bytes = std::size_t{16} << 10;
}  // namespace

class ChildIo::Impl : public std::enable_shared_from_this<Impl> {
  public:
    Impl(const asio::any_io_executor& executor, UniqueFd in, UniqueFd out, UniqueFd err,
         const IoLimits& limits, IoEvents events)
        : limits_(limits),
          events_(std::move(events)),
          stdin_(executor, in.release()),
          stdout_(executor, out.release(), limits.max_line_bytes,
                  limits.stdout_is_text ? ipc::Returns::end_lines : ipc::Returns::end_text,
                  [this] { tell_state(stdout_, Pipe::out); }),
          stall_(executor, [this] { on_stall(); }),
          finish_timer_(executor),
          queue_(limits.stdin_queue_bytes) {
        if (err)
            stderr_.emplace(executor, err.release(), stderr_line_bytes, ipc::Returns::end_lines,
                            [this] { tell_state(*stderr_, Pipe::err); });
        stdout_.sink.on_line = [this](std::string_view line) {
            stdout_.state.end();
            try {
                tell(events_.on_line, line, stdout_.ending);
            } catch (const std::bad_alloc&) {  // there was no memory for what is in it
                tell(events_.on_overlong, line.substr(0, ipc::LineFramer::head_bytes), line.size());
            }
        };
        stdout_.sink.on_overlong = [this](std::string_view head, std::uint64_t size) {
            tell(events_.on_overlong, head, size);
        };
        stdout_.sink.on_state = [this](std::string_view text) { on_state(stdout_, text); };
        if (!stderr_) return;
        stderr_->sink.on_line = [this](std::string_view line) {
            stderr_->state.end();
            tell(events_.on_stderr, line);
        };
        stderr_->sink.on_state = [this](std::string_view text) { on_state(*stderr_, text); };
        stderr_->sink.on_overlong = [this](std::string_view head, std::uint64_t) {
            tell(events_.on_stderr, head);
        };
    }

    void start() {
        read(stdout_);
        if (stderr_) read(*stderr_);
    }

    bool fits(std::size_t bytes) const { return stdin_open_ && !closing_stdin_ && queue_.fits(bytes); }
    bool backlog() const { return !queue_.empty(); }

    bool send(ipc::SharedLine line, bool job) {
        if (!stdin_open_ || closing_stdin_) return false;
        write_soon();
        queue_.push(std::move(line), job, Clock::now());
        return true;
    }

    void close_stdin_after_writing() {
        closing_stdin_ = true;
        queue_.drop_jobs();
        if (queue_.empty()) close_stdin();
    }

    void close_stdin() {
        if (!stdin_open_) return;
        stdin_open_ = false;
        stall_.set({});
        // An attached connector has one socket for both directions: its peer must see the end of this one.
        ::shutdown(stdin_.native_handle(), SHUT_WR);
        error_code ignored;
        stdin_.close(ignored);
        queue_.clear();
    }

    void finish(Ms limit, std::function<void()> done) {
        done_ = std::move(done);
        close_stdin();
        if (try_finish()) return;
        finish_timer_.expires_after(limit);
        finish_timer_.async_wait([self = shared_from_this()](error_code error) {
            if (!error) self->end();
        });
    }

    void close() {
        closed_ = true;
        done_ = nullptr;
        close_stdin();
        close_output(stdout_);
        if (stderr_) close_output(*stderr_);
        finish_timer_.cancel();
    }

  private:
    struct Output {
        Output(const asio::any_io_executor& executor, int fd, std::size_t limit, ipc::Returns returns,
               std::function<void()> tell_state)
            : stream(executor, fd), framer(limit, returns), state_due(executor, std::move(tell_state)) {}
        asio::posix::stream_descriptor stream;
        ipc::LineFramer framer;
        ipc::LineFramer::Sink sink;
        NewestState state;
        Alarm state_due;
        std::array<char, block_bytes> block;
        bool open = true;
        bool ending = false;
    };

    template <class Event, class... Args>
    void tell(const Event& event, Args&&... args) {
        if (!closed_ && event) event(std::forward<Args>(args)...);
    }

    void read(Output& output) {
        output.stream.async_read_some(asio::buffer(output.block), [self = shared_from_this(), &output](
                                                                      error_code error, std::size_t count) {
            self->on_read(output, error, count);
        });
    }

    void on_read(Output& output, error_code error, std::size_t count) {
        if (closed_ || !output.open) return;
        if (count > 0)
            output.framer.feed({output.block.data(), count}, output.sink, count == output.block.size());
        if (closed_ || !output.open) return;
        if (!error) {
            read(output);
            return;
        }
        // "Operation aborted" cannot come here: whoever closes the stream sets `open` or `closed_` first.
        output.ending = true;
        output.framer.finish(output.sink);
        close_output(output);
        if (&output == &stdout_) tell(events_.on_stdout_end);
        try_finish();
    }

    void on_state(Output& output, std::string_view text) {
        if (output.state.offer(text, Clock::now())) output.state_due.set(output.state.due());
    }

    void tell_state(Output& output, Pipe pipe) {
        const auto living = shared_from_this();
        const std::string newest = output.state.take();
        if (!newest.empty()) tell(events_.on_state, newest, pipe);
    }

    static void close_output(Output& output) {
        output.open = false;
        output.state_due.set({});
        error_code ignored;
        output.stream.close(ignored);
    }

    bool try_finish() {
        if (!done_ || stdout_.open || (stderr_ && stderr_->open)) return false;
        finish_timer_.cancel();
        later(stdin_.get_executor(), [self = shared_from_this()] { self->end(); });
        return true;
    }

    void end() {
        if (closed_ || !done_) return;
        // Whatever stands without a newline at the time limit counts if it is complete.
        for (Output* output : {&stdout_, stderr_ ? &*stderr_ : nullptr}) {
            if (output == nullptr || !output->open) continue;
            output->ending = true;
            output->framer.finish(output->sink);
            close_output(*output);
        }
        const std::function<void()> done = std::move(done_);
        close();
        done();
    }

    /// Behind all that is ready now: lines that are given together leave in one write.
    void write_soon() {
        if (write_comes_) return;
        at_rest(stdin_.get_executor(), [self = shared_from_this()] {
            self->write_comes_ = false;
            self->write();
        });
        write_comes_ = true;
    }

    void write() {
        if (!stdin_open_ || queue_.empty()) return;
        std::vector<iovec> parts;
        for (const std::string_view line : queue_.next(write_at_once)) {
            parts.push_back({const_cast<char*>(line.data()), line.size()});
            if (parts.size() == IOV_MAX) break;
        }
        const ssize_t count = ::writev(stdin_.native_handle(), parts.data(), static_cast<int>(parts.size()));
        if (count < 0 && errno != EAGAIN && errno != EINTR) {
            close_stdin();
            return tell(events_.on_stdin_closed);
        }
        if (count > 0) queue_.consume(static_cast<std::size_t>(count), Clock::now());
        if (!queue_.empty()) {
            if (queue_.bytes() > block_bytes) widen();
            return write_when_there_is_room();
        }
        stall_.set({});
        if (closing_stdin_) close_stdin();
    }

    /// A large job is written in a few steps, where the system allows it; once.
    void widen() {
        if (!std::exchange(widened_, true)) ::fcntl(stdin_.native_handle(), F_SETPIPE_SZ, wide_pipe_bytes);
    }

    void write_when_there_is_room() {
        watch_stall();
        write_comes_ = true;
        stdin_.async_wait(asio::posix::stream_descriptor::wait_write,
                          [self = shared_from_this()](error_code error) {
                              self->write_comes_ = false;
                              if (!error) self->write();
                          });
    }

    void watch_stall() {
        if (limits_.write_timeout > Ms{0}) stall_.set(queue_.waiting_since() + limits_.write_timeout);
    }

    void on_stall() {
        const auto living = shared_from_this();
        close_stdin();
        tell(events_.on_stalled);
    }

    IoLimits limits_;
    IoEvents events_;
    asio::posix::stream_descriptor stdin_;
    Output stdout_;
    std::optional<Output> stderr_;
    Alarm stall_;
    Timer finish_timer_;
    WriteQueue queue_;
    bool stdin_open_ = true;
    bool closing_stdin_ = false;
    bool write_comes_ = false;
    bool widened_ = false;
    bool closed_ = false;
    std::function<void()> done_;
};

ChildIo::ChildIo(const asio::any_io_executor& executor, UniqueFd stdin_fd, UniqueFd stdout_fd,
                 UniqueFd stderr_fd, const IoLimits& limits, IoEvents events)
    : impl_(std::make_shared<Impl>(executor, std::move(stdin_fd), std::move(stdout_fd), std::move(stderr_fd),
                                   limits, std::move(events))) {
    impl_->start();
}

ChildIo::~ChildIo() {
    impl_->close();
}

bool ChildIo::fits(std::size_t bytes) const {
    return impl_->fits(bytes);
}
bool ChildIo::backlog() const {
    return impl_->backlog();
}
bool ChildIo::send(ipc::SharedLine line, bool job) {
    return impl_->send(std::move(line), job);
}
void ChildIo::close_stdin_after_writing() {
    impl_->close_stdin_after_writing();
}
void ChildIo::close_stdin() {
    impl_->close_stdin();
}
void ChildIo::finish(Ms limit, std::function<void()> done) {
    impl_->finish(limit, std::move(done));
}
void ChildIo::close() {
    impl_->close();
}

}  // namespace emprops::process
