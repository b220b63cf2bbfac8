#include "tests/benchmarks/embedded.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "tests/support/free_ports.h"

namespace emprops::bench {
namespace {

std::string toml(const EmbeddedOptions& options, std::uint16_t port) {
    std::string text = "[hub]\nembedded = true\n[local_hub]\nport = " + std::to_string(port) + "\n";
    if (!options.database.empty()) text += "database = \"" + options.database + "\"\n";
    return text + options.connectors;
}

}  // namespace

EmbeddedWorker::EmbeddedWorker(EmbeddedOptions options)
    : port_(test::free_ports()),
      worker_({{}, toml(options, port_), {}, {"--set", "worker.durability=" + options.durability}, {}}) {
    // A database with a million jobs takes its time to open, 200 connectors to start.
    const auto all_ready = [&] {
        const auto status = worker_.status();
        std::vector<pid_t> found;
        for (const auto& each : status.at("connectors")) {
            const bool wanted = std::find(options.ready.begin(), options.ready.end(),
                                          each.at("name").get<std::string>()) != options.ready.end();
            if (wanted && each.at("state") == "ready") found.push_back(each.at("pid").get<pid_t>());
        }
        pid_ = status.at("worker").at("pid").get<pid_t>();
        connectors_ = std::move(found);
        return connectors_.size() >= options.ready.size();
    };
    if (!test::wait_until(all_ready, std::chrono::minutes(2)))
        throw std::runtime_error("the connectors did not become ready:\n" + worker_.log());
}

}  // namespace emprops::bench
