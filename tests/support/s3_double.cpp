#include "tests/support/s3_double.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <map>
#include <mutex>
#include <thread>

#include "ipc/text/values.h"

namespace emprops::test {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

struct S3Double::Impl {
    explicit Impl(S3Options given) : options(std::move(given)) {
        accept();
        thread = std::thread([this] { io.run(); });
    }
    ~Impl() {
        io.stop();
        thread.join();
    }

    void accept() {
        acceptor.async_accept([this](boost::system::error_code error, tcp::socket socket) {
            if (error) return;
            serve(std::move(socket));
            accept();
        });
    }

    /// One request per connection; the answer closes it.
    void serve(tcp::socket socket) {
        boost::system::error_code error;
        boost::beast::flat_buffer buffer;
        http::request_parser<http::string_body> parser;
        parser.body_limit(64 << 20);
        http::read_header(socket, buffer, parser, error);
        if (error) return;
        if (parser.get()[http::field::expect] == "100-continue") {
            http::response<http::empty_body> go_on(http::status::continue_, 11);
            http::write(socket, go_on, error);
        }
        http::read(socket, buffer, parser, error);
        if (error) return;
        auto response = answer(parser.get());
        response.keep_alive(false);
        response.prepare_payload();
        http::write(socket, response, error);
        socket.shutdown(tcp::socket::shutdown_both, error);
    }

    http::response<http::string_body> answer(const http::request<http::string_body>& request) {
        SignedRequest seen{request.method_string(), request.target(), {}, request.body()};
        for (const auto& field : request) {
            seen.headers[text::lower(field.name_string())] = field.value();
        }
        const std::lock_guard lock(mutex);
        requests.push_back(seen);
        if (const auto error = signature_error(seen, options.access_key, options.secret_key, options.region);
            !error.empty()) {
            refusals.push_back(error);
            return refused(http::status::forbidden, "SignatureDoesNotMatch");
        }
        if (seen.target.rfind("/" + options.bucket + "/", 0) != 0) {
            return refused(http::status::not_found, "NoSuchBucket");
        }
        if (request.method() == http::verb::put) {
            objects[seen.target] = {seen.body, seen.headers["content-type"]};
            return {http::status::ok, 11};
        }
        const auto found = objects.find(seen.target);
        if (found == objects.end()) return refused(http::status::not_found, "NoSuchKey");
        http::response<http::string_body> response(http::status::ok, 11, found->second.body);
        response.set(http::field::content_type, found->second.content_type);
        return response;
    }

    static http::response<http::string_body> refused(http::status status, const std::string& code) {
        http::response<http::string_body> response(status, 11, "<Error><Code>" + code + "</Code></Error>");
        response.set(http::field::content_type, "application/xml");
        return response;
    }

    const S3Options options;
    asio::io_context io;
    tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
    std::thread thread;
    mutable std::mutex mutex;
    std::map<std::string, Object> objects;
    std::vector<SignedRequest> requests;
    std::vector<std::string> refusals;
};

S3Double::S3Double(S3Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
S3Double::~S3Double() = default;

std::string S3Double::endpoint() const {
    return "http://127.0.0.1:" + std::to_string(impl_->acceptor.local_endpoint().port());
}

std::optional<S3Double::Object> S3Double::object(const std::string& target) const {
    const std::lock_guard lock(impl_->mutex);
    const auto found = impl_->objects.find(target);
    if (found == impl_->objects.end()) return std::nullopt;
    return found->second;
}

std::vector<SignedRequest> S3Double::requests() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->requests;
}

std::vector<std::string> S3Double::refusals() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->refusals;
}

}  // namespace emprops::test
