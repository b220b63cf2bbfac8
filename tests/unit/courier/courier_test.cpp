// The pure parts of the courier: what it is asked for, what it says on the way, how it fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/courier/delivery.h"
#include "connectors/courier/order.h"
#include "connectors/courier/reporter.h"
#include "connectors/courier/turns.h"

namespace emprops::courier {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Order order(Json payload) {
    return read_order(payload);
}
std::string refusal(const Json& payload) {
    try {
        read_order(payload);
    } catch (const JobFailure& failure) {
        EXPECT_EQ(failure.code(), "invalid_payload");
        EXPECT_FALSE(failure.retryable());
        return failure.what();
    }
    return "";
}
std::string value(const Order& order, const std::string& name) {
    for (const auto& each : order.values)
        if (each.first == name) return each.second;
    return "none";
}

TEST(Order, HasTheFileItsValuesAndTheStoresInTheirOrder) {
    const Order read = order(
        {{"file",
          {{"path", "17/files/picture.png"}, {"name", "a.b.png"}, {"mime_type", "image/webp"}, {"size", 5}}},
         {"values", {{"job_id", "17"}, {"index", 3}, {"node", nullptr}}},
         {"stores", {"results", "inline", "results"}},
         {"inline_max_bytes", 100},
         {"by_job", {"results"}},
         {"formed", true},
         {"repeat", true},
         {"begun", {{"store", "results"}}}});
    EXPECT_EQ(read.begun, Json({{"store", "results"}}));
    EXPECT_EQ(read.mime_type, "image/webp");
    EXPECT_EQ(read.size, 5u);
    EXPECT_THAT(read.stores, ElementsAre("results", "inline"));
    EXPECT_THAT(read.by_job, ElementsAre("results"));
    EXPECT_TRUE(read.formed);
    EXPECT_TRUE(read.repeat);
    EXPECT_EQ(value(read, "index"), "3");
    EXPECT_EQ(value(read, "node"), "") << "every word of a template has a value";
    EXPECT_EQ(value(read, "stem"), "a.b");
    EXPECT_EQ(value(read, "ext"), "png");
}

TEST(Order, NameAndTypeComeFromThePathWhereNobodyToldThem) {
    const Order read =
        order({{"file", {{"path", "17/x.JPG"}, {"mime_type", "a\nb"}}}, {"stores", {"inline"}}});
    EXPECT_EQ(read.name, "x.JPG");
    EXPECT_EQ(read.mime_type, "image/jpeg");
    EXPECT_EQ(order({{"file", {{"url", "http://h/a/v.mp4?x=1"}}}, {"stores", {"inline"}}}).name, "v.mp4");
}

TEST(Order, WhatCannotBeDoneIsRefusedWithTheReason) {
    const Json file{{"path", "a"}};
    EXPECT_THAT(refusal({{"stores", {"inline"}}}), HasSubstr("file must be an object"));
    EXPECT_THAT(refusal({{"file", Json::object()}, {"stores", {"inline"}}}),
                HasSubstr("neither path nor url"));
    EXPECT_THAT(refusal({{"file", file}}), HasSubstr("stores must be a list"));
    EXPECT_THAT(refusal({{"file", file}, {"stores", {"inline"}}, {"by_job", "inline"}}),
                HasSubstr("by_job must be a list"));
    EXPECT_THAT(refusal({{"file", file}, {"stores", Json::array()}}), HasSubstr("at least one"));
    EXPECT_THAT(refusal({{"file", {{"path", 1}}}, {"stores", {"inline"}}}), HasSubstr("path must be a text"));
    EXPECT_THAT(refusal({{"file", {{"path", "a"}, {"size", -1}}}, {"stores", {"inline"}}}),
                HasSubstr("size"));
    EXPECT_THAT(refusal({{"file", {{"path", "a"}, {"name", "b/c"}}}, {"stores", {"inline"}}}),
                HasSubstr("name"));
}

TEST(Order, APlaceThatItsJobHasNamed) {
    const Json file{{"path", "17/x.png"}};
    const auto with = [&](const Json& to) {
        return Json{{"file", file}, {"stores", {"outputs.to[0]", "inline"}}, {"to", to}};
    };
    const Order put =
        order(with({{"name", "outputs.to[0]"}, {"put", "https://h/x?y"}, {"headers", {{"a", "b"}}}}));
    ASSERT_TRUE(put.to);
    EXPECT_EQ(put.to->put, "https://h/x?y");
    EXPECT_EQ(put.to->headers.at("a"), "b");
    EXPECT_FALSE(put.type_is_told);
    const Order store =
        order(with({{"name", "n"}, {"store", "s"}, {"prefix", "x/y"}, {"public_url", "https://cdn"}}));
    EXPECT_EQ(store.to->store, "s");
    EXPECT_EQ(store.to->prefix, "x/y");
    EXPECT_EQ(store.to->public_url, "https://cdn");
    EXPECT_FALSE(order(with({{"name", "n"}, {"store", "s"}})).to->prefix);
    for (const Json& to :
         std::initializer_list<Json>{5,
                                     Json::object(),
                                     {{"name", "n"}},
                                     {{"name", "n"}, {"put", "p"}, {"store", "s"}},
                                     {{"put", "p"}},
                                     {{"name", "n"}, {"store", "s"}, {"prefix", "../x"}},
                                     {{"name", "n"}, {"store", "s"}, {"prefix", "/x"}},
                                     {{"name", "n"}, {"store", "s"}, {"prefix", "a/{sha256}"}},
                                     {{"name", "n"}, {"store", "s"}, {"prefix", 5}},
                                     {{"name", "n"}, {"put", "p"}, {"headers", {{"a", "b\r\nc: d"}}}},
                                     {{"name", "n"}, {"put", "p"}, {"headers", 5}}})
        EXPECT_NE(refusal(with(to)), "") << to;
}

TEST(Failure, HasEachStoresReasonTheCuresAndWhetherAnotherTryMayHelp) {
    const JobFailure passing =
        failure_of("a.png", {{"results", "answers 503", "", true, stores::Trouble::store},
                             {"inline", "it has 6 B", "deliver to a store", false, {}}});
    EXPECT_EQ(passing.code(), "service_unavailable");
    EXPECT_TRUE(passing.retryable());
    EXPECT_THAT(std::string(passing.what()), AllOf(HasSubstr("results: answers 503; inline: it has 6 B"),
                                                   HasSubstr("To do: deliver to a store")));
    EXPECT_EQ(passing.details()["stores"], Json({{"results", "answers 503"}, {"inline", "it has 6 B"}}));
    const auto code = [](std::optional<stores::Trouble> trouble) {
        const JobFailure failure = failure_of("a", {{"x", "no", "", false, trouble}});
        EXPECT_FALSE(failure.retryable());
        return failure.code();
    };
    EXPECT_EQ(code(stores::Trouble::access), "access_denied");
    EXPECT_EQ(code(stores::Trouble::too_large), "result_too_large");
    EXPECT_EQ(code(stores::Trouble::store), "service_unavailable");
    EXPECT_EQ(code(stores::Trouble::configuration), "internal");
    EXPECT_EQ(code({}), "result_too_large");
}

TEST(Reporter, IsNeitherLoudNorSilent) {
    TimePoint now{};
    std::vector<std::string> said;
    Reporter reporter(
        [&](std::optional<double> percent, const std::string& message) {
            said.push_back(message + " " + std::to_string(static_cast<int>(percent.value_or(-1))));
        },
        [&] { return now; });
    reporter.begin("sends", 1000);
    for (std::uint64_t sent = 0; sent <= 500; ++sent)
        reporter.moved(sent);
    EXPECT_THAT(said, ElementsAre("sends 0"));
    now += milliseconds(300);
    reporter.moved(500);
    reporter.tick();
    now += milliseconds(3999);
    reporter.tick();
    EXPECT_THAT(said, ElementsAre("sends 0", "sends 50"));
    now += milliseconds(1);
    reporter.tick();
    reporter.say("waits");
    EXPECT_THAT(said, ElementsAre("sends 0", "sends 50", "sends 50", "waits 50"));
}

TEST(Turns, AJobWithMoreAtWorkLetsOneThatWaitsGoFirst) {
    Turns turns(2);
    turns.wait("a");
    turns.wait("a");
    EXPECT_TRUE(turns.is_due("a"));
    turns.begin("a");
    EXPECT_TRUE(turns.is_due("a")) << "nobody else waits";
    turns.begin("a");
    turns.wait("a");
    turns.wait("b");
    EXPECT_FALSE(turns.is_due("b")) << "only two at a time";
    turns.end("a");
    EXPECT_FALSE(turns.is_due("a"));
    EXPECT_TRUE(turns.is_due("b"));
    turns.leave("b");
    EXPECT_TRUE(turns.is_due("a")) << "it waits no more";
    turns.wait("b");
    turns.end("a");
    EXPECT_TRUE(turns.is_due("a") && turns.is_due("b")) << "of those that have the same, who looks first";
}

}  // namespace
}  // namespace emprops::courier
