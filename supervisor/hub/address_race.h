#pragma once
// A TCP connection to the first of several addresses of one name that answers (RFC 8305): one that is silent costs
// 250 ms, after which the next is tried beside it; one that refuses costs nothing. The first connection wins, the
// others are closed. One attempt per object, kept alive by its pending operations. Event loop thread only.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/base/timer.h"

namespace emprops::hub {

/// In the order in which they are tried: that of the resolver, but of each family in turn.
std::vector<boost::asio::ip::tcp::endpoint> in_turn(
    const std::vector<boost::asio::ip::tcp::endpoint>& addresses);

class AddressRace : public std::enable_shared_from_this<AddressRace> {
  public:
    using Socket = boost::asio::ip::tcp::socket;
    using Endpoint = boost::asio::ip::tcp::endpoint;
    /// `failure` is empty if there is a `winner`, else what became of each address. Not called after stop(), nor from
    /// inside start().
    using Done = std::function<void(Socket winner, std::string failure)>;

    static constexpr Ms head_start{250};

    /// `limit`: for all of them together.
    AddressRace(boost::asio::any_io_executor executor, const std::vector<Endpoint>& addresses, Ms limit);
    void start(Done done);
    void stop();

  private:
    struct Attempt {
        Endpoint address;
        Socket socket;
        boost::system::error_code error;
        bool failed = false;
    };

    void try_next();
    void on_answer(std::size_t index, const boost::system::error_code& error);
    void end(Socket winner, std::string failure);
    std::string failures() const;

    boost::asio::any_io_executor executor_;
    std::vector<Attempt> attempts_;
    std::size_t tried_ = 0;
    std::size_t failed_ = 0;
    Ms limit_;
    Timer next_;
    Timer deadline_;
    Done done_;  ///< not set: nobody waits any more
};

}  // namespace emprops::hub
