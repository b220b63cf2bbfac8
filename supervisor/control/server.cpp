#include "supervisor/control/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <deque>
#include <map>
#include <utility>

#include "ipc/json_text.h"
#include "supervisor/base/log.h"
#include "supervisor/base/socket_file.h"
#include "supervisor/base/timer.h"
#include "supervisor/control/routes.h"

namespace emprops::control {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Socket = asio::local::stream_protocol::socket;
using boost::system::error_code;

constexpr std::size_t max_body_bytes = 64 * 1024;
constexpr std::size_t max_stream_queue_bytes = 1024 * 1024;

class Connection;

/// What the connections share with their server; outlives it only as long as a handler still runs.
struct Shared {
    Operations* operations = nullptr;  // null once the server is gone
    Server::Limits limits;
    std::uint64_t last_number = 0;
    // By the order of their coming.
    std::map<std::uint64_t, std::shared_ptr<Connection>> silent;  // no request has come
    std::map<std::uint64_t, std::shared_ptr<Connection>> served;
};

class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(Socket socket, std::shared_ptr<Shared> shared)
        : socket_(std::move(socket)),
          deadline_(socket_.get_executor()),
          shared_(std::move(shared)),
          number_(++shared_->last_number) {}

    void start() {
        shared_->silent[number_] = shared_from_this();
        parser_.body_limit(max_body_bytes);
        arm_deadline();
        http::async_read(socket_, buffer_, parser_,
                         [self = shared_from_this()](error_code ec, std::size_t) { self->on_request(ec); });
    }

    void close() {
        error_code ignored;
        socket_.close(ignored);
        deadline_.cancel();
        subscription_.reset();
        const auto self = shared_from_this();  // the last owner may be one of these
        shared_->silent.erase(number_);
        shared_->served.erase(number_);
    }

  private:
    /// What is under way must have made a step by then.
    void arm_deadline() {
        deadline_.expires_after(shared_->limits.deadline);
        deadline_.async_wait([self = shared_from_this()](error_code ec) {
            if (!ec) self->close();
        });
    }

    void on_request(error_code ec) {
        if (ec == http::error::body_limit || ec == http::error::header_limit)
            return refuse(413, "too_large",
                          fmt::format("the request is too large: a body may have {} bytes", max_body_bytes));
        if (ec || shared_->operations == nullptr) return close();
        if (shared_->served.size() >= shared_->limits.connections)
            return refuse(503, "busy",
                          fmt::format("{} control connections are open, more are not served; end some `logs "
                                      "-f` or `trace`",
                                      shared_->limits.connections));
        shared_->served[number_] = shared_from_this();
        shared_->silent.erase(number_);
        const auto& message = parser_.get();
        Request request;
        request.method = std::string(message.method_string());
        request.body = message.body();
        const auto target = message.target();
        request.target = web::RequestTarget::parse({target.data(), target.size()});
        Answer answer = handle(*shared_->operations, request);
        if (!answer.stream) return send(answer);
        auto subscription = answer.stream([weak = weak_from_this()](const std::string& line) {
            if (const auto self = weak.lock()) self->push_line(line);
        });
        if (!subscription) {
            const auto& error = subscription.error();
            return refuse(error.code == "not_found" ? 404 : 409, error.code, error.message);
        }
        subscription_ = std::move(subscription).value();
        streaming_ = true;
        queue_.push_front(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: "
            "chunked\r\n\r\n");
        write_next();
        watch_client();
    }

    void refuse(int status, const std::string& code, const std::string& message) {
        Answer answer;
        answer.status = status;
        answer.body = Json{{"error", {{"code", code}, {"message", message}}}};
        send(answer);
    }

    void send(const Answer& answer) {
        response_.version(11);
        response_.result(static_cast<unsigned>(answer.status));
        response_.set(http::field::content_type, "application/json");
        response_.keep_alive(false);
        response_.body() = ipc::dump(answer.body) + "\n";
        response_.prepare_payload();
        http::async_write(socket_, response_, [self = shared_from_this()](error_code failed, std::size_t) {
            if (failed || self->parser_.is_done()) return self->close();
            // The rest of a request that was too large: closing with unread bytes would
            // destroy the answer on its way.
            self->socket_.shutdown(Socket::shutdown_send, failed);
            self->watch_client();
        });
    }

    /// A client that goes away while it listens is noticed by its end of stream. What it sends is forgotten.
    void watch_client() {
        socket_.async_read_some(asio::buffer(ignored_),
                                [self = shared_from_this()](error_code ec, std::size_t) {
                                    if (ec) return self->close();
                                    self->watch_client();
                                });
    }

    void push_line(const std::string& line) {
        const std::string text = line + "\n";
        if (queued_bytes_ + text.size() > max_stream_queue_bytes) {
            ++skipped_;
            return;
        }
        std::string chunk;
        if (skipped_ > 0) {
            const auto note = fmt::format("... {} lines skipped: this reader is too slow\n", skipped_);
            chunk += fmt::format("{:x}\r\n{}\r\n", note.size(), note);
            skipped_ = 0;
        }
        chunk += fmt::format("{:x}\r\n", text.size());
        chunk += text;
        chunk += "\r\n";
        queued_bytes_ += chunk.size();
        queue_.push_back(std::move(chunk));
        if (streaming_) write_next();
    }

    void write_next() {
        if (writing_) return;
        if (queue_.empty()) {
            deadline_.cancel();  // nothing is owed: a quiet log may be followed without end
            return;
        }
        arm_deadline();
        writing_ = true;
        current_ = std::move(queue_.front());
        queue_.pop_front();
        asio::async_write(socket_, asio::buffer(current_),
                          [self = shared_from_this()](error_code ec, std::size_t size) {
                              self->writing_ = false;
                              self->queued_bytes_ -= std::min(size, self->queued_bytes_);
                              if (ec) return self->close();
                              self->write_next();
                          });
    }

    Socket socket_;
    Timer deadline_;
    std::shared_ptr<Shared> shared_;
    boost::beast::flat_buffer buffer_;
    http::request_parser<http::string_body> parser_;
    http::response<http::string_body> response_;
    Subscription subscription_;
    std::deque<std::string> queue_;
    std::string current_;
    std::size_t queued_bytes_ = 0;
    std::uint64_t skipped_ = 0;
    const std::uint64_t number_;
    std::array<char, 4096> ignored_{};
    bool writing_ = false;
    bool streaming_ = false;
};

class UnixServer : public Server {
  public:
    UnixServer(asio::any_io_executor executor, std::filesystem::path path, Operations& operations,
               const Limits& limits)
        : acceptor_(executor), retry_(executor), file_(std::move(path)), shared_(std::make_shared<Shared>()) {
        shared_->operations = &operations;
        shared_->limits = limits;
    }

    ~UnixServer() override {
        shared_->operations = nullptr;
        error_code ignored;
        acceptor_.close(ignored);
        retry_.cancel();
        for (const auto* group : {&shared_->silent, &shared_->served}) {
            const auto connections = *group;
            for (const auto& [number, connection] : connections)
                connection->close();
        }
        file_.remove();
    }

    Result<> open() {
        if (const auto listening = file_.listen(acceptor_); !listening) {
            error_code ignored;
            acceptor_.close(ignored);
            return Error{"socket", fmt::format("cannot open the control socket {}: {}; control.socket (or "
                                               "worker.state_dir) names another path",
                                               file_.path().string(), listening.error().message)};
        }
        accept();
        return Ok{};
    }

    std::string look() override {
        if (file_.look() == SocketFile::There::ours) return {};
        if (file_.look() == SocketFile::There::foreign)
            return once(
                fmt::format("the control socket {} belongs to another process by now, so nobody reaches "
                            "this worker there; control.socket names another path",
                            file_.path().string()));
        error_code ignored;
        acceptor_.close(ignored);
        if (const auto opened = open(); !opened) return once(opened.error().message);
        told_.clear();
        return fmt::format("the control socket {} was removed (by a cleaner of old files?) and is made again",
                           file_.path().string());
    }

  private:
    /// What was not said at the last look.
    std::string once(const std::string& text) { return std::exchange(told_, text) == text ? "" : text; }

    void accept() {
        acceptor_.async_accept([this, shared = shared_](error_code ec, Socket socket) {
            if (shared->operations == nullptr || ec == asio::error::operation_aborted) return;
            if (ec) {
                logger("control")->warn("cannot accept a control connection: {}", ec.message());
                return retry_later();
            }
            if (shared->silent.size() >= std::max<std::size_t>(shared->limits.silent, 1))
                shared->silent.begin()->second->close();
            std::make_shared<Connection>(std::move(socket), shared)->start();
            accept();
        });
    }

    /// Out of descriptors, say: accepting again at once would spin.
    void retry_later() {
        retry_.expires_after(std::chrono::seconds(1));
        retry_.async_wait([this](error_code ec) {
            if (!ec) accept();
        });
    }

    asio::local::stream_protocol::acceptor acceptor_;
    Timer retry_;
    SocketFile file_;
    std::string told_;  // of what is wrong with it
    std::shared_ptr<Shared> shared_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(asio::any_io_executor executor,
                                               const std::filesystem::path& path, Operations& operations,
                                               const Limits& limits) {
    auto server = std::make_unique<UnixServer>(std::move(executor), path, operations, limits);
    if (auto opened = server->open(); !opened) return opened.error();
    return std::unique_ptr<Server>(std::move(server));
}

}  // namespace emprops::control
