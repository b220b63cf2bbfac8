// The short cut for progress lines never says anything that the decoder would not say.

#include <gtest/gtest.h>

#include "ipc/codec.h"

namespace emprops::ipc {
namespace {

TEST(QuickProgress, KnowsTheLinesThatSdksWrite) {
    EXPECT_EQ(quick_progress(R"({"type":"progress","job_id":"j","progress":42,"message":"x"})"), "j");
    EXPECT_EQ(quick_progress(R"({"type": "progress", "job_id": "j", "progress": 0, "status": "s"} )"), "j");
    EXPECT_EQ(quick_progress("{\"progress\":100,\"job_id\":\"\xc3\xa4\",\"type\":\"progress\"}"), "\xc3\xa4");
    EXPECT_EQ(quick_progress(R"({"type":"progress","job_id":"j"})"), "j");
}

TEST(QuickProgress, LeavesEverythingElseToTheDecoder) {
    for (const char* line : {
             "",
             "{",
             "{}",
             "x",
             R"({"type":"progress"})",
             R"({"type":"progress","job_id":""})",
             R"({"type":"progress","job_id":7})",
             R"({"type":"progress","job_id":"a\\u0062"})",
             R"({"type":"progress","job_id":"a","job_id":"b"})",
             R"({"type":"progress","job_id":"a","type":"result","result":{}})",
             R"({"type":"progress","job_id":"a","progress":101})",
             R"({"type":"progress","job_id":"a","progress":4.5})",
             R"({"type":"progress","job_id":"a","progress":NaN})",
             R"({"type":"progress","job_id":"a","message":7})",
             R"({"type":"progress","job_id":"a","details":{}})",
             R"({"type":"progress","job_id":"a","progress":1)",
             R"({"type":"progress","job_id":"a","progress":1}})",
             R"({"type":"progress","job_id":"a","progress":1,})",
             R"({"type":"result","job_id":"a","result":{}})",
         })
        EXPECT_FALSE(quick_progress(line)) << line;
}

TEST(QuickProgress, AgreesWithTheDecoderOnEveryDamagedLine) {
    const std::string whole =
        R"({"type":"progress","job_id":"j-1","progress":42,"message":"m","status":"s"})";
    ASSERT_TRUE(quick_progress(whole));
    const auto agree = [](const std::string& line) {
        const auto job_id = quick_progress(line);
        if (!job_id) return;
        const auto decoded = decode_from_connector(line);
        const auto* message = std::get_if<FromConnector>(&decoded);
        ASSERT_TRUE(message != nullptr && std::holds_alternative<Progress>(*message)) << line;
        EXPECT_EQ(std::get<Progress>(*message).job_id, *job_id) << line;
    };
    for (std::size_t at = 0; at < whole.size(); ++at) {
        agree(whole.substr(0, at));
        std::string without = whole;
        agree(without.erase(at, 1));
        for (const char byte : {'"', '\\', '{', '}', ',', ':', ' ', '0', 'x', '\n', '\0', '\xff'}) {
            std::string other = whole;
            other[at] = byte;
            agree(other);
            agree(whole.substr(0, at) + byte + whole.substr(at));
        }
    }
}

TEST(ConnectorLimits, ManySmallValuesBesideTheResultAreRefused) {
    std::string many = R"({"type":"status","connected":true,"details":{"x":[{})";
    while (many.size() < connector_limits.max_fields_bytes + 100)
        many += ",{}";
    const auto decoded = decode_from_connector(many + "]}}");
    const auto* malformed = std::get_if<Malformed>(&decoded);
    ASSERT_NE(malformed, nullptr);
    EXPECT_NE(malformed->reason.find("262144"), std::string::npos) << malformed->reason;
    EXPECT_EQ(malformed->type, "status");
    const std::string result = R"({"type":"result","job_id":"j","result":{"x":")" + std::string(1 << 20, 'x');
    EXPECT_TRUE(std::holds_alternative<FromConnector>(decode_from_connector(result + "\"}}")));
}

}  // namespace
}  // namespace emprops::ipc
