// Which file of a result goes to which place that its job has named.

#include "supervisor/files/destination.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ipc/json_text.h"
#include "supervisor/files/deliveries.h"

namespace emprops::files {
namespace {

using testing::HasSubstr;

struct Share : testing::Test {
    std::vector<ipc::ResultFile> files;
    std::vector<Destination> to;

    void file(const std::string& name, const std::string& node = "", const std::string& kind = "") {
        ipc::ResultFile& one = files.emplace_back();
        one.path = one.name = name;
        one.node = node;
        one.kind = kind;
    }
    FileMatch& put() {
        to.emplace_back().put = "https://h/" + std::to_string(to.size());
        return label();
    }
    FileMatch& store() {
        to.emplace_back().store = "s";
        return label();
    }
    FileMatch& label() {
        to.back().label = "outputs.to[" + std::to_string(to.size() - 1) + "]";
        return to.back().match;
    }
    std::vector<const ipc::ResultFile*> pointers() const {
        std::vector<const ipc::ResultFile*> all;
        for (const auto& each : files)
            all.push_back(&each);
        return all;
    }
    /// "0 - 2": the destination of each file; then " !1" for each that is unmet.
    std::string shared() const {
        const Shares shares = share_out(to, pointers());
        std::string text;
        for (const auto& each : shares.of_files)
            text += (text.empty() ? "" : " ") + (each ? std::to_string(*each) : "-");
        for (const auto each : shares.unmet)
            text += " !" + std::to_string(each);
        return text;
    }
};

TEST_F(Share, NothingIsNamedAndNothingIsShared) {
    file("a.png");
    EXPECT_EQ(shared(), "-");
}

TEST_F(Share, AMatchNamesAFileByNodeKindNameAndPlaceAmongThose) {
    file("a.png", "9", "images");
    file("b.png", "9", "images");
    file("c.mp4", "9", "videos");
    file("d.png", "12", "images");
    put().node = "12";
    put().name = "*.mp4";
    FileMatch& second = put();
    second.kind = "images";
    second.index = 1;
    EXPECT_EQ(shared(), "- 2 1 0");
}

TEST_F(Share, PatternsThatTheLoopWouldHaveToCompareForSecondsAreTooMuch) {
    for (int i = 0; i < 1000; ++i)
        file("a_file_of_thirty_characters_" + std::to_string(i % 100));
    for (int i = 0; i < 64; ++i)
        put().name = "*_a_pattern_of_forty_characters_*" + std::to_string(i);
    EXPECT_FALSE(is_too_much(to, pointers()));
    for (int i = 0; i < 64; ++i)
        to[static_cast<std::size_t>(i)].match.name = std::string(200, '*') + "a*b";
    EXPECT_TRUE(is_too_much(to, pointers()));
    Delivery delivery;
    for (const auto& each : files)
        delivery.files.emplace_back().file = each;
    assign(delivery, to);
    ASSERT_TRUE(delivery.refused);
    EXPECT_EQ(delivery.refused->code, "invalid_payload");
    EXPECT_THAT(delivery.refused->message, HasSubstr("too long for 1000 files"));
}

TEST_F(Share, WhoeverAsksForAnyMakesRoomForWhoAsksForOne) {
    file("a.png", "9");
    file("b.png", "12");
    put();
    put().node = "9";
    EXPECT_EQ(shared(), "1 0");
    to[0].match.index = 0;
    EXPECT_EQ(shared(), "0 - !1") << "both mean the very same file";
}

TEST_F(Share, ManyThatOverlapAreMetIfTheyCanBe) {
    for (const char* name : {"a", "b", "c", "d"})
        file(name, name);
    put();
    put().name = "?";
    put().node = "a";
    put().name = "b";
    EXPECT_THAT(shared(), testing::Not(HasSubstr("!")));
    put();
    EXPECT_THAT(shared(), HasSubstr("!4"));
}

TEST_F(Share, AStoreTakesAllThatFitAndNoUrlHas) {
    file("a.png");
    file("b.png");
    file("c.txt");
    store().name = "*.png";
    put();
    EXPECT_EQ(shared(), "1 0 -") << "one file per URL, wherever it stands in the list";
    to[0].match.name = "*.mp4";
    EXPECT_EQ(shared(), "1 - -") << "a store waits for no file";
}

TEST_F(Share, WhatIsUnmetIsSaidWithWhatIsThere) {
    file("a.png", "9", "images");
    file("b.txt");
    put().node = "10";
    put().index = 5;
    const auto all = pointers();
    const Shares shares = share_out(to, all);
    EXPECT_EQ(
        unmet_text(to, shares.unmet, all),
        "no file is there for outputs.to[0] (node \"10\"), outputs.to[1] (index 5); the job's files, each of which "
        "goes to one URL: \"a.png\" (node \"9\", kind \"images\"), \"b.txt\"");
}

TEST_F(Share, ADestinationIsTheSameAfterARestart) {
    Destination put, store, bare;
    put.label = store.label = bare.label = "outputs.to[0]";
    put.put = "https://h/x?sig=1";
    put.headers = {{"a", "b"}};
    store.store = bare.store = "s";
    store.prefix = "x/y";
    store.is_ctx = true;
    store.public_url = "https://cdn";
    for (const Destination& each : {put, store, bare}) {
        const auto read = read_destination(ipc::Json::parse(destination_text(each)));
        ASSERT_TRUE(read);
        EXPECT_EQ(destination_text(*read), destination_text(each));
        EXPECT_EQ(read->prefix, each.prefix);
        EXPECT_EQ(read->is_ctx, each.is_ctx);
    }
    for (const char* text :
         {"{}", "5", R"({"name":"x"})", R"({"name":"x","put":"y","store":"z"})", R"({"put":"y"})"})
        EXPECT_FALSE(read_destination(ipc::Json::parse(text))) << text;
}

Destination to_put(const std::string& url) {
    Destination to;
    to.label = "outputs.to[0]";
    to.put = url;
    return to;
}

Delivery delivery_of(std::vector<std::string> names) {
    Delivery delivery;
    delivery.number = 5;
    delivery.job_id = "j";
    delivery.connector = "c";
    delivery.folder = "5";
    std::string marks;
    for (const std::string& name : names) {
        FileOnWay& one = delivery.files.emplace_back();
        one.file.path = one.file.name = one.place = name;
        one.bytes = 3;
        one.stores = {"results"};
        marks += std::string(marks.empty() ? "" : ",") + R"({"$file":)" +
                 std::to_string(delivery.files.size() - 1) + "}";
    }
    delivery.result = R"({"files":[)" + marks + "]}";
    return delivery;
}

TEST(Assigned, TheCourierIsToldAndTheLedgerKnowsItAfterARestart) {
    Delivery delivery = delivery_of({"a.png", "b.png"});
    Destination put = to_put("https://h/x?sig=1");
    put.match.name = "b.png";
    assign(delivery, {put});
    EXPECT_FALSE(delivery.files[0].to);
    ASSERT_TRUE(delivery.files[1].to);
    const auto told = ipc::Json::parse(courier_payload(delivery, 1, 0, false, false).text());
    EXPECT_EQ(told["to"]["put"], "https://h/x?sig=1");
    EXPECT_EQ(told["to"]["name"], "outputs.to[0]");
    EXPECT_FALSE(ipc::Json::parse(courier_payload(delivery, 0, 0, false, false).text()).contains("to"));
    const auto read = read_state(state_text(delivery));
    ASSERT_TRUE(read.ok());
    EXPECT_FALSE(read->files[0].to);
    EXPECT_EQ(courier_payload(*read, 1, 0, false, false).text(), [&] {
        Delivery same = delivery;
        same.job_id = same.job_type = "";
        return courier_payload(same, 1, 0, false, false).text();
    }());
}

TEST(Assigned, AJobWhoseUrlFindsNoFileFailsAndItsFilesAreKept) {
    Delivery delivery = delivery_of({"a.png"});
    Destination put = to_put("https://h/x?sig=SECRET");
    put.match.node = "10";
    assign(delivery, {put});
    auto again = read_state(state_text(delivery));
    ASSERT_TRUE(again.ok());
    again->number = 5;
    for (Delivery* each : {&delivery, &*again}) {
        Deliveries deliveries;
        deliveries.courier_ready({}, {"courier", 0}, 4);
        deliveries.add({}, std::move(*each));
        const auto actions = deliveries.take_actions();
        ASSERT_EQ(actions.size(), 1u);
        const auto& ended = std::get<EndDelivery>(actions[0]);
        EXPECT_TRUE(ended.kept);
        const ipc::JobError& error = std::get<jobs::Failed>(ended.value).error;
        EXPECT_EQ(error.code, ipc::code::invalid_payload);
        EXPECT_FALSE(error.retryable);
        EXPECT_THAT(error.message, HasSubstr("no file is there for outputs.to[0] (node \"10\")"));
        EXPECT_THAT(error.message, HasSubstr("\"a.png\""));
        EXPECT_THAT(error.message, testing::Not(HasSubstr("SECRET")));
    }
}

}  // namespace
}  // namespace emprops::files
