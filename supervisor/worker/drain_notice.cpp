#include "supervisor/worker/drain_notice.h"

#include <system_error>

#include "supervisor/base/time.h"

namespace emprops {
namespace {

/// A URL that does not answer within this counts as no notice.
constexpr Ms answer_timeout{4'000};

}  // namespace

DrainNotice::DrainNotice(boost::asio::any_io_executor executor, const config::WorkerSettings& settings,
                         OnNotice on_notice)
    : file_(settings.drain_notice_file),
      url_(settings.drain_notice_url),
      interval_(settings.drain_notice_interval),
      on_notice_(std::move(on_notice)),
      timer_(executor) {
    if (!url_.empty()) probe_ = std::make_unique<HttpProbe>(executor);
    if (!url_.empty() || !file_.empty()) wait();
}

void DrainNotice::wait() {
    timer_.expires_after(interval_);
    timer_.async_wait(lifetime_.guard([this](boost::system::error_code ec) {
        if (!ec) look();
    }));
}

void DrainNotice::look() {
    std::error_code unused;
    if (!file_.empty() && std::filesystem::exists(file_, unused)) return on_notice_(file_.string());
    if (!probe_) return wait();
    probe_->get(url_, answer_timeout, [this](Result<HttpAnswer> answer) {
        if (answer && answer->status == 200) return on_notice_(url_);
        wait();
    });
}

}  // namespace emprops
