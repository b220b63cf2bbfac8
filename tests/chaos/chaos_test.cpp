// Random damage to everything at once, and then the books must balance: every submitted job has exactly one
// end.
//
// EMPROPS_CHAOS_SECONDS: how long the damage goes on (default 20; 60 and more for a release; 300 make
// thousands of jobs). EMPROPS_CHAOS_SEED: repeats the choices of a run (not its timing). ctest gives it an
// hour; for longer start the program itself.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>

#include "tests/chaos/chaos_world.h"
#include "tests/support/process_survivors.h"
#include "tests/support/supervision_bench.h"

namespace emprops::test {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::uint64_t number_from(const char* variable, std::uint64_t fallback) {
    const char* text = std::getenv(variable);
    return text == nullptr ? fallback : std::stoull(text);
}

/// Why a job was started more than once, from what the hub keeps of its last unsuccessful attempt.
std::string why_again(const ChaosJob& job, const Json& at_hub, const std::vector<int>& attempts) {
    const auto error = at_hub.at("error").is_string() ? at_hub.at("error").get<std::string>() : "";
    for (const char* code :
         {"[crashed]", "[drained]", "[hung]", "[lost]", "[protocol_error]", "[simulation.fault]"}) {
        if (error.find(code) != std::string::npos) return code;
    }
    if (error.find("was lost") != std::string::npos) return "requeued: the hub lost the worker";
    if (error.find("sent no progress") != std::string::npos) return "requeued: no progress";
    if (error.empty() && job.type == "resumes" && attempts.back() > 1) return "resumed";
    return "";
}

/// All of the lines that name this job, for a failure's message.
std::string lines_about(const std::string& log, const std::string& job_id) {
    std::string lines;
    for (std::size_t at = 0; at < log.size();) {
        const auto end = std::min(log.find('\n', at), log.size());
        const auto line = log.substr(at, end - at);
        const auto found = line.find(job_id);
        if (found != std::string::npos && !std::isdigit(line[found + job_id.size()])) lines += line + "\n";
        at = end + 1;
    }
    return lines;
}

void print(const char* title, const std::map<std::string, int>& counts) {
    std::cout << title << ":\n";
    for (const auto& [what, number] : counts)
        std::cout << "  " << number << "  " << what << "\n";
}

TEST(Chaos, EverySubmittedJobEndsExactlyOnce) {
    const auto seconds = number_from("EMPROPS_CHAOS_SECONDS", 20);
    const auto seed = number_from("EMPROPS_CHAOS_SEED", std::random_device{}());
    std::cout << "EMPROPS_CHAOS_SEED=" << seed << " EMPROPS_CHAOS_SECONDS=" << seconds << std::endl;
    ChaosWorld world(seed);
    std::mt19937_64 pauses(seed + 1);
    const auto end = SteadyClock::now() + std::chrono::seconds(seconds);
    while (SteadyClock::now() < end && !HasFatalFailure()) {
        for (auto round = pauses() % 5; round > 0; --round) {
            world.submit_up_to(100);
            std::this_thread::sleep_for(Ms(pauses() % 300));  // when the next damage comes is chance, too
            world.look();
        }
        world.damage();
    }
    world.make_peace();
    EXPECT_TRUE(wait_until([&] { return world.look() && world.all_final(); }, Ms(90'000)));

    auto journal = read_journal(world.journal());
    std::map<std::string, int> ends;
    std::map<std::string, int> again;
    int starts = 0;
    int more_than_once = 0;
    for (const auto& [id, job] : world.jobs()) {
        const auto shown = world.at_hub(id);
        ASSERT_FALSE(shown.is_null()) << "the hub has forgotten " << id;
        const auto status = shown.at("status").get<std::string>();
        const auto about = [&, id = id] { return shown.dump() + "\n" + lines_about(world.logs(), id); };
        ++ends[status];
        EXPECT_EQ(status, job.final_status) << id << " has ended twice\n" << about();
        EXPECT_EQ(status, job.cancel_acknowledged ? "cancelled" : "completed") << id << "\n" << about();
        if (status == "completed") {
            EXPECT_TRUE(ChaosWorld::right_result(job, shown.at("result"))) << about();
            EXPECT_FALSE(journal[id].empty()) << id << " was completed by nobody\n" << about();
        }
        starts += static_cast<int>(journal[id].size());
        if (journal[id].size() < 2) continue;
        ++more_than_once;
        const auto why = why_again(job, shown, journal[id]);
        EXPECT_NE(why, "") << "started " << journal[id].size() << " times for no known reason\n" << about();
        ++again[why];
    }
    std::cout << world.jobs().size() << " jobs, " << starts << " starts, " << more_than_once
              << " jobs started more than once\n";
    print("ends", ends);
    print("more than once because of", again);
    print("damage", world.damage_done());
    print("faults of jobs", world.faults());
    EXPECT_GT(ends["completed"], 0);
    EXPECT_GT(world.damage_done().size(), 2u) << "too little damage to prove anything";

    const auto owes_nothing = [&] {
        const auto status = world.worker().status();
        return status.at("ledger").at("records") == 0 && status.at("jobs").at("running") == 0 &&
               status.at("jobs").at("held") == 0 && status.at("hub").at("outbox_depth") == 0;
    };
    EXPECT_TRUE(wait_until(owes_nothing, Ms(30'000))) << world.worker().status().dump(1);
    const auto home = "HOME=" + world.worker().dir().path().string();
    world.worker().stop_and_wait();
    EXPECT_TRUE(wait_until([&] { return processes_with(home).empty(); })) << processes_with(home).size();
}

}  // namespace
}  // namespace emprops::test
