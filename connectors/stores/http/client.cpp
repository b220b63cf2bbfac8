#include "connectors/stores/http/client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "connectors/stores/http/address.h"
#include "connectors/stores/http/proxied.h"
#include "ipc/text/people.h"
#include "ipc/text/values.h"
#include "ipc/time/clock.h"
#include "ipc/web/proxy.h"
#include "ipc/web/transfer.h"
#include "ipc/web/url.h"

namespace emprops::stores {
namespace {

constexpr curl_off_t longest_retry_after = 24 * 3600;  // s

std::string private_address(const HttpRequest& request) {
    const std::string& setting = request.private_setting;
    return "the address is a private or local one" + (setting.empty() ? "" : "; " + setting + " permits it");
}

/// One request and what has come back of it.
struct Exchange {
    const HttpRequest& request;
    std::string proxy{};  ///< empty: none
    HttpResponse response{};
    bool too_large = false;
    bool sink_refused = false;
    bool address_refused = false;
    std::uint64_t position = 0;  ///< in the body, of what libcurl has taken
    std::string unreadable{};    ///< why no more of the body could be read

    bool take_body(std::string_view bytes);
    void take_header(std::string_view line);
};

bool Exchange::take_body(std::string_view bytes) {
    response.received += bytes.size();
    too_large = std::max(response.received, response.content_length.value_or(0)) > request.max_bytes;
    if (too_large) return false;
    if (request.sink && response.status < 300) {
        sink_refused = !request.sink(bytes);
        return !sink_refused;
    }
    response.body.append(bytes);
    return true;
}

void Exchange::take_header(std::string_view line) {
    if (line.substr(0, 5) == "HTTP/") {
        response = HttpResponse{};  // after "100 Continue" comes the answer itself
        const auto space = line.find(' ');
        if (space != std::string_view::npos) {
            std::from_chars(line.data() + space + 1, line.data() + line.size(), response.status);
        }
        return;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return;
    const std::string name = text::lower(line.substr(0, colon));
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') {
        value.remove_prefix(1);
    }
    response.headers[name] = value;
    if (name == "content-type") response.content_type = value;
    if (name == "location") response.location = value;
    if (name == "content-length") {
        std::uint64_t length = 0;
        if (std::from_chars(value.data(), value.data() + value.size(), length).ec == std::errc{}) {
            response.content_length = length;
        }
    }
}

/// Called with the address that name resolution gave, right before the connect: what is checked is what is
/// connected to, so that a name that resolves differently the second time gains nothing.
curl_socket_t on_open(void* user, curlsocktype, curl_sockaddr* address) {
    auto& exchange = *static_cast<Exchange*>(user);
    if (exchange.request.public_only && exchange.proxy.empty() &&
        !may_be_reached(&address->addr, exchange.request.permitted)) {
        exchange.address_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/// Gives libcurl the next bytes of the file. One that has become shorter must not be padded by waiting for its rest.
std::size_t read_body(char* into, std::size_t one, std::size_t count, void* user) {
    auto& exchange = *static_cast<Exchange*>(user);
    const FilePart& part = *exchange.request.body_file;
    const std::uint64_t left = part.size - exchange.position;
    if (left == 0) return 0;
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(one * count, left));
    const auto got =
        pread(part.descriptor, into, wanted, static_cast<off_t>(part.offset + exchange.position));
    if (got <= 0) {
        exchange.unreadable = got < 0 ? std::strerror(errno) : "it has become shorter";
        return CURL_READFUNC_ABORT;
    }
    exchange.position += static_cast<std::uint64_t>(got);
    if (exchange.request.sent) exchange.request.sent(exchange.position);
    return static_cast<std::size_t>(got);
}

/// libcurl begins anew where a kept connection turned out to be dead.
int seek_body(void* user, curl_off_t offset, int origin) {
    auto& exchange = *static_cast<Exchange*>(user);
    if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
    exchange.position = static_cast<std::uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
}

bool has(std::string_view text, const char* words) {
    return text.find(words) != std::string_view::npos;
}

/// What a certificate that is not believed lacks, and what can be done about it.
std::string certificate_advice(std::string_view why, const std::string& ca_setting) {
    if (has(why, "subject name") || has(why, "does not match"))
        return "; the certificate is of another host: use a name that it has";
    if (has(why, "expired")) return "; the server's certificate has to be renewed";
    return "; set " + ca_setting + " to the PEM file of the authority that signed it";
}

/// The status with which a proxy refused to connect us; 0: it did not.
long refused_by_proxy(const web::Transfer& transfer) {
    long status = 0;
    curl_easy_getinfo(transfer.handle(), CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 400 ? status : 0;
}

std::string by_proxy(const Exchange& exchange, long refusal) {
    if (exchange.proxy.empty()) return {};
    const std::string name = shown_proxy(exchange.proxy);
    if (refusal == 0) return " (through the proxy " + name + " of the environment)";
    return "; the proxy " + name + " of the environment refused with HTTP " + std::to_string(refusal) +
           (refusal == 407 ? ": it wants user and password in HTTPS_PROXY"
                           : ": permit the host there, or name it in NO_PROXY");
}

std::string explain(CURLcode code, const Exchange& exchange, const web::Transfer& transfer) {
    const HttpRequest& request = exchange.request;
    if (exchange.address_refused) {
        return private_address(exchange.request);
    }
    if (!exchange.unreadable.empty()) return "the file cannot be read to its end: " + exchange.unreadable;
    if (code == CURLE_ABORTED_BY_CALLBACK) return "cancelled";
    const std::string why = transfer.why(code) + by_proxy(exchange, refused_by_proxy(transfer));
    if (code == CURLE_PEER_FAILED_VERIFICATION) return why + certificate_advice(why, request.ca_setting);
    if (code == CURLE_SSL_CONNECT_ERROR && has(why, "wrong version number"))
        return why + "; what answers there speaks no TLS: use http:// in place of https://";
    if (code == CURLE_OPERATION_TIMEDOUT && has(why, "too slow")) {
        return (request.least_speed <= 1 ? "not a byte"
                                         : "less than " + human_bytes(request.least_speed) + " a second") +
               " came or went for " + human_duration(request.silence);
    }
    return why;
}

/// libcurl does not tell an unknown name from a name service that is away.
bool names_nobody(CURLcode code, const std::string& url) {
    if (code != CURLE_COULDNT_RESOLVE_HOST) return false;
    const auto parsed = web::Url::parse(url);
    return parsed.ok() && is_unknown_name(parsed->host);
}

/// Nobody is there: no address, no connection, or one that was ended without a word.
bool is_gone(CURL* curl, CURLcode code, const Exchange& exchange) {
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
        code == CURLE_COULDNT_RESOLVE_PROXY)
        return true;
    if (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR)
        return exchange.response.status == 0;
    if (code != CURLE_OPERATION_TIMEDOUT) return false;
    // On a connection that is used again no time is needed to connect, but the request was about to be sent.
    curl_off_t connected = 0;
    curl_off_t ready = 0;
    curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &ready);
    return connected == 0 && ready == 0;
}

struct SlistDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct MimeDeleter {
    void operator()(curl_mime* mime) const { curl_mime_free(mime); }
};

}  // namespace

struct HttpClient::State {
    web::Transfer transfer;
};

std::optional<Unreachable> no_answer(const HttpAnswer& answer) {
    if (const auto* problem = std::get_if<Unreachable>(&answer)) return *problem;
    if (std::holds_alternative<TooLarge>(answer)) return Unreachable{"the answer is too large"};
    if (std::holds_alternative<NotWritten>(answer)) return Unreachable{"the answer could not be written"};
    return {};
}

HttpClient::HttpClient() : state_(std::make_unique<State>()) {}
HttpClient::~HttpClient() = default;

HttpAnswer HttpClient::send(const HttpRequest& request) {
    while (true) {
        const auto lost = Clock::lost();
        auto answer = send_once(request);
        auto* problem = std::get_if<Unreachable>(&answer);
        if (problem == nullptr || Clock::lost() == lost) return answer;
        // libcurl's limits went on while we did not run: that says nothing of the server.
        if (request.method == "GET" && !request.sink) continue;
        problem->gone = false;
        return answer;
    }
}

HttpAnswer HttpClient::send_once(const HttpRequest& request) {
    web::Transfer& transfer = state_->transfer;
    if (!transfer.usable()) return Unreachable{"no memory for an HTTP client", false};
    transfer.reset();
    Exchange exchange{request, request.use_proxy ? web::proxy_of_environment(request.url) : ""};
    if (request.public_only && !exchange.proxy.empty() &&
        may_not_be_asked_for(request.url, request.permitted))
        return Unreachable{private_address(request), false, false, true};
    curl_slist* list = curl_slist_append(nullptr, "Expect:");  // no pause before bodies
    bool names_type = false;
    for (const auto& [name, value] : request.headers) {
        names_type = names_type || text::lower(name) == "content-type";
        list = curl_slist_append(list, (value.empty() ? name + ";" : name + ": " + value).c_str());
    }
    if ((request.body || request.body_file) && !names_type) {
        list = curl_slist_append(list, "Content-Type: application/octet-stream");
    }
    const std::unique_ptr<curl_slist, SlistDeleter> headers(list);
    std::unique_ptr<curl_mime, MimeDeleter> mime;

    transfer.set(CURLOPT_URL, request.url);
    transfer.set(CURLOPT_PROTOCOLS_STR, "http,https");
    transfer.set(CURLOPT_PROXY, exchange.proxy);
    transfer.set(CURLOPT_NOPROXY, "");  // has been asked already
    transfer.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    transfer.set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    transfer.set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
    transfer.set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    if (request.silence > Ms{0}) {
        transfer.set(CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(request.least_speed));
        transfer.set(CURLOPT_LOW_SPEED_TIME, static_cast<long>((request.silence.count() + 999) / 1000));
    }
    transfer.set(CURLOPT_HTTPHEADER, headers.get());
    transfer.set(CURLOPT_OPENSOCKETFUNCTION, on_open);
    transfer.set(CURLOPT_OPENSOCKETDATA, &exchange);
    transfer.on_body([&](std::string_view bytes) { return exchange.take_body(bytes); });
    transfer.on_header([&](std::string_view line) { exchange.take_header(line); });
    if (request.cancelled) transfer.abort_when(request.cancelled);
    transfer.set(CURLOPT_SSL_VERIFYPEER, request.verify_tls ? 1L : 0L);
    transfer.set(CURLOPT_SSL_VERIFYHOST, request.verify_tls ? 2L : 0L);
    if (!request.ca_file.empty()) transfer.set(CURLOPT_CAINFO, request.ca_file);
    if (request.fresh_connection || request.public_only) transfer.set(CURLOPT_FRESH_CONNECT, 1L);
    const auto post_bytes = [&](const char* bytes, std::size_t size) {
        transfer.set(CURLOPT_POST, 1L);
        transfer.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(size));
        transfer.set(CURLOPT_POSTFIELDS, bytes);
    };
    if (!request.form.empty()) {
        mime.reset(curl_mime_init(transfer.handle()));
        for (const FormPart& part : request.form) {
            curl_mimepart* entry = curl_mime_addpart(mime.get());
            curl_mime_name(entry, part.name.c_str());
            if (!part.file.empty()) {
                curl_mime_filedata(entry, part.file.c_str());
            } else {
                curl_mime_data(entry, part.data.data(), part.data.size());
            }
            if (!part.filename.empty()) curl_mime_filename(entry, part.filename.c_str());
        }
        transfer.set(CURLOPT_MIMEPOST, mime.get());
    } else if (request.body_file) {
        transfer.set(CURLOPT_UPLOAD, 1L);
        transfer.set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body_file->size));
        transfer.set(CURLOPT_READFUNCTION, read_body);
        transfer.set(CURLOPT_READDATA, &exchange);
        transfer.set(CURLOPT_SEEKFUNCTION, seek_body);
        transfer.set(CURLOPT_SEEKDATA, &exchange);
    } else if (request.body) {
        post_bytes(request.body->data(), request.body->size());
    } else if (request.method == "POST") {
        post_bytes("", 0);
    }
    if (request.method == "HEAD") {
        transfer.set(CURLOPT_NOBODY, 1L);
    } else if (request.method != "GET") {
        transfer.set(CURLOPT_CUSTOMREQUEST, request.method);
    }

    const CURLcode code = transfer.perform();
    curl_off_t retry_after = 0;
    curl_easy_getinfo(transfer.handle(), CURLINFO_RETRY_AFTER, &retry_after);
    exchange.response.retry_after =
        std::chrono::seconds(std::clamp<curl_off_t>(retry_after, 0, longest_retry_after));
    if (code == CURLE_OK) return std::move(exchange.response);
    if (exchange.too_large) return TooLarge{exchange.response.content_length};
    if (exchange.sink_refused) return NotWritten{};
    // An early refusal (413): the server answers and closes before it has read the whole body.
    if ((code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_PARTIAL_FILE) &&
        exchange.response.status >= 400) {
        return std::move(exchange.response);
    }
    const bool never_sent = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                            code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_PEER_FAILED_VERIFICATION ||
                            code == CURLE_SSL_CONNECT_ERROR || code == CURLE_URL_MALFORMAT;
    const bool refused = exchange.address_refused || !exchange.unreadable.empty() ||
                         code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
    return Unreachable{explain(code, exchange, transfer), !never_sent,
                       is_gone(transfer.handle(), code, exchange), refused, names_nobody(code, request.url)};
}

}  // namespace emprops::stores
