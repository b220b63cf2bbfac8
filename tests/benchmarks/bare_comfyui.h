#pragma once
// A client of ComfyUI that does no more than it must: the floor of what a prompt takes. Blocking; one thread.

#include <cstdint>
#include <string>

#include "tests/benchmarks/wire.h"

namespace emprops::bench {

/// Connections to ComfyUI that stay, one for HTTP and the WebSocket. What it does not expect is thrown as
/// std::runtime_error.
class BareClient {
  public:
    explicit BareClient(std::uint16_t port);
    ~BareClient();
    BareClient(const BareClient&) = delete;
    BareClient& operator=(const BareClient&) = delete;

    /// Sends the prompt, waits for its end, reads the history and fetches its one file, which has so many bytes.
    void run(const std::string& graph, std::size_t file_bytes);
    /// Only the first two of these.
    void run_only(const std::string& graph) { wait_end(send(graph)); }

  private:
    std::string send(const std::string& graph);
    void wait_end(const std::string& id);
    std::string call(const char* verb, const std::string& target, const std::string& body);

    int http_, socket_;
    std::string from_socket_;
    FrameReader reader_;
};

}  // namespace emprops::bench
