#pragma once
// A companion service for tests ([connectors.NAME.service]): HTTP on its port, misbehaving on request. It is
// the test program itself, started with another first argument, as in process_fault_connector.h. What it does
// is switched by files in a folder, at its start or while it runs:
//   slow    while it exists the port is not opened       hang    while it exists nothing is answered
//   crash   it is removed, and the process exits with 3  broken  while it exists the answer is 503
//   deaf    from the start SIGTERM is ignored            child   at the start a grandchild leaves the session
//   ipv6    it listens on ::1 only                     daemon  at the start it goes on in the background, its parent exits
//   vram    bytes of graphics memory in use, as a number
// It notes its process ids in pids-<instance> (the grandchild's in children), CUDA_VISIBLE_DEVICES in
// gpu-<instance>.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace emprops::test {

/// The `command` of the service.
std::vector<std::string> fake_service(const std::filesystem::path& folder);
/// Likewise as a TOML list.
std::string fake_service_toml(const std::filesystem::path& folder);

/// A socket that listens on 127.0.0.1 until it is destroyed: somebody else's.
class Stranger {
  public:
    explicit Stranger(std::uint16_t port);
    ~Stranger();
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;

  private:
    int fd_;
};

}  // namespace emprops::test
