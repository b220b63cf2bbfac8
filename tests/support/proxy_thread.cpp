#include "tests/support/proxy_thread.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <thread>

namespace emprops::test {

struct ProxyThread::Impl {
    explicit Impl(std::uint16_t target_port) : proxy(std::make_unique<FaultProxy>(io, target_port)) {
        thread = std::thread([this] { io.run(); });
    }
    ~Impl() {
        run([this] { proxy.reset(); });
        work.reset();
        io.stop();
        thread.join();
    }
    void run(const std::function<void()>& what) {
        std::promise<void> done;
        boost::asio::post(io, [&] {
            what();
            done.set_value();
        });
        done.get_future().wait();
    }

    boost::asio::io_context io;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
    std::unique_ptr<FaultProxy> proxy;  // touched by the thread only once it runs
    std::thread thread;
};

ProxyThread::ProxyThread(std::uint16_t target_port) : impl_(std::make_unique<Impl>(target_port)) {}
ProxyThread::~ProxyThread() = default;

std::string ProxyThread::url() const {
    std::uint16_t port = 0;
    impl_->run([&] { port = impl_->proxy->port(); });
    return "ws://127.0.0.1:" + std::to_string(port);
}

void ProxyThread::set(const FaultProxy::Faults& faults) {
    impl_->run([&] { impl_->proxy->faults = faults; });
}

void ProxyThread::cut() {
    impl_->run([&] { impl_->proxy->cut(); });
}

std::size_t ProxyThread::connections() const {
    std::size_t number = 0;
    impl_->run([&] { number = impl_->proxy->connections(); });
    return number;
}

}  // namespace emprops::test
