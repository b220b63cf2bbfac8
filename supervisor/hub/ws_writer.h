#pragma once
// What leaves through one WebSocket over a BatchStream: frames wait in a SendQueue, those of one round of the loop
// leave in one write, and the kernel holds no more than a slow line carries in a few seconds (LineMeter). Owned by
// the connection; event loop thread only. Only ws_link.cpp includes it.

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "supervisor/base/batch_sender.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/timer.h"
#include "supervisor/hub/line_meter.h"
#include "supervisor/hub/send_queue.h"

namespace emprops::hub {

/// A message leaves in fragments of this size, two at once at most, with pings and pongs in between: two thirds of a
/// second at 50 kB/s.
inline constexpr std::size_t fragment_bytes = 16 * 1024;
/// How soon the kernel is looked at again when it holds as much as it may.
inline constexpr Ms kernel_look{20};
/// In one turn of the loop; then others have theirs.
inline constexpr std::size_t write_at_once = 256 * 1024;

template <class Ws>
class WsWriter {
  public:
    using error_code = boost::system::error_code;
    /// Called from the event loop, not from inside push(), open() or close().
    struct Events {
        std::function<void(const error_code&)> on_failed;
        std::function<void()> on_all_written;  ///< after close()
    };

    /// `ws` outlives it. Before open() only what the WebSocket says by itself leaves (its handshake).
    WsWriter(Ws& ws, Ms idle_timeout, Events events)
        : ws_(ws),
          events_(std::move(events)),
          idle_timeout_(idle_timeout),
          meter_(idle_timeout, Clock::now()),
          pace_(ws.get_executor()),
          sender_(ws.next_layer(), {[this](std::size_t size) { meter_.wrote(size); }, [this] { write(); },
                                    [this](const error_code& error) { fail(error); }}) {}

    /// `owner` is kept while something is on its way.
    void start(std::weak_ptr<void> owner) {
        owner_ = owner;
        sender_.start(std::move(owner));
    }
    void open() {
        meter_ = LineMeter(idle_timeout_, Clock::now());
        open_ = true;
        write_soon();
    }
    void push(std::string frame, bool first) {
        write_soon();
        queue_.push(std::move(frame), first);
    }
    /// What is queued leaves, then on_all_written() is called.
    void close() {
        write_soon();
        closing_ = true;
    }
    /// The other side closes: no frame may follow our answer. bytes() stays.
    void end() { ended_ = true; }
    /// At once: nothing more is written or told; bytes() stays.
    void stop() {
        ended_ = true;
        pace_.cancel();
        queue_.clear();
        sender_.stop();
    }

    bool is_open() const { return open_; }
    /// Of frames, not taken by the socket yet.
    std::size_t bytes() const { return queue_.bytes() + sender_.frame_bytes(); }

    void heard() { meter_.heard(Clock::now()); }
    Liveness::Verdict verdict() {
        measure();
        return meter_.verdict(Clock::now());
    }

  private:
    auto& batch() { return ws_.next_layer(); }
    auto& socket() { return boost::beast::get_lowest_layer(ws_).socket(); }

    /// Behind all that is ready now: what is pushed until then leaves together.
    void write_soon() {
        if (!open_ || ended_ || write_comes_) return;
        at_rest(ws_.get_executor(), [this, owner = owner_.lock()] {
            write_comes_ = false;
            write();
        });
        write_comes_ = true;
    }

    /// As much as the kernel may hold, but not all in one turn; goes on when that has left.
    void write() {
        for (std::size_t given = 0; open_ && !ended_ && !sender_.busy();) {
            if (given >= write_at_once) return write_soon();
            if (!meter_.has_room()) measure();
            if (!meter_.has_room()) return write_when_there_is_room();
            while (!ended_ && batch().waiting_bytes() < fragment_bytes &&
                   (queue_.has_begun() || queue_.begin()))
                write_part();
            given += batch().waiting_bytes();
            if (batch().waiting_bytes() == 0) {
                if (std::exchange(closing_, false)) events_.on_all_written();
                return;
            }
            sender_.flush();
        }
    }

    void write_when_there_is_room() {
        pace_.expires_after(kernel_look);
        pace_.async_wait([this, owner = owner_.lock()](const error_code& error) {
            if (!error) write();
        });
    }

    void write_part() {
        const std::string_view part = queue_.part(fragment_bytes);
        error_code error;  // the WebSocket is ending
        ws_.write_some(queue_.is_last(part), boost::asio::buffer(part.data(), part.size()), error);
        if (error) return fail(error);
        queue_.took(part.size());
        sender_.wrote_frames(part.size());
    }

    void fail(const error_code& error) {
        ended_ = true;
        events_.on_failed(error);
    }

    /// Looks at what the other side has taken since.
    void measure() {
        int in_kernel = 0;  // taken from us, not confirmed
        if (::ioctl(socket().native_handle(), SIOCOUTQ, &in_kernel) != 0 || in_kernel < 0) in_kernel = 0;
        meter_.look(Clock::now(), static_cast<std::size_t>(in_kernel), bytes() > 0);
    }

    Ws& ws_;
    Events events_;
    std::weak_ptr<void> owner_;
    const Ms idle_timeout_;
    LineMeter meter_;
    Timer pace_;  ///< until the kernel has room
    SendQueue queue_;
    BatchSender<typename Ws::next_layer_type> sender_;
    bool open_ = false;
    bool write_comes_ = false;
    bool closing_ = false;
    bool ended_ = false;  ///< no frame is written any more
};

}  // namespace emprops::hub
