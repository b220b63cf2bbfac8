#pragma once
// A layer between a WebSocket and its socket (or TLS): what is written stays in memory until it is taken away, so that the
// frames of one turn leave in one write, whoever wrote them (the pongs, pings and the close frame that Beast sends by itself
// are among them). Writing never blocks and never fails here; reading goes straight through. Owned by the connection; event
// loop thread only.

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

namespace emprops::hub {

template <class Next>
class BatchStream {
  public:
    using next_layer_type = Next;
    using executor_type = typename Next::executor_type;

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

    template <class Buffers>
    std::size_t write_some(const Buffers& buffers, boost::system::error_code& error) {
        const std::size_t before = waiting_.size();
        const std::size_t size = boost::asio::buffer_size(buffers);
        waiting_.resize(before + size);
        boost::asio::buffer_copy(boost::asio::buffer(waiting_.data() + before, size), buffers);
        error = {};
        return size;
    }
    template <class Buffers>
    std::size_t write_some(const Buffers& buffers) {
        boost::system::error_code never;
        return write_some(buffers, never);
    }
    template <class Buffers, class Handler>
    auto async_write_some(const Buffers& buffers, Handler&& handler) {
        return boost::asio::async_initiate<Handler, void(boost::system::error_code, std::size_t)>(
            [this](auto done, const Buffers& what) {
                const std::size_t size = write_some(what);
                boost::asio::post(next_.get_executor(), [done = std::move(done), size]() mutable {
                    std::move(done)(boost::system::error_code(), size);
                });
                if (tell_) tell_();
            },
            handler, buffers);
    }
    template <class Buffers, class Handler>
    auto async_read_some(const Buffers& buffers, Handler&& handler) {
        return next_.async_read_some(buffers, std::forward<Handler>(handler));
    }
    template <class Buffers>
    std::size_t read_some(const Buffers& buffers, boost::system::error_code& error) {
        return next_.read_some(buffers, error);
    }
    template <class Buffers>
    std::size_t read_some(const Buffers& buffers) {
        return next_.read_some(buffers);
    }

  private:
    Next next_;
    std::string waiting_;
    std::function<void()> tell_;
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

}  // namespace emprops::hub
