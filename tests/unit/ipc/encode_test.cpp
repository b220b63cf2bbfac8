#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>

#include "ipc/codec.h"

namespace emprops::ipc {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

Progress progress_of(const std::string& message) {
    Progress progress;
    progress.job_id = "j";
    progress.message = message;
    return progress;
}

LogLine log_of(Json fields) {
    LogLine log;
    log.message = "m";
    log.fields = std::move(fields);
    return log;
}

const char* const awkward = R"({"b":1.10,"a":1e5,"s":18446744073709551616,"u":"\ud800"})";

TEST(Encode, JobHasTypeFirstJobIdSecondAndPayloadLast) {
    Job job;
    job.job_id = "j\"1\n";
    job.job_type = "t";
    job.priority = -3;
    job.attempt = 2;
    job.resume = true;
    job.timeout = Ms(1500);
    job.work_dir = "/w";
    job.payload = awkward;
    EXPECT_EQ(
        encode(ToConnector{job}),
        std::string(
            R"({"type":"job","job_id":"j\"1\n","job_type":"t","priority":-3,"attempt":2,"resume":true,)") +
            R"("timeout_ms":1500,"work_dir":"/w","payload":)" + awkward + "}\n");
}

TEST(Encode, JobWithoutTimeLimitHasNoSuchField) {
    EXPECT_THAT(encode(ToConnector{Job{}}), testing::Not(HasSubstr("timeout_ms")));
}

TEST(Encode, ResultIsLastAndByteForByte) {
    EXPECT_EQ(encode(FromConnector{JobResult{"j", {awkward}}}),
              std::string(R"({"type":"result","job_id":"j","result":)") + awkward + "}\n");
}

TEST(Encode, RawLineBreaksInRawJsonNeverBreakTheLine) {
    const std::string line = encode(FromConnector{JobResult{"j", {"{\n\"a\":\r\n1}"}}});
    EXPECT_EQ(line, "{\"type\":\"result\",\"job_id\":\"j\",\"result\":{ \"a\":  1}}\n");
}

TEST(Encode, TextThatIsNotUtf8IsReplacedAndNothingThrows) {
    Progress progress = progress_of("caf\xe9");
    progress.details = {{"k\xff", "\xed\xa0\x80"}};
    const std::string line = encode(FromConnector{progress});
    EXPECT_FALSE(check_json(line).has_value()) << line;
    EXPECT_THAT(line, HasSubstr("caf\xef\xbf\xbd"));
    EXPECT_THAT(encode(ToConnector{Cancel{"\xff", "\xfe"}}),
                StartsWith("{\"type\":\"cancel\",\"job_id\":\"\xef\xbf\xbd\""));
}

TEST(Encode, NumbersThatJsonCannotHoldBecomeNull) {
    const LogLine log = log_of({{"x", std::nan("")}});
    EXPECT_THAT(encode(FromConnector{log}), EndsWith("\"fields\":{\"x\":null}}\n"));
}

TEST(Encode, WhatIsEmptyIsLeftOut) {
    EXPECT_EQ(encode(FromConnector{progress_of("")}),
              "{\"type\":\"progress\",\"job_id\":\"j\",\"status\":\"processing\"}\n");
    EXPECT_EQ(encode(FromConnector{Capabilities{}}), "{\"type\":\"capabilities\"}\n");
    EXPECT_EQ(encode(FromConnector{log_of(nullptr)}),
              "{\"type\":\"log\",\"level\":\"info\",\"message\":\"m\"}\n");
    EXPECT_EQ(to_json(JobError{}), Json({{"code", "internal"}, {"message", ""}, {"retryable", true}}));
}

TEST(Encode, EmptyListOfJobTypesIsSentInCapabilities) {
    Capabilities none;
    none.job_types.emplace();
    EXPECT_EQ(encode(FromConnector{none}), "{\"type\":\"capabilities\",\"job_types\":[]}\n");
}

ToConnector to_connector(std::string_view line) {
    auto message = decode_to_connector(line);
    if (!message.ok() || !message->has_value()) {
        ADD_FAILURE() << line;
        return Drain{};
    }
    return std::move(**message);
}

TEST(DecodeToConnector, JobIsReadBackAsItWas) {
    Job job;
    job.job_id = "\xf0\x9f\x98\x80 ../x";
    job.job_type = "t";
    job.priority = 7;
    job.attempt = 3;
    job.work_dir = "/w";
    job.timeout = Ms(5);
    job.payload = awkward;
    const auto back = std::get<Job>(to_connector(encode(ToConnector{job})));
    EXPECT_EQ(back.job_id, job.job_id);
    EXPECT_EQ(back.job_type, "t");
    EXPECT_EQ(back.priority, 7);
    EXPECT_EQ(back.attempt, 3);
    EXPECT_FALSE(back.resume);
    EXPECT_EQ(back.timeout, Ms(5));
    EXPECT_EQ(back.work_dir, "/w");
    EXPECT_EQ(back.payload.text(), awkward);
}

TEST(EncodeToConnector, ALargePayloadIsSharedAndASmallOneIsCopied) {
    Job job;
    job.job_id = "j";
    for (const std::size_t size : {10u, 100'000u}) {
        job.payload = "{\"x\":\"" + std::string(size, 'x') + "\"}";
        const SharedLine line = encode_shared(ToConnector{job});
        std::string joined;
        for (const std::string_view part : line.parts())
            joined += part;
        EXPECT_TRUE(joined == encode(ToConnector{job}));
        EXPECT_EQ(line.size(), joined.size());
        EXPECT_EQ(line.parts()[1].data() == job.payload.text().data(), size > 10);
    }
}

TEST(EncodeToConnector, ALargePayloadWithLineBreaksIsPutOnOneLine) {
    Job job;
    job.payload = "{\"x\":\n\"" + std::string(100'000, 'x') + "\"}";
    const SharedLine line = encode_shared(ToConnector{job});
    EXPECT_TRUE(line.head == encode(ToConnector{job}));
    EXPECT_EQ(line.head.find('\n'), line.head.size() - 1);
}

TEST(DecodeToConnector, HelloIsReadBackAndHasDefaults) {
    Hello hello;
    hello.worker_id = "w";
    hello.instance = 2;
    hello.settings = {{"a", 1}};
    hello.heartbeat_interval = Ms(250);
    hello.concurrency = 2;
    const auto back = std::get<Hello>(to_connector(encode(ToConnector{hello})));
    EXPECT_EQ(back.protocol_versions, std::vector<int>{1});
    EXPECT_EQ(back.worker_id, "w");
    EXPECT_EQ(back.instance, 2);
    EXPECT_EQ(back.settings, hello.settings);
    EXPECT_EQ(back.heartbeat_interval, Ms(250));
    EXPECT_EQ(back.concurrency, 2);
    const auto bare = std::get<Hello>(to_connector(R"({"type":"hello","protocol_versions":[1,2]})"));
    EXPECT_EQ(bare.protocol_versions, (std::vector<int>{1, 2}));
    EXPECT_EQ(bare.heartbeat_missed, Hello{}.heartbeat_missed);
    EXPECT_EQ(bare.concurrency, std::nullopt) << "not configured";
    EXPECT_EQ(bare.max_line_bytes, Hello{}.max_line_bytes);
}

TEST(DecodeToConnector, SmallMessagesAreReadBack) {
    EXPECT_EQ(std::get<Begin>(to_connector(encode(ToConnector{Begin{"j"}}))).job_id, "j");
    EXPECT_EQ(std::get<Cancel>(to_connector(encode(ToConnector{Cancel{"j", "r"}}))).reason, "r");
    EXPECT_EQ(std::get<Ping>(to_connector(encode(ToConnector{Ping{~0ull}}))).id, ~0ull);
    EXPECT_EQ(std::get<Shutdown>(to_connector(encode(ToConnector{Shutdown{Ms(7)}}))).grace, Ms(7));
    EXPECT_EQ(std::get<Shutdown>(to_connector(R"({"type":"shutdown"})")).grace, Shutdown{}.grace);
    EXPECT_TRUE(std::holds_alternative<Drain>(to_connector(encode(ToConnector{Drain{}}))));
}

TEST(DecodeToConnector, UnknownTypeIsNoError) {
    const auto message = decode_to_connector(R"({"type":"rewind"})");
    ASSERT_TRUE(message.ok());
    EXPECT_FALSE(message->has_value());
}

TEST(DecodeToConnector, BrokenMessagesAreErrorsThatNameTheField) {
    const auto reason = [](std::string_view line) {
        const auto message = decode_to_connector(line);
        return message.ok() ? std::string() : message.error().code + ": " + message.error().message;
    };
    EXPECT_THAT(reason("{"), HasSubstr("protocol_error: not valid JSON at byte 1"));
    EXPECT_THAT(reason("{}"), HasSubstr("\"type\""));
    EXPECT_THAT(reason(R"({"type":"job","job_id":"j","job_type":"t"})"), HasSubstr("\"payload\""));
    EXPECT_THAT(reason(R"({"type":"job","job_id":"j","job_type":"t","payload":[]})"),
                HasSubstr("\"payload\""));
    EXPECT_THAT(reason(R"({"type":"job","job_id":"j","payload":{}})"), HasSubstr("\"job_type\""));
    EXPECT_THAT(reason(R"({"type":"hello"})"), HasSubstr("\"protocol_versions\""));
    EXPECT_THAT(reason(R"({"type":"hello","protocol_versions":["1"]})"), HasSubstr("\"protocol_versions\""));
    EXPECT_THAT(reason(R"({"type":"hello","protocol_versions":[1],"heartbeat":{"missed":"3"}})"),
                HasSubstr("\"heartbeat\""));
    EXPECT_THAT(reason(R"({"type":"ping"})"), HasSubstr("\"id\""));
}

}  // namespace
}  // namespace emprops::ipc
