// A job that comes back while the files of its result, which no store took, are kept here.

#include "supervisor/files/kept.h"
#include "tests/unit/worker/flow_bench.h"

namespace emprops::test {
namespace {

namespace fs = std::filesystem;

struct FilesReturnTest : FlowBench {
    const ipc::RawJson payload{R"({"seed":1.10})"};
    std::uint64_t number = 0;

    /// No worker runs before restart(): one that does clears its spool of what nobody has noted yet.
    void SetUp() override {}
    /// An earlier worker kept them.
    void keep(const std::string& job_id, const std::string& folder) {
        files::Delivery delivery;
        delivery.folder = folder;
        delivery.job_id = job_id;
        delivery.job_type = "t";
        delivery.connector = "a";
        delivery.payload = jobs::mark_of(payload);
        delivery.result = ipc::RawJson(R"({"image":{"$file":0}})");
        files::FileOnWay& file = delivery.files.emplace_back();
        file.file.name = file.file.path = file.place = "a.png";
        file.bytes = 5;
        dir.write_file("spool/" + folder + "/a.png", "hello");
        ASSERT_TRUE(
            files::write_note(dir / "spool", delivery, {"access_denied", "results: 403", false, {}}, false));
    }
    void restart() {
        FlowBench::restart();
        number = ledger->first_number();
    }
    /// What becomes of it.
    jobs::JobState assign(const std::string& job_id, const ipc::RawJson& with) {
        flow->on_link_event(jobs::Assigned{{job_id, "t", 0, with, number++}, "w-1"});
        return flow->jobs().running().back().state;
    }
};

TEST_F(FilesReturnTest, IsDeliveredIfItIsTheSameAndElseRenderedAnew) {
    keep("j1", "7");
    keep("j2", "8");
    restart();
    EXPECT_EQ(assign("j1", payload), jobs::JobState::delivering);
    EXPECT_EQ(assign("j2", {R"({"seed":1.1})"}), jobs::JobState::held) << "another payload under the same id";
    EXPECT_EQ(assign("j3", payload), jobs::JobState::held) << "the same payload under another id";
}

TEST_F(FilesReturnTest, IsRenderedAnewIfAnOperatorHasRemovedThem) {
    keep("j1", "7");
    restart();
    fs::remove(files::note_path(dir / "spool", "7"));
    EXPECT_EQ(assign("j1", payload), jobs::JobState::held);
}

TEST_F(FilesReturnTest, OfSeveralTheNewestCounts) {
    keep("j1", "7");
    keep("j1", "8");
    fs::last_write_time(files::note_path(dir / "spool", "7"), fs::file_time_type::clock::now() - 1h);
    restart();
    fs::remove(files::note_path(dir / "spool", "7"));
    EXPECT_EQ(assign("j1", payload), jobs::JobState::delivering);
}

TEST_F(FilesReturnTest, IsNotedInTheLedgerSoThatAKillCostsNothing) {
    keep("j1", "7");
    restart();
    EXPECT_EQ(assign("j1", payload), jobs::JobState::delivering);
    while (ledger->stats().writes < 2) {  // that it is ours, then its delivery
        io.restart();
        ASSERT_GT(io.run_one_for(20s), 0u);
    }
    const std::uint64_t of = number - 1;
    restart();
    EXPECT_EQ(flow->jobs().running().size(), 0u);
    flow->on_link_event(jobs::JobConfirmed{"j1", of});
    ASSERT_EQ(flow->jobs().running().size(), 1u);
    EXPECT_EQ(flow->jobs().running().back().state, jobs::JobState::delivering);
}

TEST_F(FilesReturnTest, AnAssignmentThatComesOnceMoreIsNotedBeforeTheOldOneIsForgotten) {
    keep("j1", "7");
    restart();
    EXPECT_EQ(assign("j1", payload), jobs::JobState::delivering);
    while (ledger->stats().writes < 2) {
        io.restart();
        ASSERT_GT(io.run_one_for(20s), 0u);
    }
    EXPECT_EQ(assign("j1", payload), jobs::JobState::delivering);
    // Killed right after the turn in which the old number goes.
    for (const int before = turns; turns == before;) {
        io.restart();
        ASSERT_GT(io.run_one_for(20s), 0u);
    }
    const std::uint64_t of = number - 1;
    restart();
    flow->on_link_event(jobs::JobConfirmed{"j1", of});
    ASSERT_EQ(flow->jobs().running().size(), 1u);
    EXPECT_EQ(flow->jobs().running().back().state, jobs::JobState::delivering);
}

}  // namespace
}  // namespace emprops::test
