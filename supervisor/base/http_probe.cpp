#include "supervisor/base/http_probe.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdlib>

namespace emprops {
namespace {

constexpr std::size_t max_body_bytes = 64 * 1024;

std::size_t keep_some(char* data, std::size_t size, std::size_t count, void* target) {
    auto& body = *static_cast<std::string*>(target);
    body.append(data, std::min(size * count, max_body_bytes - std::min(body.size(), max_body_bytes)));
    return size * count;
}

int stop_when_abandoned(void* flag, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<std::atomic<bool>*>(flag)->load() ? 1 : 0;
}

/// Nobody reaches our own loopback address through a proxy; what the environment names is left out as well.
std::string without_proxy() {
    std::string hosts = "localhost,127.0.0.1,::1";
    for (const char* name : {"no_proxy", "NO_PROXY"}) {
        if (const char* more = std::getenv(name)) hosts += std::string(",") + more;
    }
    return hosts;
}

Result<HttpAnswer> fetch(const std::string& url, std::chrono::milliseconds timeout,
                         std::atomic<bool>& abandoned) {
    CURL* handle = curl_easy_init();
    HttpAnswer answer;
    curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle, CURLOPT_NOPROXY, without_proxy().c_str());
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, keep_some);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer.body);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, stop_when_abandoned);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &abandoned);
    const CURLcode code = curl_easy_perform(handle);
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(handle);
    if (code != CURLE_OK)
        return Error{"unreachable", fmt::format("{} does not answer: {}", url, curl_easy_strerror(code))};
    answer.status = static_cast<int>(status);
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
