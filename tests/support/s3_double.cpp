#include "tests/support/s3_double.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "ipc/text/percent.h"
#include "ipc/text/values.h"
#include "ipc/web/digest.h"
#include "ipc/web/request_target.h"

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
        tricklers.clear();
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
        parser.body_limit(1ull << 30);
        http::read_header(socket, buffer, parser, error);
        if (error) return;
        const auto fault =
            fault_of(std::string(parser.get().method_string()), std::string(parser.get().target()));
        if (fault && fault->kind == S3Fault::Kind::cut) return;
        if (fault && fault->kind == S3Fault::Kind::stall) {
            stalled.push_back(std::move(socket));
            ++faults_met;
            return;
        }
        if (fault && fault->kind == S3Fault::Kind::early) return write(socket, canned(*fault));
        if (parser.get()[http::field::expect] == "100-continue") {
            http::response<http::empty_body> go_on(http::status::continue_, 11);
            http::write(socket, go_on, error);
        }
        http::read(socket, buffer, parser, error);
        if (error) return;
        if (fault && fault->kind == S3Fault::Kind::answer) {
            note(parser.get());
            return write(socket, canned(*fault));
        }
        auto response = answer(parser.get());
        if (fault && fault->kind == S3Fault::Kind::lost) return;
        if (fault && fault->kind == S3Fault::Kind::mute) {
            stalled.push_back(std::move(socket));
            ++faults_met;
            return;
        }
        if (fault && fault->kind == S3Fault::Kind::trickle) {
            tricklers.emplace_back([socket = std::move(socket)](std::stop_token stop) mutable {
                std::string bytes = "HTTP/1.1 200 OK\r\nX-Slow: ";
                boost::system::error_code gone;
                for (std::size_t i = 0; !gone && !stop.stop_requested(); ++i) {
                    asio::write(socket, asio::buffer(i < bytes.size() ? &bytes[i] : "x", 1), gone);
                    std::this_thread::sleep_for(std::chrono::milliseconds(100));
                }
            });
            return;
        }
        if (fault && fault->kind == S3Fault::Kind::lie) {
            asio::write(socket,
                        asio::buffer(std::string("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort")),
                        error);
            return;
        }
        // The answer to HEAD tells the length of what it does not have.
        if (parser.get().method() == http::verb::head) {
            http::response<http::empty_body> head(response.result(), 11);
            for (const auto& field : response)
                head.set(field.name_string(), field.value());
            head.content_length(response.body().size());
            head.keep_alive(false);
            http::response_serializer<http::empty_body> serializer(head);
            http::write_header(socket, serializer, error);
            return;
        }
        write(socket, std::move(response));
    }

    void write(tcp::socket& socket, http::response<http::string_body> response) {
        boost::system::error_code error;
        response.keep_alive(false);
        response.prepare_payload();
        http::write(socket, response, error);
        socket.shutdown(tcp::socket::shutdown_send, error);
    }

    static http::response<http::string_body> canned(const S3Fault& fault) {
        http::response<http::string_body> response(http::status(fault.status), 11, fault.body);
        response.set(http::field::content_type, "application/xml");
        if (!fault.retry_after.empty()) response.set(http::field::retry_after, fault.retry_after);
        if (!fault.location.empty()) response.set(http::field::location, fault.location);
        return response;
    }

    std::optional<S3Fault> fault_of(const std::string& method, const std::string& target) {
        const std::lock_guard lock(mutex);
        for (S3Fault& fault : faults) {
            if (fault.count <= 0 || fault.method != method || target.find(fault.text) == std::string::npos)
                continue;
            --fault.count;
            return fault;
        }
        return std::nullopt;
    }

    static SignedRequest seen_of(const http::request<http::string_body>& request) {
        std::string target(request.target());
        // As a proxy gets it: with the host.
        if (target.starts_with("http://")) target.erase(0, target.find('/', 7));
        const auto query_at = std::min(target.find('?'), target.size());
        SignedRequest seen{std::string(request.method_string()),
                           target.substr(0, query_at),
                           {},
                           request.body(),
                           query_at < target.size() ? target.substr(query_at + 1) : ""};
        for (const auto& field : request) {
            seen.headers[text::lower(field.name_string())] = field.value();
        }
        return seen;
    }
    void note(const http::request<http::string_body>& request) {
        const std::lock_guard lock(mutex);
        requests.push_back(seen_of(request));
    }

    http::response<http::string_body> answer(const http::request<http::string_body>& request) {
        SignedRequest seen = seen_of(request);
        const std::lock_guard lock(mutex);
        requests.push_back(seen);
        if (options.check_signatures) {
            if (const auto error =
                    signature_error(seen, options.access_key, options.secret_key, options.region);
                !error.empty()) {
                refusals.push_back(error);
                return refused(http::status::forbidden, "SignatureDoesNotMatch");
            }
            if ((seen.target + "/").rfind("/" + options.bucket + "/", 0) != 0) {
                return refused(http::status::not_found, "NoSuchBucket");
            }
        }
        const web::RequestTarget target = web::RequestTarget::parse(seen.target + "?" + seen.query);
        const auto argument = [&](const char* name) {
            const auto found = target.query.find(name);
            return found == target.query.end() ? std::string() : found->second;
        };
        if (request.method() == http::verb::get && target.query.count("uploads") != 0)
            return list_uploads(argument("prefix"));
        if (request.method() == http::verb::post && target.query.count("uploads") != 0) {
            const std::string id = add_upload(seen.target);
            uploads[id].object = object_of(seen, "");
            return said("<InitiateMultipartUploadResult><UploadId>" + id +
                        "</UploadId></InitiateMultipartUploadResult>");
        }
        if (const std::string id = argument("uploadId"); !id.empty()) {
            if (uploads.count(id) == 0) return refused(http::status::not_found, "NoSuchUpload");
            if (request.method() == http::verb::delete_) {
                uploads.erase(id);
                return {http::status::no_content, 11};
            }
            if (request.method() == http::verb::put) {
                uploads[id].parts[std::stoi(argument("partNumber"))] = seen.body;
                http::response<http::string_body> response(http::status::ok, 11);
                response.set(http::field::etag, "\"" + md5_hex(seen.body) + "\"");
                return response;
            }
            if (auto refusal = refused_by_condition(seen)) return std::move(*refusal);
            return complete(seen, id);
        }
        if (request.method() == http::verb::put) {
            if (auto refusal = refused_by_condition(seen)) return std::move(*refusal);
            objects[seen.target] = object_of(seen, seen.body);
            return {http::status::ok, 11};
        }
        const auto found = objects.find(seen.target);
        if (found == objects.end()) return refused(http::status::not_found, "NoSuchKey");
        http::response<http::string_body> response(http::status::ok, 11, found->second.body);
        response.set(http::field::content_type, found->second.content_type);
        if (!found->second.sha256.empty()) {
            response.set("x-amz-meta-sha256", found->second.sha256);
            response.set("x-ms-meta-sha256", found->second.sha256);
        }
        for (const auto& [name, value] : found->second.notes)
            response.set(name, value);
        return response;
    }

    static Object object_of(const SignedRequest& seen, const std::string& body) {
        const auto header = [&](const char* name) {
            const auto found = seen.headers.find(name);
            return found == seen.headers.end() ? std::string() : found->second;
        };
        Object object{body, header("content-type"), header("x-amz-meta-sha256") + header("x-ms-meta-sha256")};
        for (const auto& [name, value] : seen.headers)
            if (name.starts_with("x-amz-meta-") || name.starts_with("x-ms-meta-")) object.notes[name] = value;
        return object;
    }

    std::optional<http::response<http::string_body>> refused_by_condition(const SignedRequest& seen) const {
        using Condition = S3Options::Condition;
        if (seen.headers.count("if-none-match") == 0 || options.condition == Condition::ignored) return {};
        if (options.condition == Condition::unknown)
            return refused(http::status::not_implemented, "NotImplemented");
        if (objects.count(seen.target) == 0) return {};
        return refused(http::status::precondition_failed, "PreconditionFailed");
    }

    std::string add_upload(const std::string& target) {
        const std::string id = "up/load+" + std::to_string(++last_upload) + "==";
        uploads[id].target = target;
        return id;
    }

    http::response<http::string_body> list_uploads(const std::string& prefix) {
        std::string xml = "<ListMultipartUploadsResult>";
        for (const auto& [id, upload] : uploads) {
            const std::string key = text::percent_decode(upload.target.substr(options.bucket.size() + 2));
            if (key.rfind(prefix, 0) == 0)
                xml += "<Upload><Key>" + key + "</Key><UploadId>" + id + "</UploadId></Upload>";
        }
        return said(xml + "</ListMultipartUploadsResult>");
    }

    http::response<http::string_body> complete(const SignedRequest& seen, const std::string& id) {
        Upload upload = uploads[id];
        for (const auto& [number, body] : upload.parts) {
            const std::string line = "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>\"" +
                                     md5_hex(body) + "\"</ETag></Part>";
            if (seen.body.find(line) == std::string::npos)
                return refused(http::status::bad_request, "InvalidPart");
            upload.object.body += body;
        }
        objects[seen.target] = std::move(upload.object);
        uploads.erase(id);
        return said("<CompleteMultipartUploadResult/>");
    }

    static http::response<http::string_body> said(const std::string& xml) {
        http::response<http::string_body> response(http::status::ok, 11, xml);
        response.set(http::field::content_type, "application/xml");
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
    struct Upload {
        std::string target;
        Object object{};
        std::map<int, std::string> parts{};
    };
    std::map<std::string, Upload> uploads;
    int last_upload = 0;
    std::vector<S3Fault> faults;
    std::vector<tcp::socket> stalled;
    std::atomic<int> faults_met = 0;  ///< requests that were left waiting
    std::vector<std::jthread> tricklers;
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

std::vector<std::string> S3Double::object_names() const {
    const std::lock_guard lock(impl_->mutex);
    std::vector<std::string> names;
    for (const auto& object : impl_->objects)
        names.push_back(object.first);
    return names;
}

std::vector<std::string> S3Double::open_uploads() const {
    const std::lock_guard lock(impl_->mutex);
    std::vector<std::string> targets;
    for (const auto& upload : impl_->uploads)
        targets.push_back(upload.second.target);
    return targets;
}

void S3Double::begin_upload(const std::string& target) {
    const std::lock_guard lock(impl_->mutex);
    impl_->add_upload(target);
}

void S3Double::store(const std::string& target, Object object) {
    const std::lock_guard lock(impl_->mutex);
    impl_->objects[target] = std::move(object);
}

void S3Double::fail(S3Fault fault) {
    const std::lock_guard lock(impl_->mutex);
    impl_->faults.push_back(std::move(fault));
}

int S3Double::faults_met() const {
    return impl_->faults_met;
}

void S3Double::clear_faults() {
    const std::lock_guard lock(impl_->mutex);
    impl_->faults.clear();
}

}  // namespace emprops::test
