#pragma once
// Gives the kernel what waits in a BatchStream: all of it in one call, and what it does not take at once as soon as
// it does. Counts the bytes of frames apart: what Beast writes by itself (a ping, say) tells nothing of the other side
// when it is taken. Owned by the connection; event loop thread only.

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "supervisor/base/batch_stream.h"

namespace emprops {

/// `Stream` is a BatchStream over a boost::beast::tcp_stream or over TLS on one.
template <class Stream>
class BatchSender {
    static constexpr bool is_plain =
        std::is_same_v<typename Stream::next_layer_type, boost::beast::tcp_stream>;

  public:
    using error_code = boost::system::error_code;
    struct Events {
        std::function<void(std::size_t)> on_taken;  ///< so many bytes of frames; also from inside flush()
        std::function<void()> on_free;              ///< what flush() could not give at once is gone
        std::function<void(const error_code&)> on_failed;
    };

    /// `stream` outlives it.
    BatchSender(Stream& stream, Events events) : stream_(stream), events_(std::move(events)) {
        stream_.on_written([this] { flush(); });
    }

    /// Before anything is written. `owner` is kept while something is on its way.
    void start(std::weak_ptr<void> owner) {
        owner_ = std::move(owner);
        error_code unknown;  // flush() must not wait
        socket().non_blocking(true, unknown);
    }
    /// What was given has not left yet: flush() does nothing, and on_free follows.
    bool busy() const { return !leaving_.empty(); }
    /// So many bytes of frames were written into the stream.
    void wrote_frames(std::size_t bytes) { batched_bytes_ += bytes; }
    /// Of frames, not taken by the kernel yet.
    std::size_t frame_bytes() const { return batched_bytes_ + leaving_bytes_; }
    void flush() {
        if (busy() || stopped_ || stream_.waiting_bytes() == 0) return;
        leaving_bytes_ = std::exchange(batched_bytes_, 0);
        stream_.take(leaving_);
        gone_ = 0;
        // Without TLS most leaves so, without a turn of the loop.
        if constexpr (is_plain) {
            error_code not_now;  // an error comes again
            took(socket().send(boost::asio::buffer(leaving_), 0, not_now));
        }
        if (busy()) push_on();
    }
    /// At once: nothing more is given or told, and nobody waits for it.
    void stop() {
        stopped_ = true;
        stream_.abandon();
    }

  private:
    static constexpr std::size_t most_kept_bytes = 1u << 20;

    auto& socket() { return boost::beast::get_lowest_layer(stream_).socket(); }

    void push_on() {
        stream_.next_layer().async_write_some(
            boost::asio::buffer(leaving_.data() + gone_, leaving_.size() - gone_),
            [this, owner = owner_.lock()](const error_code& error, std::size_t size) {
                if (stopped_) return;
                if (error) return events_.on_failed(error);
                took(size);
                if (busy()) return push_on();
                flush();
                events_.on_free();
            });
    }

    void took(std::size_t size) {
        gone_ += size;
        if (gone_ == leaving_.size()) {
            // The room that a large message took is not kept: there may be many connections.
            leaving_.clear();
            if (leaving_.capacity() > most_kept_bytes) leaving_.shrink_to_fit();
        }
        const std::size_t of_frames = std::min(size, leaving_bytes_);
        leaving_bytes_ -= of_frames;
        events_.on_taken(of_frames);
        stream_.gone(size);
    }

    Stream& stream_;
    Events events_;
    std::weak_ptr<void> owner_;
    std::string leaving_;            ///< the kernel takes it
    std::size_t gone_ = 0;           ///< of leaving_
    std::size_t batched_bytes_ = 0;  ///< of frames in the stream
    std::size_t leaving_bytes_ = 0;  ///< of frames in leaving_, not taken yet
    bool stopped_ = false;
};

}  // namespace emprops
