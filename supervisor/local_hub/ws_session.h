#pragma once
// One WebSocket of the server: frames in and out, sizes, who is too slow, how it ends. Private to server.cpp.

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ipc/hub/codec.h"
#include "ipc/hub/errors.h"
#include "supervisor/base/batch_sender.h"
#include "supervisor/base/log.h"
#include "supervisor/base/loop.h"
#include "supervisor/local_hub/gate.h"
#include "supervisor/local_hub/server_state.h"

namespace emprops::local_hub {

/// One WebSocket. Lives as long as one of its operations is pending, or the table knows it.
class WsSession : public std::enable_shared_from_this<WsSession> {
  public:
    WsSession(State state, beast::tcp_stream stream, WebSocketPath path)
        : state_(std::move(state)),
          ws_(std::move(stream)),
          sender_(ws_.next_layer(), {[this](std::size_t size) { took(size); }, [this] { write(); },
                                     // The pending read tells of the end.
                                     [this](ErrorCode) { sender_.stop(); }}),
          path_(std::move(path)) {
        ++state_->connections;
        state_->give_up[holder_] = [this](bool stalled) { give_up(stalled); };
    }
    ~WsSession() {
        --state_->connections;
        state_->incoming.release(holder_);
        state_->give_up.erase(holder_);
        state_->queued_bytes -= queued_bytes_;
    }

    void start(const http::request<http::string_body>& request, bool admitted) {
        beast::get_lowest_layer(ws_).expires_never();
        sender_.start(weak_from_this());
        websocket::stream_base::timeout limits{};
        limits.handshake_timeout = close_timeout;
        limits.idle_timeout = state_->settings.idle_timeout;
        limits.keep_alive_pings = true;
        ws_.set_option(limits);
        // read_next() checks the size. Beast's own limit would cut the connection before its 1009 can be
        // read.
        ws_.read_message_max(0);
        // Memory doubles as a message grows, but not beyond what is read of the largest one.
        buffer_.max_size(state_->settings.max_message_bytes + read_at_once);
        ws_.auto_fragment(false);  // one message, one frame: limits of the peers count frames
        ws_.text(true);
        // Beast copies what it needs of the request before this returns.
        ws_.async_accept(request, [self = shared_from_this(), admitted](ErrorCode error) {
            if (error || self->state_->stopped) return self->cut();
            self->accepted(admitted);
        });
    }

    void send(std::vector<std::string> frames) {
        if (closing_ || gone_) return;
        std::uint64_t size = 0;
        for (auto& frame : frames) {
            size += frame.size();
            outgoing_.push_back({std::move(frame), std::nullopt});
        }
        queued_bytes_ += size;
        state_->queued_bytes += size;
        largest_ = std::max(largest_, size);
        if (queued_bytes_ > state_->settings.max_queue_bytes + largest_) return drop_unread();
        write_soon();
        if (state_->queued_bytes > state_->settings.max_total_queue_bytes) state_->drop_the_slowest();
    }

    std::uint64_t queued_bytes() const { return gone_ ? 0 : queued_bytes_; }

    void drop_unread() {
        logger("local_hub")
            ->warn("{} does not read what it is sent ({} MiB wait): its connection is dropped", name(),
                   queued_bytes_ >> 20);
        report(false);
        cut();
        for (const auto& frame : std::exchange(outgoing_, {})) {
            queued_bytes_ -= frame.text.size();
            state_->queued_bytes -= frame.text.size();
        }
    }

    /// `silent`: no event follows.
    void close(std::uint16_t code, const std::string& reason, bool silent) {
        if (silent) reported_ = true;
        if (closing_ || gone_) return;
        closing_ = true;
        websocket::close_reason why(static_cast<websocket::close_code>(code));
        why.reason = reason.substr(0, 120);
        outgoing_.push_back({{}, why});
        write_soon();
    }

    void cut() {
        gone_ = true;
        sender_.stop();
        beast::get_lowest_layer(ws_).close();
    }

  private:
    static constexpr std::size_t read_at_once = 256 * 1024;
    static constexpr std::size_t write_at_once = 256 * 1024;

    struct Outgoing {
        std::string text;
        std::optional<websocket::close_reason> close;
    };

    std::string name() const {
        const auto* kind = path_.role == Role::worker   ? "Worker"
                           : path_.role == Role::client ? "Client"
                                                        : "Monitor";
        return fmt::format("{} {}", kind, path_.id);
    }

    void accepted(bool admitted) {
        if (!admitted) {
            // The Hub's way to say it: 101, one error without a timestamp, close 1000.
            logger("local_hub")->warn("{} was refused: wrong token", name());
            send({hub::encode_error(hub::bad_token_text)});
            close(1000, "", true);
        } else {
            id_ = ++state_->last_id;
            state_->sessions[id_] = shared_from_this();
            state_->events.on_open(id_, path_.role, path_.id);
        }
        read_next();
    }

    void read_next() {
        ws_.async_read_some(buffer_, read_at_once, [self = shared_from_this()](ErrorCode error, std::size_t) {
            if (error) return self->ended(error);
            if (self->buffer_.size() > self->state_->settings.max_message_bytes) return self->too_large();
            if (self->ws_.is_message_done()) {
                self->state_->incoming.release(self->holder_);
                self->received();
            } else if (!self->state_->takes(self->holder_, self->buffer_.size())) {
                return;
            } else if (!self->reported_) {
                self->state_->events.on_part(self->id_);
            }
            if (!self->gone_) self->read_next();
        });
    }

    void received() {
        if (ws_.got_binary() && !reported_) {
            report(false);
            close(1000, fmt::format("{} disconnected", name()), true);
        }
        if (!reported_) {
            const auto data = buffer_.cdata();
            state_->events.on_text(id_, {static_cast<const char*>(data.data()), data.size()});
        }
        buffer_.consume(buffer_.size());
        if (buffer_.capacity() > (std::size_t{1} << 20)) buffer_.shrink_to_fit();
    }

    /// Too much is arriving at once. A stalled one has a read pending, whose memory only its end frees.
    void give_up(bool stalled) {
        logger("local_hub")
            ->warn(
                "{} is dropped in the middle of a message of at least {} MiB: all that is arriving is more "
                "than {} MiB{}",
                name(), buffer_.size() >> 20, state_->settings.max_incoming_bytes() >> 20,
                stalled ? ", and it sends nothing more" : "");
        report(false);
        if (stalled) return cut();
        buffer_ = beast::flat_buffer();
        close(1013, "too much is arriving, try again later", true);
    }

    /// The close reads and forgets the rest of the message, so that a peer that still writes gets our reason.
    void too_large() {
        logger("local_hub")
            ->warn("{} sent a message above {} bytes (local_hub.max_message_bytes)", name(),
                   state_->settings.max_message_bytes);
        report(false);
        close(1009, "message too big", true);
    }

    void ended(ErrorCode error) {
        const bool said_goodbye = error == websocket::error::closed && !closing_;
        const auto code = ws_.reason().code;
        if (error == websocket::error::message_too_big) {
            logger("local_hub")
                ->warn("{} sent a message above {} MiB (local_hub.max_message_bytes)", name(),
                       state_->settings.max_message_bytes >> 20);
        }
        report(said_goodbye && (code == 1000 || code == 1001));
        gone_ = true;
        if (!closing_) sender_.stop();
    }

    void report(bool politely) {
        state_->forget(id_);
        if (std::exchange(reported_, true) || id_ == 0 || state_->stopped) return;
        state_->events.on_close(id_, politely);
    }

    /// Behind what runs now: what is sent until then leaves together.
    void write_soon() {
        if (gone_ || std::exchange(write_comes_, true)) return;
        later(ws_.get_executor(), [self = shared_from_this()] {
            self->write_comes_ = false;
            self->write();
        });
    }

    /// As long as the socket takes it; goes on when it has taken the rest.
    void write() {
        while (!gone_ && !sender_.busy() && !outgoing_.empty()) {
            while (!outgoing_.empty() && ws_.next_layer().waiting_bytes() < write_at_once) {
                auto& next = outgoing_.front();
                if (next.close) return close_now();
                ErrorCode error;
                ws_.write(asio::buffer(next.text), error);
                if (error) return;  // the pending read tells of the end
                sender_.wrote_frames(next.text.size());
                outgoing_.pop_front();
            }
            sender_.flush();
        }
    }

    void close_now() {
        const auto why = *outgoing_.front().close;
        outgoing_.clear();
        ws_.async_close(why, [self = shared_from_this()](ErrorCode) {
            self->state_->forget(self->id_);  // the pending read ends by itself
        });
    }

    void took(std::size_t size) {
        queued_bytes_ -= size;
        state_->queued_bytes -= size;
    }

    State state_;
    using Stream = BatchStream<beast::tcp_stream>;
    websocket::stream<Stream> ws_;
    BatchSender<Stream> sender_;
    WebSocketPath path_;
    ConnectionId id_ = 0;  // 0: not admitted
    const IncomingBudget::Holder holder_ = ++state_->last_holder;
    beast::flat_buffer buffer_;
    std::deque<Outgoing> outgoing_;
    std::uint64_t queued_bytes_ = 0;  // not taken by the socket
    std::uint64_t largest_ = 0;
    bool write_comes_ = false;
    bool closing_ = false;   // a close frame is sent or waits to be
    bool gone_ = false;      // the socket is of no use any more
    bool reported_ = false;  // nothing is reported to the core (any more)
};

}  // namespace emprops::local_hub
