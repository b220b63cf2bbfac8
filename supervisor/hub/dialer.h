#pragma once
// A TCP connection to the Hub, or through a proxy's tunnel to it: of every address that its name has the
// first that answers. One attempt per object, kept alive by its pending operations. Event loop thread only.

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/hub/address_race.h"
#include "supervisor/hub/url.h"

namespace emprops::hub {

class Dialer : public std::enable_shared_from_this<Dialer> {
  public:
    /// `failure`: a sentence for a person; empty: the stream is connected. Not called after stop(), nor from
    /// inside start().
    using Done = std::function<void(std::string failure)>;

    /// `timeout` is shared by all addresses. Until `done` or stop() the stream must live.
    Dialer(boost::beast::tcp_stream& stream, Target target, std::optional<Proxy> proxy, Ms timeout);
    void start(Done done);
    void stop();

  private:
    using ErrorCode = boost::beast::error_code;
    using Results = boost::asio::ip::tcp::resolver::results_type;

    const std::string& host() const { return proxy_ ? proxy_->host : target_.host; }
    std::uint16_t port() const { return proxy_ ? proxy_->port : target_.port; }
    void end(std::string failure = {});
    void on_resolved(const ErrorCode& error, const Results& found);
    void on_connected(boost::asio::ip::tcp::socket winner, const std::string& failure);
    void ask_proxy();
    void read_proxy_answer();

    boost::beast::tcp_stream& stream_;
    Target target_;
    std::optional<Proxy> proxy_;
    Ms timeout_;
    Done done_;  ///< not set: nobody waits any more
    boost::asio::ip::tcp::resolver resolver_;
    std::vector<boost::asio::ip::tcp::endpoint> addresses_;
    std::shared_ptr<AddressRace> race_;
    std::string step_;  ///< what fails if the next thing fails
    boost::beast::flat_buffer buffer_;
    boost::beast::http::request<boost::beast::http::empty_body> request_;
    std::optional<boost::beast::http::response_parser<boost::beast::http::empty_body>> answer_;
};

}  // namespace emprops::hub
