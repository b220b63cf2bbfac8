#include "connector-sdk/cpp/src/cancel_token.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

#include "emprops/cancel_guard.h"

namespace emprops::sdk {
namespace {

constexpr std::chrono::milliseconds at_once{0};
constexpr std::chrono::hours forever{1};
using Cause = CancelToken::Cause;

TEST(CancelToken, IsQuietUntilTheFirstCancelAndKeepsItsReason) {
    CancelToken token;
    EXPECT_FALSE(token.cancelled());
    EXPECT_FALSE(token.wait(at_once));
    token.cancel("by a client", Cause::cancel);
    token.cancel("later", Cause::leave);
    EXPECT_TRUE(token.cancelled());
    EXPECT_EQ(token.reason(), "by a client");
    EXPECT_EQ(token.cause(), Cause::cancel);
}

TEST(CancelToken, ACancelAfterALeaveMeansThatNothingIsDelivered) {
    CancelToken token;
    token.cancel("leaving", Cause::leave);
    token.cancel("by a client", Cause::cancel);
    EXPECT_EQ(token.cause(), Cause::cancel);
}

TEST(CancelToken, RemembersWhetherTheJobHasSeenIt) {
    CancelToken token;
    EXPECT_FALSE(token.cancelled());
    token.cancel("", Cause::leave);
    EXPECT_TRUE(token.fired());
    EXPECT_FALSE(token.observed()) << "asking before the cancel does not count";
    EXPECT_TRUE(token.wait(at_once));
    EXPECT_TRUE(token.observed());
}

TEST(CancelToken, WakesAWaitingJob) {
    CancelToken token;
    auto waiting = std::async(std::launch::async, [&] { return token.wait(forever); });
    token.cancel("", Cause::cancel);
    EXPECT_TRUE(waiting.get());
}

TEST(CancelToken, AJobThatIsPreparedWaitsForItsTurnOrItsCancel) {
    CancelToken token;
    EXPECT_TRUE(token.wait_turn()) << "unless it is prepared first, it is its turn from the beginning";
    token.set_turn(false);
    auto waiting = std::async(std::launch::async, [&] { return token.wait_turn(); });
    token.set_turn(true);
    EXPECT_TRUE(waiting.get());
    token.set_turn(false);
    auto cancelled = std::async(std::launch::async, [&] { return token.wait_turn(); });
    token.cancel("", Cause::leave);
    EXPECT_FALSE(cancelled.get());
    EXPECT_TRUE(token.observed());
}

TEST(CancelToken, RunsEachCallbackOnceOnAnotherThread) {
    CancelToken token;
    std::atomic<int> calls{0};
    std::atomic<bool> same_thread{false};
    const auto callback = [&, me = std::this_thread::get_id()] {
        ++calls;
        if (std::this_thread::get_id() == me) same_thread = true;
    };
    token.on_cancel(callback);
    token.cancel("", Cause::cancel);
    token.cancel("", Cause::cancel);
    token.on_cancel(callback);  // already cancelled: at once
    token.join();
    EXPECT_EQ(calls, 2);
    EXPECT_FALSE(same_thread);
    EXPECT_TRUE(token.observed());
}

TEST(CancelToken, ACallbackThatHangsDelaysNoOther) {
    CancelToken token;
    std::promise<void> release, ran;
    token.on_cancel([gate = release.get_future().share()] { gate.wait(); });
    token.on_cancel([&] { ran.set_value(); });
    token.cancel("", Cause::cancel);
    ran.get_future().wait();
    release.set_value();
}

TEST(CancelToken, ACallbackThatThrowsHarmsNobody) {
    CancelToken token;
    token.on_cancel([] { throw std::runtime_error("oops"); });
    token.on_cancel([] { throw 5; });
    token.cancel("", Cause::cancel);
    token.join();
    EXPECT_TRUE(token.observed());
}

TEST(CancelToken, NoCallbackStartsAfterTheJobHasEnded) {
    CancelToken token;
    std::atomic<int> calls{0};
    token.on_cancel([&] { ++calls; });
    token.join();
    token.cancel("", Cause::cancel);
    token.on_cancel([&] { ++calls; });
    token.join();
    EXPECT_EQ(calls, 0);
}

/// Only what CancelGuard needs.
class TokenContext : public JobContext {
  public:
    CancelToken token;
    void progress(std::optional<double>, const std::string&, const std::string&, const Json&) override {}
    bool cancelled() const override { return token.cancelled(); }
    std::string cancel_reason() const override { return token.reason(); }
    bool wait_cancelled(std::chrono::milliseconds duration) override { return token.wait(duration); }
    void on_cancel(std::function<void()> callback) override { token.on_cancel(std::move(callback)); }
    void service_request(const std::string&, const std::string&, const Json&) override {}
};

TEST(CancelGuard, CallsTheCallbackWhileItLives) {
    TokenContext context;
    std::promise<void> called;
    CancelGuard guard(context, [&] { called.set_value(); });
    context.token.cancel("", Cause::cancel);
    called.get_future().wait();
}

TEST(CancelGuard, NeverCallsItAfterwards) {
    TokenContext context;
    int calls = 0;
    {
        CancelGuard guard(context, [&] { ++calls; });
    }
    context.token.cancel("", Cause::cancel);
    context.token.join();
    EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace emprops::sdk
