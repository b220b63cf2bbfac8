#pragma once
// Cloud machines that will be taken away say so by a file that appears or a URL that begins to answer 200:
// looks for both every few seconds and tells it once. Owned by the worker; event loop thread.

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "config/settings.h"
#include "supervisor/base/http_probe.h"
#include "supervisor/base/lifetime.h"
#include "supervisor/base/timer.h"

namespace emprops {

class DrainNotice {
  public:
    /// `notice`: the file or the URL that said so.
    using OnNotice = std::function<void(const std::string& notice)>;

    /// Begins to look after the first interval, unless neither a file nor a URL is configured.
    DrainNotice(boost::asio::any_io_executor executor, const config::WorkerSettings& settings,
                OnNotice on_notice);

  private:
    void wait();
    void look();

    std::filesystem::path file_;
    std::string url_;
    config::Duration interval_;
    OnNotice on_notice_;
    Timer timer_;
    std::unique_ptr<HttpProbe> probe_;  ///< if there is a URL: it has a thread
    Lifetime lifetime_;
};

}  // namespace emprops
