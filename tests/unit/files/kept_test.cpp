// Notes beside the folders of files that no store took.

#include "supervisor/files/kept.h"

#include <gtest/gtest.h>

#include "supervisor/files/deliveries.h"
#include "tests/support/temp_dir.h"

namespace emprops::files {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

Delivery delivery(const std::string& folder, const std::string& job_id, std::uint64_t bytes = 5) {
    Delivery one;
    one.folder = folder;
    one.job_id = job_id;
    one.job_type = "t";
    one.connector = "c";
    one.payload = {17, 4711};
    one.result = ipc::RawJson(R"({"seed":1.10,"image":{"$file":0}})");
    FileOnWay& file = one.files.emplace_back();
    file.file.name = file.file.path = file.place = "a.png";
    file.bytes = bytes;
    return one;
}

struct KeptTest : testing::Test {
    test::TempDir dir;
    void keep(const Delivery& one) const {
        const auto written = write_note(dir.path(), one, {"access_denied", "results: 403", false, {}}, true);
        ASSERT_TRUE(written) << written.error().message;
    }
};

TEST_F(KeptTest, ANoteSaysWhoseTheFilesAreAndWhyTheyAreKept) {
    keep(delivery("7", "j/1"));
    const auto kept = kept_in(dir.path(), "7");
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->delivery.job_id, "j/1");
    EXPECT_EQ(kept->delivery.job_type, "t");
    EXPECT_EQ(kept->delivery.number, 0u) << "nobody waits for it";
    EXPECT_TRUE(kept->delivery.resumed) << "any file may have been begun";
    EXPECT_EQ(kept->delivery.payload, (jobs::PayloadMark{17, 4711}));
    EXPECT_EQ(kept->delivery.result.text(), R"({"seed":1.10,"image":{"$file":0}})") << "byte for byte";
    EXPECT_EQ(kept->error, "results: 403");
    EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1) << "nothing half written is left";
}

TEST_F(KeptTest, AJobNamedAsAnothersFolderIsNotThatOne) {
    keep(delivery("7", "j1"));
    keep(delivery("8", "7"));
    EXPECT_EQ(kept_in(dir.path(), "7")->delivery.job_id, "j1");
    EXPECT_FALSE(kept_in(dir.path(), "j1"));
    EXPECT_EQ(find_kept(dir.path(), "j1")->delivery.folder, "7") << "a person may use either name";
}

TEST_F(KeptTest, WhatCannotBeReadIsLeftOut) {
    keep(delivery("7", "j1"));
    for (const char* text : {"", "[]", "{}", R"({"delivery":{},"result":{}})", "{"}) {
        dir.write_file("8.json", text);
        EXPECT_EQ(all_kept(dir.path()).size(), 1u) << text;
    }
    fs::copy_file(dir / "7.json", dir / "9.json");
    EXPECT_EQ(all_kept(dir.path()).size(), 1u) << "the note of another folder";
    EXPECT_TRUE(all_kept(dir / "nowhere").empty());
}

TEST_F(KeptTest, WhatIsOldGoesAndTheOldestOfWhatIsTooMuch) {
    std::vector<Kept> all;
    const fs::file_time_type now = fs::file_time_type::clock::now();
    for (const int minutes : {50, 40, 30, 20, 10})
        all.push_back({delivery(std::to_string(minutes), "j", 100), "", now - std::chrono::minutes(minutes)});
    EXPECT_EQ(outdated(all, now, 1h, 500), std::vector<std::string>());
    EXPECT_EQ(outdated(all, now, 35min, 500), (std::vector<std::string>{"40", "50"}));
    EXPECT_EQ(outdated(all, now, 1h, 299), (std::vector<std::string>{"30", "40", "50"}));
}

TEST_F(KeptTest, ADiskThatRefusesIsNamed) {
    dir.write_file("file", "");
    const auto refused = write_note(dir / "file", delivery("7", "j"), {}, true);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find((dir / "file").string()), std::string::npos)
        << refused.error().message;
}

TEST(KeptAgain, WhatAnOperatorRetriesBelongsToItsJobIfThatComesBackMeanwhile) {
    const TimePoint now{1h};
    const process::InstanceId courier{"courier", 0, 1};
    Deliveries deliveries;
    deliveries.courier_ready(now, courier, 4);
    Delivery retried = delivery("7", "j1");
    retried.files[0].stores = {"results"};
    deliveries.add(now, std::move(retried));
    EXPECT_FALSE(deliveries.claim("8", 9));
    EXPECT_TRUE(deliveries.claim("7", 9));
    EXPECT_TRUE(deliveries.holds(9));
    deliveries.file_delivered(now, courier, {"7/0", {R"({"entry":{"url":"u"}})"}, {}});
    bool noted = false;
    for (const auto& action : deliveries.take_actions()) {
        if (const auto* record = std::get_if<RecordDelivery>(&action)) noted = record->number == 9;
        const auto* end = std::get_if<EndDelivery>(&action);
        if (end == nullptr) continue;
        EXPECT_TRUE(noted) << "the ledger knew of it before";
        EXPECT_EQ(end->delivery.number, 9u);
        EXPECT_EQ(std::get<jobs::Completed>(end->value).result.text(),
                  R"({"seed":1.10,"image":{"name":"a.png","url":"u"}})");
    }
    EXPECT_EQ(deliveries.size(), 0u);
}

}  // namespace
}  // namespace emprops::files
