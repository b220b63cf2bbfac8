#include "supervisor/base/http_probe.h"

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "ipc/web/proxy.h"
#include "ipc/web/transfer.h"
#include "ipc/web/url.h"

namespace emprops {
namespace {

constexpr std::size_t max_body_bytes = 64 * 1024;

/// As for the Hub; "" is none, whatever else libcurl would read in the environment.
std::string proxy_for(const std::string& url) {
    const auto parts = web::Url::parse(url);
    if (!parts) return {};
    const bool tls = parts->scheme == "https";
    return web::read_proxy_environment().proxy_for(tls, parts->host, parts->port.value_or(tls ? 443 : 80));
}

Result<HttpAnswer> fetch(const std::string& url, std::chrono::milliseconds timeout,
                         std::atomic<bool>& abandoned) {
    HttpAnswer answer;
    web::Transfer transfer;
    transfer.set(CURLOPT_URL, url);
    transfer.set(CURLOPT_PROXY, proxy_for(url));
    transfer.set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
    transfer.set(CURLOPT_PROTOCOLS_STR, "http,https");
    transfer.on_body([&](std::string_view bytes) {
        answer.body.append(bytes.substr(0, max_body_bytes - answer.body.size()));
        return true;
    });
    transfer.abort_when([&] { return abandoned.load(); });
    const CURLcode code = transfer.perform();
    if (code != CURLE_OK)
        return Error{"unreachable", fmt::format("{} does not answer: {}", url, curl_easy_strerror(code))};
    answer.status = static_cast<int>(transfer.status());
    return answer;
}

}  // namespace

struct HttpProbe::State {
    explicit State(boost::asio::any_io_executor executor) : executor(std::move(executor)), thread(1) {}
    boost::asio::any_io_executor executor;
    boost::asio::thread_pool thread;
    std::atomic<bool> abandoned = false;
};

HttpProbe::HttpProbe(boost::asio::any_io_executor executor)
    : state_(std::make_shared<State>(std::move(executor))) {}

HttpProbe::~HttpProbe() {
    state_->abandoned = true;  // a transfer under way ends within about a second
    state_->thread.stop();
    state_->thread.join();
}

void HttpProbe::get(const std::string& url, std::chrono::milliseconds timeout,
                    std::function<void(Result<HttpAnswer>)> done) {
    const std::weak_ptr<State> weak = state_;
    State* state = state_.get();
    boost::asio::post(state_->thread, [state, weak, url, timeout, done = std::move(done)]() mutable {
        auto answer = std::make_shared<Result<HttpAnswer>>(fetch(url, timeout, state->abandoned));
        boost::asio::post(state->executor, [weak, answer, done = std::move(done)] {
            if (!weak.expired()) done(std::move(*answer));
        });
    });
}

}  // namespace emprops
