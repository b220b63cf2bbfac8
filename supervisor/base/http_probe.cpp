#include "supervisor/base/http_probe.h"

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <optional>

#include "ipc/web/proxy.h"
#include "ipc/web/transfer.h"
#include "ipc/web/url.h"
#include "supervisor/base/time.h"

namespace emprops {
namespace {

constexpr std::size_t max_body_bytes = 64 * 1024;
constexpr const char* nobody_listens = "refused";  // stays in here

/// A program that listens on the loopback of one family only is asked at that one.
struct OtherLoopback {
    std::string url;
    std::string host;
};
std::optional<OtherLoopback> other_loopback(const std::string& url) {
    const auto parts = web::Url::parse(url);
    if (!parts) return std::nullopt;
    const bool v4 = parts->host == "127.0.0.1";
    if (!v4 && parts->host != "::1") return std::nullopt;
    const std::string host = v4 ? "127.0.0.1" : "[::1]";
    OtherLoopback other{url, v4 ? "[::1]" : "127.0.0.1"};
    other.url.replace(other.url.find(host), host.size(), other.host);
    return other;
}

Result<HttpAnswer> fetch(const std::string& url, std::chrono::milliseconds timeout,
                         std::atomic<bool>& abandoned) {
    HttpAnswer answer;
    web::Transfer transfer;
    transfer.set(CURLOPT_URL, url);
    // As for the Hub; "" is none, whatever else libcurl would read in the environment.
    transfer.set(CURLOPT_PROXY, web::proxy_of_environment(url));
    transfer.set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
    transfer.set(CURLOPT_PROTOCOLS_STR, "http,https");
    transfer.on_body([&](std::string_view bytes) {
        answer.body.append(bytes.substr(0, max_body_bytes - answer.body.size()));
        return true;
    });
    transfer.abort_when([&] { return abandoned.load(); });
    const CURLcode code = transfer.perform();
    if (code == CURLE_COULDNT_CONNECT)
        return Error{nobody_listens, fmt::format("{} does not answer: {}", url, curl_easy_strerror(code))};
    if (code != CURLE_OK)
        return Error{"unreachable", fmt::format("{} does not answer: {}", url, curl_easy_strerror(code))};
    answer.status = static_cast<int>(transfer.status());
    return answer;
}

Result<HttpAnswer> fetch_somewhere(const std::string& url, std::chrono::milliseconds timeout,
                                   std::atomic<bool>& abandoned) {
    auto answer = fetch(url, timeout, abandoned);
    if (answer || answer.error().code != nobody_listens) return answer;
    if (const auto other = other_loopback(url)) {
        auto second = fetch(other->url, timeout, abandoned);
        if (second) {
            second->elsewhere = other->host;
            return second;
        }
    }
    return Error{"unreachable", answer.error().message};
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
    const auto lost = Clock::lost();
    boost::asio::post(state_->thread, [this, state, weak, url, timeout, lost,
                                       done = std::move(done)]() mutable {
        auto answer = std::make_shared<Result<HttpAnswer>>(fetch_somewhere(url, timeout, state->abandoned));
        boost::asio::post(state->executor, [this, weak, url, timeout, lost, answer, done = std::move(done)] {
            if (weak.expired()) return;
            // The timeout went on while we did not run: that says nothing of the server.
            if (!*answer && Clock::lost() != lost) return get(url, timeout, done);
            done(std::move(*answer));
        });
    });
}

}  // namespace emprops
