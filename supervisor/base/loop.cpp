#include "supervisor/base/loop.h"

#include <boost/asio/execution_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <deque>
#include <optional>
#include <utility>

namespace emprops {
namespace {

namespace asio = boost::asio;

/// So many steps in a row, then sockets and pipes have their turn.
constexpr int steps_in_a_row = 64;
/// For so long something may be ready before what waits for the loop's rest is done all the same.
constexpr std::chrono::milliseconds longest_unrest{1};

/// What waits to be done in one loop. Made with the first use, gone with the loop.
class Steps : public asio::execution_context::service {
  public:
    using key_type = Steps;
    inline static asio::execution_context::id id;

    explicit Steps(asio::execution_context& loop) : service(loop) {}

    void add(std::function<void()> step) {
        if (!work_) work_.emplace(loop_->get_executor());
        steps_.push_back(std::move(step));
    }
    void add_at_rest(std::function<void()> step) {
        if (!work_) work_.emplace(loop_->get_executor());
        at_rest_.push_back(std::move(step));
    }
    bool empty() const { return steps_.empty(); }
    bool awaits_rest() const { return !at_rest_.empty(); }
    /// The loop rests: what has waited for it are the next steps.
    void rest() {
        for (auto& step : std::exchange(at_rest_, {}))
            steps_.push_back(std::move(step));
    }
    void run_some() {
        for (int i = 0; i < steps_in_a_row && !steps_.empty() && !loop_->stopped(); ++i) {
            const auto step = std::move(steps_.front());
            steps_.pop_front();
            step();
        }
        if (steps_.empty() && at_rest_.empty()) work_.reset();
    }
    /// run_loop() is under way.
    void drive(asio::io_context& loop) { loop_ = &loop; }
    bool is_driven() const { return loop_ != nullptr; }
    /// No more: whoever runs the loop next finds what was left.
    void leave() {
        rest();
        for (auto& step : std::exchange(steps_, {}))
            asio::post(*loop_, std::move(step));
        work_.reset();
        loop_ = nullptr;
    }

  private:
    void shutdown() override {
        rest();
        const auto steps = std::exchange(steps_, {});  // may own what belongs to the loop
        work_.reset();
    }

    asio::io_context* loop_ = nullptr;
    std::deque<std::function<void()>> steps_;
    std::deque<std::function<void()>> at_rest_;
    /// Steps that wait are work that the loop does not know of.
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
};

}  // namespace

void run_loop(asio::io_context& loop) {
    struct Drive {
        explicit Drive(asio::io_context& io) : steps(asio::use_service<Steps>(io)) { steps.drive(io); }
        ~Drive() { steps.leave(); }
        Steps& steps;
    } drive(loop);
    using SteadyClock = std::chrono::steady_clock;
    std::optional<SteadyClock::time_point> rests_by;
    while (!loop.stopped()) {
        if (drive.steps.awaits_rest()) {
            const auto now = SteadyClock::now();
            if (!rests_by) rests_by = now + longest_unrest;
            const bool steps = !drive.steps.empty();
            if (!steps && now < *rests_by && loop.poll_one() > 0) continue;
            if (!steps || now >= *rests_by) {
                rests_by.reset();
                drive.steps.rest();
            }
        }
        if (drive.steps.empty()) {
            loop.run_one();
        } else {
            drive.steps.run_some();
            if (!drive.steps.empty()) loop.poll_one();
        }
    }
}

void later(const asio::any_io_executor& executor, std::function<void()> work) {
    Steps& steps = asio::use_service<Steps>(executor.context());
    if (steps.is_driven()) return steps.add(std::move(work));
    asio::post(executor, std::move(work));
}

void at_rest(const asio::any_io_executor& executor, std::function<void()> work) {
    Steps& steps = asio::use_service<Steps>(executor.context());
    if (steps.is_driven()) return steps.add_at_rest(std::move(work));
    asio::post(executor, std::move(work));
}

}  // namespace emprops
