#include "tests/support/hub_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "ipc/json_text.h"
#include "ipc/web/digest.h"

namespace emprops::test {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using Json = nlohmann::json;
using Socket = beast::tcp_stream;
using ErrorCode = boost::system::error_code;

const char* path_of(HubRole role) {
    switch (role) {
        case HubRole::worker:
            return "worker";
        case HubRole::client:
            return "client";
        case HubRole::monitor:
            return "monitor";
    }
    return "";
}

std::string percent_encoded(std::string_view text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~') {
            out += c;
        } else {
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
    return out;
}

tcp::endpoint loopback(std::uint16_t port) {
    return {asio::ip::address_v4::loopback(), port};
}

std::string shortened(const Json& message) {
    auto text = ipc::dump(message);
    if (text.size() > 300) text = text.substr(0, 300) + "...";
    return text;
}

HttpAnswer http_call(std::uint16_t port, http::request<http::string_body> request, Deadline deadline) {
    asio::io_context io;
    beast::tcp_stream stream(io);
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(std::uint64_t{256} << 20);
    std::string failure;
    bool done = false;
    const auto check = [&](ErrorCode error, const char* step) {
        if (error) failure = std::string(step) + ": " + error.message();
        return !error;
    };
    request.set(http::field::host, "127.0.0.1:" + std::to_string(port));
    request.prepare_payload();
    stream.expires_after(deadline);
    stream.async_connect(loopback(port), [&](ErrorCode error) {
        if (!check(error, "connect")) return;
        http::async_write(stream, request, [&](ErrorCode write_error, std::size_t) {
            if (!check(write_error, "write")) return;
            http::async_read(stream, buffer, parser,
                             [&](ErrorCode read_error, std::size_t) { done = check(read_error, "read"); });
        });
    });
    io.run();
    if (!done) throw std::runtime_error("HTTP " + std::string(request.target()) + " failed at " + failure);
    const auto& response = parser.get();
    return {static_cast<unsigned>(response.result_int()), response.body()};
}

}  // namespace

struct HubClient::Impl {
    struct Incoming {
        Json json;
        std::string text;
    };

    asio::io_context io;
    websocket::stream<Socket> ws{io};
    std::string name;
    HubClientOptions options;
    beast::flat_buffer buffer;
    std::deque<std::pair<bool, std::string>> outgoing;  // {binary, text}; loop thread only
    std::map<std::string, std::map<int, std::string>> chunks;
    std::thread thread;

    mutable std::mutex mutex;  // guards what follows
    std::condition_variable changed;
    std::deque<Incoming> inbox;
    std::vector<Json> all;
    std::optional<HubClosed> closed;
    std::string failure;
    std::string last_text;

    void connect(std::uint16_t port, const std::string& target) {
        // The handshake is driven here, before the thread exists, so that its failure is thrown to the test.
        bool connected = false;
        std::string step_failure = "timed out";
        beast::get_lowest_layer(ws).expires_after(options.connect_deadline);
        ws.read_message_max(std::size_t{512} << 20);
        ws.auto_fragment(false);  // the Hub's limits count frames: one message, one frame
        ws.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
            for (const auto& [key, value] : options.headers)
                request.set(key, value);
        }));
        beast::get_lowest_layer(ws).async_connect(loopback(port), [&](ErrorCode error) {
            if (error) {
                step_failure = "connect: " + error.message();
                return;
            }
            ws.async_handshake("127.0.0.1:" + std::to_string(port), target, [&](ErrorCode refused) {
                connected = !refused;
                if (refused) step_failure = "handshake: " + refused.message();
            });
        });
        io.run();
        if (!connected) throw std::runtime_error(name + " cannot connect: " + step_failure);
        beast::get_lowest_layer(ws).expires_never();
        io.restart();
        if (options.read) read_next();
        thread = std::thread([this] {
            const auto work = asio::make_work_guard(io);
            io.run();
        });
    }

    void read_next() {
        ws.async_read(buffer, [this](ErrorCode error, std::size_t) {
            if (error) {
                HubClosed end{1006, error.message()};
                if (error == websocket::error::closed) {
                    end = {static_cast<std::uint16_t>(ws.reason().code), ws.reason().reason.c_str()};
                }
                const std::lock_guard lock(mutex);
                closed = end;
                changed.notify_all();
                return;
            }
            take(beast::buffers_to_string(buffer.data()));
            buffer.consume(buffer.size());
            read_next();
        });
    }

    void take(std::string text) {
        auto json = Json::parse(text, nullptr, false);
        if (options.assemble_chunks && json.is_object() && json.value("type", "") == "chunked_message") {
            auto whole = join(json);
            if (!whole) return;
            text = std::move(*whole);
            json = Json::parse(text, nullptr, false);
        }
        const std::lock_guard lock(mutex);
        if (json.is_discarded()) failure = "received text that is not JSON: " + text.substr(0, 200);
        all.push_back(json);
        inbox.push_back({std::move(json), std::move(text)});
        changed.notify_all();
    }

    std::optional<std::string> join(const Json& chunk) {
        const auto message_id = chunk.at("message_id").get<std::string>();
        auto& parts = chunks[message_id];
        parts[chunk.at("chunk_id").get<int>()] = chunk.at("content").get<std::string>();
        if (parts.size() != chunk.at("total_chunks").get<std::size_t>()) return std::nullopt;
        std::string whole;
        for (auto& [number, part] : parts)
            whole += part;
        chunks.erase(message_id);
        if (md5_hex(whole) != chunk.at("message_hash").get<std::string>()) {
            const std::lock_guard lock(mutex);
            failure = "the hash of chunked message " + message_id + " is wrong";
            changed.notify_all();
            return std::nullopt;
        }
        return whole;
    }

    void post_message(bool binary, std::string text) {
        asio::post(io, [this, binary, text = std::move(text)]() mutable {
            outgoing.emplace_back(binary, std::move(text));
            if (outgoing.size() == 1) write_next();
        });
    }

    void write_next() {
        ws.binary(outgoing.front().first);
        ws.async_write(asio::buffer(outgoing.front().second), [this](ErrorCode error, std::size_t) {
            if (error) {
                outgoing.clear();  // the reader learns of the end and says so
                return;
            }
            outgoing.pop_front();
            if (!outgoing.empty()) write_next();
        });
    }

    std::string seen_so_far() const {  // mutex held
        std::string text = "; seen:";
        const auto first = all.size() > 30 ? all.size() - 30 : 0;
        for (auto i = first; i < all.size(); ++i)
            text += "\n  " + shortened(all[i]);
        if (closed) {
            text += "\n  closed " + std::to_string(closed->code) + " " + closed->reason;
        }
        return text;
    }

    std::optional<Incoming> wait_for(const Predicate& fits, Deadline deadline) {
        std::unique_lock lock(mutex);
        const auto until = std::chrono::steady_clock::now() + deadline;
        std::size_t looked_at = 0;
        while (true) {
            if (!failure.empty()) throw std::runtime_error(name + " " + failure);
            for (; looked_at < inbox.size(); ++looked_at) {
                if (!fits(inbox[looked_at].json)) continue;
                auto found = std::move(inbox[looked_at]);
                inbox.erase(inbox.begin() + static_cast<std::ptrdiff_t>(looked_at));
                return found;
            }
            if (closed) return std::nullopt;
            if (changed.wait_until(lock, until) == std::cv_status::timeout) return std::nullopt;
        }
    }

    template <class Action>
    void on_loop(Action action) {
        asio::post(io, std::move(action));
    }

    void cut() {
        ErrorCode ignored;
        beast::get_lowest_layer(ws).socket().close(ignored);
    }

    ~Impl() {
        if (!thread.joinable()) return;
        on_loop([this] {
            cut();
            io.stop();
        });
        thread.join();
    }
};

HubClient::HubClient(std::uint16_t port, HubRole role, const std::string& id, HubClientOptions options)
    : impl_(std::make_unique<Impl>()) {
    impl_->name = std::string(path_of(role)) + " " + id;
    impl_->options = std::move(options);
    auto target = "/ws/" + std::string(path_of(role)) + "/" + percent_encoded(id);
    if (!impl_->options.token.empty()) target += "?token=" + percent_encoded(impl_->options.token);
    impl_->connect(port, target);
}

HubClient::~HubClient() = default;
HubClient::HubClient(HubClient&&) noexcept = default;

void HubClient::send(const Json& message) {
    impl_->post_message(false, message.dump());
}

void HubClient::send_text(std::string text) {
    impl_->post_message(false, std::move(text));
}

void HubClient::send_binary(std::string bytes) {
    impl_->post_message(true, std::move(bytes));
}

HubClient::Json HubClient::receive(const Predicate& fits, Deadline deadline) {
    auto found = impl_->wait_for(fits, deadline);
    if (!found) {
        const std::lock_guard lock(impl_->mutex);
        throw std::runtime_error(impl_->name + " did not receive the expected message within " +
                                 std::to_string(deadline.count()) + " ms" + impl_->seen_so_far());
    }
    impl_->last_text = std::move(found->text);
    return std::move(found->json);
}

HubClient::Json HubClient::receive(std::string_view type, std::string_view job_id, Deadline deadline) {
    const auto fits = [&](const Json& message) {
        return message.is_object() && message.value("type", "") == type &&
               (job_id.empty() || message.value("job_id", "") == job_id);
    };
    try {
        return receive(fits, deadline);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error("waiting for " + std::string(type) + " " + std::string(job_id) + ": " +
                                 error.what());
    }
}

const std::string& HubClient::last_text() const {
    return impl_->last_text;
}

bool HubClient::nothing(const Predicate& fits, Deadline quiet) {
    return !impl_->wait_for(fits, quiet);
}

std::vector<HubClient::Json> HubClient::seen() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->all;
}

HubClosed HubClient::wait_closed(Deadline deadline) {
    std::unique_lock lock(impl_->mutex);
    if (!impl_->changed.wait_for(lock, deadline, [this] { return impl_->closed.has_value(); })) {
        throw std::runtime_error(impl_->name + " was not closed within " + std::to_string(deadline.count()) +
                                 " ms" + impl_->seen_so_far());
    }
    return *impl_->closed;
}

bool HubClient::closed() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->closed.has_value();
}

void HubClient::close(std::uint16_t code, std::string_view reason) {
    impl_->on_loop([impl = impl_.get(), code, reason = std::string(reason)] {
        const websocket::close_reason why(static_cast<websocket::close_code>(code), reason);
        impl->ws.async_close(why, [](ErrorCode) {});  // the pending read reports the end
    });
    wait_closed();
}

void HubClient::drop() {
    impl_->on_loop([impl = impl_.get()] { impl->cut(); });
    if (impl_->options.read) wait_closed();
}

HubClient HubClient::worker(std::uint16_t port, const std::string& id,
                            const std::vector<std::string>& job_types, const std::string& status,
                            HubClientOptions options) {
    HubClient client(port, HubRole::worker, id, std::move(options));
    client.send({{"type", "register_worker"},
                 {"worker_id", id},
                 {"capabilities", {{"version", "1.0.0"}, {"supported_job_types", job_types}}},
                 {"subscribe_to_jobs", true},
                 {"status", status}});
    client.receive("worker_registered");
    return client;
}

unsigned websocket_handshake_status(std::uint16_t port, const std::string& target,
                                    const std::map<std::string, std::string>& headers) {
    asio::io_context io;
    websocket::stream<Socket> ws(io);
    websocket::response_type response;
    beast::get_lowest_layer(ws).connect(loopback(port));
    ws.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
        for (const auto& [key, value] : headers)
            request.set(key, value);
    }));
    ErrorCode error;
    ws.handshake(response, "127.0.0.1:" + std::to_string(port), target, error);
    return response.result_int();
}

nlohmann::json HttpAnswer::json() const {
    return nlohmann::json::parse(body, nullptr, false);
}

HttpAnswer http_get(std::uint16_t port, const std::string& target,
                    const std::map<std::string, std::string>& headers, Deadline deadline) {
    http::request<http::string_body> request(http::verb::get, target, 11);
    for (const auto& [key, value] : headers)
        request.set(key, value);
    return http_call(port, std::move(request), deadline);
}

HttpAnswer http_post(std::uint16_t port, const std::string& target, const std::string& body,
                     const std::map<std::string, std::string>& headers, Deadline deadline) {
    http::request<http::string_body> request(http::verb::post, target, 11);
    request.set(http::field::content_type, "application/json");
    for (const auto& [key, value] : headers)
        request.set(key, value);
    request.body() = body;
    return http_call(port, std::move(request), deadline);
}

}  // namespace emprops::test
