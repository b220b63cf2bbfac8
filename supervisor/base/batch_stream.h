#pragma once
// A layer between a WebSocket and its socket (or TLS): what is written stays in memory until it is taken away, so that
// the frames of one turn leave in one write, whoever wrote them (the pongs, pings and the close frame that Beast sends
// by itself are among them). Small reads are answered from what was read ahead: many frames cost one call. Owned by the
// connection; event loop thread only.
//
// An asynchronous write is complete when its bytes have gone below: so Beast reads no further while a pong waits, and
// ends no TLS before its close frame has left. A synchronous one only stores, never blocks and never fails. Both may be
// mixed (Beast does not promise that, and does nothing against it): each frame is whole in memory after one call.

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "supervisor/base/loop.h"

namespace emprops {

template <class Next>
class BatchStream {
  public:
    using next_layer_type = Next;
    using executor_type = typename Next::executor_type;
    using error_code = boost::system::error_code;

    template <class... Args>
    explicit BatchStream(Args&&... args) : next_(std::forward<Args>(args)...) {}

    executor_type get_executor() noexcept { return next_.get_executor(); }
    Next& next_layer() noexcept { return next_; }
    const Next& next_layer() const noexcept { return next_; }

    /// Called when something was written that nobody but us knows of: it is to be taken away soon.
    void on_written(std::function<void()> tell) { tell_ = std::move(tell); }
    std::size_t waiting_bytes() const { return waiting_.size(); }
    /// Into an empty string, whose memory serves again; in the order in which it was written.
    void take(std::string& into) { into.swap(waiting_); }
    /// Of what was taken so many bytes more have gone below.
    void gone(std::size_t bytes) {
        gone_ += bytes;
        while (!writes_.empty() && writes_.front().end <= gone_)
            complete({});
    }
    /// Nothing more will go below.
    void abandon() {
        while (!writes_.empty())
            complete(boost::asio::error::operation_aborted);
    }

    template <class Buffers>
    std::size_t write_some(const Buffers& buffers, error_code& error) {
        const std::size_t before = waiting_.size();
        const std::size_t size = boost::asio::buffer_size(buffers);
        waiting_.resize(before + size);
        boost::asio::buffer_copy(boost::asio::buffer(waiting_.data() + before, size), buffers);
        written_ += size;
        error = {};
        return size;
    }
    template <class Buffers>
    std::size_t write_some(const Buffers& buffers) {
        error_code never;
        return write_some(buffers, never);
    }
    template <class Buffers, class Handler>
    auto async_write_some(const Buffers& buffers, Handler&& handler) {
        return boost::asio::async_initiate<Handler, void(error_code, std::size_t)>(
            [this](auto done, const Buffers& what) {
                const std::size_t size = write_some(what);
                const auto kept = std::make_shared<decltype(done)>(std::move(done));
                writes_.push_back({written_, [this, kept, size](const error_code& error) {
                                       boost::asio::post(next_.get_executor(), [kept, size, error] {
                                           std::move (*kept)(error, error ? 0 : size);
                                       });
                                   }});
                if (tell_) tell_();
            },
            handler, buffers);
    }
    template <class Buffers, class Handler>
    auto async_read_some(const Buffers& buffers, Handler&& handler) {
        return boost::asio::async_initiate<Handler, void(error_code, std::size_t)>(
            [this](auto done, const Buffers& into) {
                using Done = decltype(done);
                if (has_ahead()) {
                    const auto kept = std::make_shared<Done>(std::move(done));
                    const std::size_t size = take_ahead(into);
                    return later(next_.get_executor(),
                                 [kept, size] { std::move (*kept)(error_code(), size); });
                }
                if (boost::asio::buffer_size(into) >= ahead_bytes)  // of a large frame: not to be copied
                    return void(next_.async_read_some(into, std::move(done)));
                ahead_.resize(ahead_bytes);
                next_.async_read_some(
                    boost::asio::buffer(ahead_),
                    [this, into, done = std::move(done)](error_code error, std::size_t size) mutable {
                        ahead_at_ = 0;
                        ahead_end_ = size;
                        const std::size_t given = take_ahead(into);
                        std::move(done)(error, given);
                    });
            },
            handler, buffers);
    }
    template <class Buffers>
    std::size_t read_some(const Buffers& buffers, error_code& error) {
        if (!has_ahead()) return next_.read_some(buffers, error);
        error = {};
        return take_ahead(buffers);
    }
    template <class Buffers>
    std::size_t read_some(const Buffers& buffers) {
        return has_ahead() ? take_ahead(buffers) : next_.read_some(buffers);
    }

  private:
    /// What is read at once where less was asked for.
    static constexpr std::size_t ahead_bytes = 16 * 1024;

    bool has_ahead() const { return ahead_at_ < ahead_end_; }
    template <class Buffers>
    std::size_t take_ahead(const Buffers& into) {
        const std::size_t taken = boost::asio::buffer_copy(
            into, boost::asio::buffer(ahead_.data() + ahead_at_, ahead_end_ - ahead_at_));
        ahead_at_ += taken;
        return taken;
    }

    struct Write {
        std::uint64_t end = 0;  ///< written_ behind it
        std::function<void(const error_code&)> done;
    };
    void complete(const error_code& error) {
        const auto done = std::move(writes_.front().done);
        writes_.pop_front();
        done(error);
    }

    Next next_;
    std::string waiting_;
    std::function<void()> tell_;
    std::deque<Write> writes_;
    std::uint64_t written_ = 0, gone_ = 0;  ///< bytes since the beginning
    std::string ahead_;                     ///< read, with what was not asked for yet:
    std::size_t ahead_at_ = 0, ahead_end_ = 0;
};

// How a WebSocket on this stream ends: as on the next one. Beast finds these by their names.
template <class Next>
void teardown(boost::beast::role_type role, BatchStream<Next>& stream, boost::system::error_code& error) {
    using boost::beast::websocket::teardown;
    teardown(role, stream.next_layer(), error);
}
template <class Next, class Handler>
void async_teardown(boost::beast::role_type role, BatchStream<Next>& stream, Handler&& handler) {
    using boost::beast::websocket::async_teardown;
    async_teardown(role, stream.next_layer(), std::forward<Handler>(handler));
}

}  // namespace emprops
