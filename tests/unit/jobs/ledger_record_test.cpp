#include "supervisor/jobs/ledger_record.h"

#include <gtest/gtest.h>

#include "tests/support/ledger_file.h"

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

Result<LedgerRecord> through(const LedgerRecord& record) {
    return decode_record(record.number, encode_record(record));
}

/// The file with other content behind a checksum that is right again.
std::string resealed(const std::string& from, const std::string& to) {
    const std::string text = emprops::test::ledger_file(sample());
    std::string covered = text.substr(text.find(R"("number")"));
    if (from == R"("version":1)") return R"({"version":2)" + text.substr(text.find(','));
    covered.replace(covered.find(from), from.size(), to);
    return emprops::test::sealed_ledger_file(covered);
}

TEST(LedgerRecord, AnAssignmentComesBackAsItWas) {
    EXPECT_EQ(encode_record(sample()).find('\n'), std::string::npos) << "one line";
    const Result<LedgerRecord> back = through(sample());
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
    const Result<LedgerRecord> back = through(record);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(back->claimed_as, record.claimed_as);
}

TEST(LedgerRecord, PayloadAndResultSurviveByteForByte) {
    const std::string odd = R"({"b":1.10,"a":1e5,"s":18446744073709551616, "u":"\u00e9é","a":2})";
    LedgerRecord record = sample();
    record.payload = ipc::RawJson{odd};
    EXPECT_EQ(through(record).value().payload->text(), odd);
    record.outcome = Completed{{odd}};
    const Result<LedgerRecord> back = through(record);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(std::get<Completed>(*back->outcome).result.text(), odd);
    EXPECT_FALSE(back->payload) << "not needed any more";
}

TEST(LedgerRecord, AResultMayBe16MiBAndNestAsDeepAsAMessageAllows) {
    LedgerRecord record = sample();
    record.outcome = Completed{{R"({"image":")" + std::string(std::size_t{16} << 20, 'A') + "\"}"}};
    EXPECT_TRUE(through(record).ok());
    const std::string deep = std::string(255, '[') + std::string(255, ']');
    record.outcome = Completed{{R"({"d":)" + deep + "}"}};
    ASSERT_TRUE(through(record).ok());
}

TEST(LedgerRecord, AFailureKeepsItsCodeWordsAndDetails) {
    LedgerRecord record = sample();
    record.outcome = Failed{{"crashed", "killed \xff by SIGSEGV", false, {{"pid", 7}}}};
    const Result<LedgerRecord> back = through(record);
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
    const Result<LedgerRecord> back = through(record);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_FALSE(std::get<Failed>(*back->outcome).begun);
}

TEST(LedgerRecord, ALargeContentIsNamedInItsPlace) {
    LedgerRecord record = sample();
    record.payload = ipc::RawJson{std::string(longest_inline, ' ')};
    EXPECT_FALSE(record.needs_file());
    record.payload = record.payload->text() + ' ';
    EXPECT_TRUE(record.needs_file());
    record.payload = "{\n}";
    EXPECT_TRUE(record.needs_file()) << "a line has no line break";
    record.data = {"7-3.data", 70'000, 0x0ABCDEF0};
    const Result<LedgerRecord> assigned = through(record);
    ASSERT_TRUE(assigned.ok()) << assigned.error().message;
    ASSERT_TRUE(assigned->data && assigned->payload);
    EXPECT_EQ(assigned->data->name, "7-3.data");
    EXPECT_EQ(assigned->data->bytes, 70'000u);
    EXPECT_EQ(assigned->data->checksum, 0x0ABCDEF0u);
    EXPECT_EQ(assigned->content(), &*assigned->payload);
    record.outcome = Completed{{"{\n}"}};
    Result<LedgerRecord> completed = through(record);
    ASSERT_TRUE(completed.ok()) << completed.error().message;
    EXPECT_EQ(completed->content(), &std::get<Completed>(*completed->outcome).result);
    record.data->name = "../../etc/passwd";
    EXPECT_FALSE(through(record).ok()) << "no result, and a name that is none of ours";
}

TEST(LedgerRecord, OfAnErrorThatIsVeryLongTheWordsAreKept) {
    LedgerRecord record = sample();
    record.outcome =
        Failed{{"crashed", std::string(100'000, 'm'), true, {{"log", std::string(100'000, 'x')}}}};
    EXPECT_LT(encode_record(record).size(), longest_inline);
    const ipc::JobError error = std::get<Failed>(*through(record)->outcome).error;
    EXPECT_EQ(error.code, "crashed");
    EXPECT_TRUE(error.retryable);
    EXPECT_EQ(error.message.substr(0, 4), "mmmm");
}

TEST(LedgerFile, EveryTruncationIsTorn) {
    LedgerRecord record = sample();
    record.outcome = Completed{{R"({"ok":true})"}};
    const std::string text = emprops::test::ledger_file(record);
    ASSERT_TRUE(decode_file(text).ok());
    for (std::size_t size = 0; size < text.size(); ++size) {
        const Result<LedgerRecord> back = decode_file(text.substr(0, size));
        ASSERT_FALSE(back.ok()) << size;
        EXPECT_EQ(back.error().code, "torn") << size;
    }
}

TEST(LedgerFile, EveryFlippedByteIsFound) {
    const std::string text = emprops::test::ledger_file(sample());
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string flipped = text;
        flipped[i] = static_cast<char>(flipped[i] ^ 1);
        EXPECT_FALSE(decode_file(flipped).ok()) << i;
    }
}

struct BadCase {
    const char* from;
    const char* to;
    const char* code;
};
TEST(LedgerFile, AWholeRecordThatMakesNoSenseIsRefused) {
    const BadCase cases[] = {{"\"state\":\"assigned\"", "\"state\":\"dreaming\"", "bad_record"},
                             {"\"state\":\"assigned\"", "\"state\":\"completed\"", "bad_record"},
                             {"\"number\":30064771075", "\"number\":0", "bad_record"},
                             {"\"job_type\":\"comfyui\"", "\"job_type\":", "bad_record"},
                             {"\"version\":1", "\"version\":2", "version"}};
    for (const BadCase& one : cases) {
        const Result<LedgerRecord> back = decode_file(resealed(one.from, one.to));
        ASSERT_FALSE(back.ok()) << one.to;
        EXPECT_EQ(back.error().code, one.code) << one.to;
    }
}

TEST(LedgerFile, WrongTypesAndUnknownMembersAreNotFatal) {
    const Result<LedgerRecord> back = decode_file(resealed("\"attempt\":3", "\"attempt\":\"x\",\"new\":[1]"));
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->attempt, 1);
}

}  // namespace
}  // namespace emprops::jobs::test
