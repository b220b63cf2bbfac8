#include "supervisor/jobs/ledger_record.h"

#include <gtest/gtest.h>

#include "ipc/web/digest.h"

namespace emprops::jobs::test {
namespace {

LedgerRecord sample() {
    LedgerRecord record;
    record.hub_url = "wss://hub.example:9/ws";
    record.number = (std::uint64_t{7} << 32) + 3;
    record.job_id = "../x\n\"y\"";
    record.job_type = "comfyui";
    record.priority = -4;
    record.claimed_as = {"w-1", "w-2"};
    record.connector = "comfyui";
    record.attempt = 3;
    return record;
}

/// The file with other content behind a checksum that is right again.
std::string resealed(std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    const std::string digits = R"({"version":1,"checksum":")";
    const std::size_t covered = digits.size() + 64 + 2;
    text.replace(digits.size(), 64, sha256_hex(std::string_view(text).substr(covered)));
    return text;
}

TEST(LedgerRecord, AnAssignmentComesBackAsItWas) {
    const std::string text = encode_record(sample());
    EXPECT_EQ(text.back(), '\n');
    EXPECT_EQ(text.find('\n'), text.size() - 1) << "one line";
    const Result<LedgerRecord> back = decode_record(text);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(back->hub_url, sample().hub_url);
    EXPECT_EQ(back->number, sample().number);
    EXPECT_EQ(back->job_id, sample().job_id);
    EXPECT_EQ(back->job_type, "comfyui");
    EXPECT_EQ(back->priority, -4);
    EXPECT_EQ(back->claimed_as, sample().claimed_as);
    EXPECT_EQ(back->connector, "comfyui");
    EXPECT_EQ(back->attempt, 3);
    EXPECT_FALSE(back->payload);
    EXPECT_FALSE(back->outcome);
}

TEST(LedgerRecord, AClaimTokenIsKeptAsItIs) {
    LedgerRecord record = sample();
    record.claimed_as = {"w-1@2026-11-29T23:00:00.123Z", "{\"a\":\"b\\\"\"}", "\xc3\xbc/\\ \n", ""};
    const Result<LedgerRecord> back = decode_record(encode_record(record));
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(back->claimed_as, record.claimed_as);
}

TEST(LedgerRecord, PayloadAndResultSurviveByteForByte) {
    const std::string odd = R"({"b":1.10,"a":1e5,"s":18446744073709551616, "u":"\u00e9é","a":2})";
    LedgerRecord record = sample();
    record.payload = ipc::RawJson{odd};
    EXPECT_EQ(decode_record(encode_record(record)).value().payload->text, odd);
    record.outcome = Completed{{odd}};
    const Result<LedgerRecord> back = decode_record(encode_record(record));
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(std::get<Completed>(*back->outcome).result.text, odd);
    EXPECT_FALSE(back->payload) << "not needed any more";
}

TEST(LedgerRecord, AResultMayBe16MiBAndNestAsDeepAsAMessageAllows) {
    LedgerRecord record = sample();
    record.outcome = Completed{{R"({"image":")" + std::string(std::size_t{16} << 20, 'A') + "\"}"}};
    EXPECT_TRUE(decode_record(encode_record(record)).ok());
    const std::string deep = std::string(255, '[') + std::string(255, ']');
    record.outcome = Completed{{R"({"d":)" + deep + "}"}};
    ASSERT_TRUE(decode_record(encode_record(record)).ok());
}

TEST(LedgerRecord, AFailureKeepsItsCodeWordsAndDetails) {
    LedgerRecord record = sample();
    record.outcome = Failed{{"crashed", "killed \xff by SIGSEGV", false, {{"pid", 7}}}};
    const Result<LedgerRecord> back = decode_record(encode_record(record));
    ASSERT_TRUE(back.ok()) << back.error().message;
    const ipc::JobError error = std::get<Failed>(*back->outcome).error;
    EXPECT_EQ(error.code, "crashed");
    EXPECT_EQ(error.message, "killed \xEF\xBF\xBD by SIGSEGV");
    EXPECT_FALSE(error.retryable);
    EXPECT_EQ(error.details.at("pid"), 7);
    EXPECT_TRUE(std::get<Failed>(*back->outcome).begun);
}

TEST(LedgerRecord, AFailureRemembersThatNobodyHadBegun) {
    LedgerRecord record = sample();
    record.outcome = Failed{{"not_started", "refused", true, {}}, false};
    const Result<LedgerRecord> back = decode_record(encode_record(record));
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_FALSE(std::get<Failed>(*back->outcome).begun);
}

TEST(LedgerRecord, EveryTruncationIsTorn) {
    LedgerRecord record = sample();
    record.outcome = Completed{{R"({"ok":true})"}};
    const std::string text = encode_record(record);
    for (std::size_t size = 0; size < text.size(); ++size) {
        const Result<LedgerRecord> back = decode_record(text.substr(0, size));
        ASSERT_FALSE(back.ok()) << size;
        EXPECT_EQ(back.error().code, "torn") << size;
    }
}

TEST(LedgerRecord, EveryFlippedByteIsFound) {
    const std::string text = encode_record(sample());
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string flipped = text;
        flipped[i] = static_cast<char>(flipped[i] ^ 1);
        EXPECT_FALSE(decode_record(flipped).ok()) << i;
    }
}

struct BadCase {
    const char* from;
    const char* to;
    const char* code;
};
TEST(LedgerRecord, AWholeRecordThatMakesNoSenseIsRefused) {
    const BadCase cases[] = {{"\"state\":\"assigned\"", "\"state\":\"dreaming\"", "bad_record"},
                             {"\"state\":\"assigned\"", "\"state\":\"completed\"", "bad_record"},
                             {"\"number\":30064771075", "\"number\":0", "bad_record"},
                             {"\"job_type\":\"comfyui\"", "\"job_type\":", "bad_record"},
                             {"\"version\":1", "\"version\":2", "version"}};
    for (const BadCase& one : cases) {
        const Result<LedgerRecord> back = decode_record(resealed(encode_record(sample()), one.from, one.to));
        ASSERT_FALSE(back.ok()) << one.to;
        EXPECT_EQ(back.error().code, one.code) << one.to;
    }
}

TEST(LedgerRecord, WrongTypesAndUnknownMembersAreNotFatal) {
    const std::string text =
        resealed(encode_record(sample()), "\"attempt\":3", "\"attempt\":\"x\",\"new\":[1]");
    const Result<LedgerRecord> back = decode_record(text);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->attempt, 1);
}

TEST(LedgerRecord, FileNamesAreSafeWhateverTheJobIdIs) {
    const std::string name = record_file_name("../../etc/passwd", 1);
    EXPECT_EQ(name.size(), 37u);
    EXPECT_EQ(name.find_first_not_of("0123456789abcdef.json"), std::string::npos);
    EXPECT_NE(name, record_file_name("../../etc/passwd", 2));
    EXPECT_NE(record_file_name("j1", 23), record_file_name("j12", 3));
}

}  // namespace
}  // namespace emprops::jobs::test
