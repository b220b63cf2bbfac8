#pragma once
// Blocking HTTP with libcurl: one client per thread, which keeps its connections. No redirects are followed
// here, a proxy of the environment is used only where it is asked for, answers are bounded, and every request has time
// limits. Large bodies are read from their file while they are sent.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ipc/web/host.h"

namespace emprops::stores {

using Ms = std::chrono::milliseconds;

/// No usable answer. `sent` false: the request cannot have arrived (connection refused). `gone`: nobody
/// is there (no address, no connection, one that ended without a word, or a proxy says so).
struct Unreachable {
    std::string what;
    bool sent = true;
    bool gone = false;
    bool refused = false;       ///< by us: trying again is of no use
    bool unknown_name = false;  ///< the host's name does not exist
};

/// One part of a multipart form; `file` (a path) or `data`.
struct FormPart {
    std::string name;
    std::string data;
    std::string file;
    std::string filename;  ///< empty: a plain field
};

/// Bytes of an open file, which are read while they are sent; the descriptor outlives the request.
struct FilePart {
    int descriptor = -1;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

struct HttpRequest {
    std::string method = "GET";
    std::string url;
    std::map<std::string, std::string> headers;
    std::optional<std::string> body;
    std::optional<FilePart> body_file;  ///< is the body
    /// Bytes of body_file that have been handed to the connection.
    std::function<void(std::uint64_t)> sent;
    std::vector<FormPart> form;  ///< not empty: a multipart POST
    Ms connect_timeout{5'000};
    Ms timeout{60'000};  ///< all of it; 0: `silence` alone holds
    /// Fewer than `least_speed` bytes a second in both directions together for so long end it, in whole seconds; 0:
    /// `timeout` alone holds.
    Ms silence{0};
    std::uint64_t least_speed = 1;
    std::uint64_t max_bytes = 256ull << 20;  ///< of the answer's body; more is a TooLarge
    bool verify_tls = true;
    std::string ca_file;
    std::string ca_setting = "ca_file";  ///< the setting that `ca_file` came from, for people
    bool fresh_connection = false;  ///< a request that must not be repeated by libcurl on a stale connection
    bool public_only = false;       ///< refuse to connect to an address that is_public() refuses
    /// Of addresses that public_only refuses: whether this very one, at this port, is permitted. Empty: none is.
    std::function<bool(const web::IpAddress&, std::uint16_t port)> permitted;
    std::string private_setting;  ///< the setting that permits private addresses, for people
    bool use_proxy = false;       ///< as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say (server/proxied.h)
    /// Where the body goes instead of HttpResponse::body; false ends the transfer: NotWritten.
    std::function<bool(std::string_view)> sink;
    std::function<bool()> cancelled;
};

struct HttpResponse {
    long status = 0;
    std::string content_type;
    std::string location;
    std::optional<std::uint64_t> content_length;
    Ms retry_after{0};
    std::map<std::string, std::string> headers{};  ///< names in lower case
    std::uint64_t received = 0;                    ///< bytes of body, also those that went to the sink
    std::string body;
};

/// The answer is larger than max_bytes; it was not read to its end.
struct TooLarge {
    std::optional<std::uint64_t> size;  ///< where the server said it
};
struct NotWritten {};  ///< the sink refused the answer
using HttpAnswer = std::variant<HttpResponse, Unreachable, TooLarge, NotWritten>;

/// For those who need no more than that there is no usable answer.
std::optional<Unreachable> no_answer(const HttpAnswer& answer);

class HttpClient {
  public:
    HttpClient();
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    /// An HTTP answer of any status, or why there is none. A GET without a sink that a pause of this process ended is
    /// sent again; of others only the caller knows whether they may be.
    HttpAnswer send(const HttpRequest& request);

  private:
    HttpAnswer send_once(const HttpRequest& request);

    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace emprops::stores
