#pragma once
// A real local hub on a free loopback port, on an event loop and thread of its own, for integration tests.
// Link emprops_local_hub. For one test thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include "supervisor/local_hub/local_hub.h"

namespace emprops::test {

class RunningHub {
  public:
    /// `settings.port` 0: a free one. Throws std::runtime_error when the hub cannot start.
    explicit RunningHub(config::LocalHubSettings settings)
        : work_(io_.get_executor()), thread_([this] { io_.run(); }) {
        std::string failure;
        on_loop([&] {
            auto started = local_hub::LocalHub::start(io_.get_executor(), settings);
            if (started.ok()) {
                hub_ = std::move(started).value();
            } else {
                failure = started.error().code + ": " + started.error().message;
            }
        });
        if (!failure.empty()) {
            end_loop();
            throw std::runtime_error(failure);
        }
        port_ = hub_->port();
    }
    ~RunningHub() { stop(); }
    RunningHub(const RunningHub&) = delete;

    std::uint16_t port() const { return port_; }

    /// Stops the hub as a shutdown does (close 1012) and waits until its sockets have ended.
    void stop() {
        if (!thread_.joinable()) return;
        on_loop([this] { hub_.reset(); });
        end_loop();
    }

  private:
    template <class Work>
    void on_loop(Work work) {
        std::promise<void> done;
        boost::asio::post(io_, [&] {
            work();
            done.set_value();
        });
        done.get_future().wait();
    }
    void end_loop() {
        work_.reset();
        thread_.join();
    }

    boost::asio::io_context io_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    std::unique_ptr<local_hub::LocalHub> hub_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace emprops::test
