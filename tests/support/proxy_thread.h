#pragma once
// A FaultProxy on a thread of its own, for tests that block. All functions are for the test's thread.

#include <cstdint>
#include <memory>
#include <string>

#include "tests/support/fault_proxy.h"

namespace emprops::test {

class ProxyThread {
  public:
    explicit ProxyThread(std::uint16_t target_port);
    ~ProxyThread();
    std::string url() const;  ///< ws://127.0.0.1:PORT
    void set(const FaultProxy::Faults& faults);
    void cut();
    std::size_t connections() const;  ///< ever accepted

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace emprops::test
