#pragma once
// A small blocking client of the Hub's WebSocket and REST sides, for integration tests. Every wait has a
// deadline; what goes wrong is thrown as std::runtime_error with the messages seen so far, so that a failed
// test explains itself. One background thread per client keeps reading and answers pings; the functions are
// for one test thread.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::test {

using namespace std::chrono_literals;
using Deadline = std::chrono::milliseconds;

enum class HubRole { worker, client, monitor };

struct HubClientOptions {
    std::string token;                           ///< sent URL-encoded as ?token=; empty: none
    std::map<std::string, std::string> headers;  ///< more handshake headers, for example Origin
    bool assemble_chunks =
        true;          ///< chunked_message sets are joined (hash verified) and given as one message
    bool read = true;  ///< false: never reads, to be a slow consumer
    Deadline connect_deadline = 10s;
};

struct HubClosed {
    std::uint16_t code = 1006;  ///< 1006: the connection ended without a close frame
    std::string reason;         ///< the peer's, or for 1006 what the system says
};

class HubClient {
  public:
    using Json = nlohmann::json;
    using Predicate = std::function<bool(const Json& message)>;

    /// Connects to 127.0.0.1:`port` at /ws/<role>/<id>.
    HubClient(std::uint16_t port, HubRole role, const std::string& id, HubClientOptions options = {});
    ~HubClient();
    HubClient(HubClient&&) noexcept;
    HubClient(const HubClient&) = delete;

    /// Queues one text message; never blocks.
    void send(const Json& message);
    void send_text(std::string text);
    void send_binary(std::string bytes);

    /// Waits for the next message that fits and removes it; messages before it stay for later calls.
    Json receive(const Predicate& fits, Deadline deadline = 10s);
    /// The next message of this type (and of this job, if given).
    Json receive(std::string_view type, std::string_view job_id = {}, Deadline deadline = 10s);
    /// The text of the message that receive() returned last, byte for byte.
    const std::string& last_text() const;
    /// True if no fitting message comes within `quiet` (a wait: use it sparingly and short).
    bool nothing(const Predicate& fits, Deadline quiet);

    /// Everything received since the connection was opened, in order, also what receive() has taken.
    std::vector<Json> seen() const;

    /// Waits for the end of the connection, whoever ended it.
    HubClosed wait_closed(Deadline deadline = 10s);
    bool closed() const;
    /// Leaves politely with a close frame and waits for the answer.
    void close(std::uint16_t code = 1000, std::string_view reason = {});
    /// Cuts the TCP connection without a close frame; so does the destructor.
    void drop();

    /// connect + register_worker + wait for worker_registered.
    static HubClient worker(std::uint16_t port, const std::string& id,
                            const std::vector<std::string>& job_types, const std::string& status = "idle",
                            HubClientOptions options = {});

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The HTTP status with which a WebSocket handshake was refused; 101 when it was accepted.
unsigned websocket_handshake_status(std::uint16_t port, const std::string& target,
                                    const std::map<std::string, std::string>& headers = {});

struct HttpAnswer {
    unsigned status = 0;
    std::string body;
    nlohmann::json json() const;
};

HttpAnswer http_get(std::uint16_t port, const std::string& target,
                    const std::map<std::string, std::string>& headers = {}, Deadline deadline = 10s);
HttpAnswer http_post(std::uint16_t port, const std::string& target, const std::string& body,
                     const std::map<std::string, std::string>& headers = {}, Deadline deadline = 10s);

}  // namespace emprops::test
