// What one process offers, and how often others hear of it.

#include "supervisor/process/offer.h"

#include <gtest/gtest.h>

namespace emprops::process {
namespace {

using namespace std::chrono_literals;

struct OfferTest : testing::Test {
    ipc::Ready ready() const {
        ipc::Ready said;
        said.protocol = 1;
        said.job_types = {"a", "b", "a"};
        said.concurrency = 3;
        said.name = "sim";
        return said;
    }
    ipc::Status status(bool available, const std::string& reason = "") const {
        ipc::Status said;
        said.available = available;
        said.reason = reason;
        return said;
    }
    config::ConnectorSettings settings;
    TimePoint now = TimePoint{} + 1h;
};

TEST_F(OfferTest, ReadySaysItAll) {
    Offer offer(settings);
    EXPECT_EQ(offer.take(ready(), 42, true), std::nullopt);
    EXPECT_EQ(offer.info().job_types, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(offer.info().concurrency, 3);
    EXPECT_EQ(offer.info().pid, 42);
    EXPECT_TRUE(offer.info().attached);
    EXPECT_TRUE(offer.info().available);
    EXPECT_FALSE(offer.changed()) << "others hear of it as being ready";
}

TEST_F(OfferTest, TheConfigurationOverrulesIt) {
    settings.job_types = {"x"};
    settings.concurrency = 1;
    Offer offer(settings);
    EXPECT_EQ(offer.take(ready(), 42, false), std::nullopt);
    ipc::Capabilities change;
    change.job_types = std::vector<std::string>{"y"};
    change.concurrency = 7;
    EXPECT_EQ(offer.take(change), std::nullopt);
    EXPECT_EQ(offer.info().job_types, (std::vector<std::string>{"x"}));
    EXPECT_EQ(offer.info().concurrency, 1);
    EXPECT_EQ(offer.info().offers, 1u);
}

TEST_F(OfferTest, JobTypesThatCannotBeTakenChangeNothing) {
    Offer offer(settings);
    offer.take(ready(), 42, false);
    ipc::Capabilities change;
    change.job_types = std::vector<std::string>{std::string(300, 'x')};
    EXPECT_TRUE(offer.take(change));
    EXPECT_EQ(offer.info().job_types.size(), 2u);
    ipc::Ready bad = ready();
    bad.job_types = {std::string(300, 'x')};
    EXPECT_TRUE(Offer(settings).take(bad, 42, false));
}

TEST_F(OfferTest, OneThatReportsItsServiceIsUnavailableUntilItHas) {
    Offer offer(settings);
    ipc::Ready said = ready();
    said.features.status = true;
    offer.take(said, 42, false);
    EXPECT_FALSE(offer.info().available);
    EXPECT_EQ(offer.info().unavailable_reason, "it has not reported the state of its service yet");
    offer.take(status(true));
    EXPECT_TRUE(offer.info().available);
    EXPECT_EQ(offer.info().unavailable_reason, "");
    offer.take(status(false));
    EXPECT_EQ(offer.info().unavailable_reason, "its service is not available");
    offer.take(status(false, "no GPU"));
    EXPECT_EQ(offer.info().unavailable_reason, "no GPU");
}

TEST_F(OfferTest, ChangesAreToldTenTimesASecondAndTheNewestWins) {
    Offer offer(settings);
    EXPECT_FALSE(offer.take_change(now));
    offer.take(status(false));
    ASSERT_TRUE(offer.changed());
    auto change = offer.take_change(now);
    ASSERT_TRUE(change);
    EXPECT_TRUE(change->status);
    EXPECT_TRUE(change->says_otherwise);
    EXPECT_EQ(offer.tell_after(), now + 100ms);
    offer.take(status(true));
    offer.take(status(false));
    offer.take(ipc::Capabilities{});
    change = offer.take_change(now + 100ms);
    ASSERT_TRUE(change);
    EXPECT_TRUE(change->status);
    EXPECT_FALSE(change->says_otherwise) << "as others heard it last";
    EXPECT_FALSE(offer.changed());
    offer.take(ipc::Capabilities{});
    EXPECT_FALSE(offer.take_change(now + 1s)->status);
    offer.take(status(true));
    offer.forget_change();
    EXPECT_FALSE(offer.take_change(now + 2s));
}

}  // namespace
}  // namespace emprops::process
