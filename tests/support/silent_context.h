#pragma once
// A job's context that says nothing to anybody, and knows no more than every context must.

#include <functional>
#include <optional>
#include <string>

#include "emprops/connector.h"

namespace emprops::test {

struct SilentContext : JobContext {
    void progress(std::optional<double>, const std::string&, const std::string&, const Json&) override {}
    bool cancelled() const override { return false; }
    std::string cancel_reason() const override { return {}; }
    bool wait_cancelled(std::chrono::milliseconds) override { return false; }
    void on_cancel(std::function<void()>) override {}
    void service_request(const std::string&, const std::string&, const Json&) override {}
};

}  // namespace emprops::test
