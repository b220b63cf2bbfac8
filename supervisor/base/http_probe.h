#pragma once
// Small HTTP GETs beside the event loop: is there a drain notice, does a companion service answer? Done by
// libcurl on one thread of its own (a slow server stops nobody); answers come back to the executor. Owned by
// whoever asks; destroying it drops what is not answered yet.

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "ipc/result.h"

namespace emprops {

struct HttpAnswer {
    int status = 0;
    std::string body;  ///< at most 64 KiB of it
    /// Not empty: nobody listens at the asked loopback address, but at this one of the other family ("[::1]").
    std::string elsewhere;
};

class HttpProbe {
  public:
    explicit HttpProbe(boost::asio::any_io_executor executor);
    ~HttpProbe();
    HttpProbe(const HttpProbe&) = delete;
    HttpProbe& operator=(const HttpProbe&) = delete;

    /// `done` is called once, from the executor. Error "unreachable": no answer within the timeout; the
    /// sentence says why. A question in whose time we did not run is asked again.
    void get(const std::string& url, std::chrono::milliseconds timeout,
             std::function<void(Result<HttpAnswer>)> done);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace emprops
