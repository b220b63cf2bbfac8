// The ComfyUI connector in the whole worker, end to end: client -> hub -> worker -> connector -> a ComfyUI
// double, and back, while processes are killed. A job's prompt runs once, and its result arrives.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "tests/support/comfyui_double.h"
#include "tests/support/job_client.h"
#include "tests/support/supervision_bench.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::SizeIs;

Json graph() {
    return Json::parse(load_workflow("empty_save"));
}
Json file(const std::string& name, const std::string& type = "output") {
    return {{"filename", name}, {"subfolder", ""}, {"type", type}};
}
/// Runs until the end of the test would come, unless somebody ends it: `by` after its begin it is done.
ComfyScript slow(std::chrono::milliseconds by) {
    ComfyScript script = good_script({{"2", {{"images", {file("slow.png")}}}}});
    for (std::size_t i = 4; i < script.messages.size(); ++i) {
        script.messages[i].at += by;
    }
    return script;
}

/// A hub, and a worker with a ComfyUI connector and a simulation that keeps a journal.
struct World {
    explicit World(const std::string& comfyui_settings = "", const std::string& worker_settings = "",
                   std::vector<std::string> env = {}) {
        TestWorkerOptions options;
        options.env = std::move(env);
        options.hub_url = hub.url();
        options.toml = "[hub]\nreconnect_min = \"100ms\"\nreconnect_max = \"500ms\"\n" + worker_settings +
                       "\n[connectors.simulation]\nenv = {SIMULATION_JOURNAL = \"" +
                       (dir / "journal").string() + "\"}\n[connectors.comfyui.settings]\nserver_url = \"" +
                       comfy.url() + "\"\n" +
                       (comfyui_settings.find("polling_interval") == std::string::npos
                            ? "polling_interval = \"200ms\"\nstatus_interval = \"200ms\"\n"
                            : "") +
                       comfyui_settings;
        worker = std::make_unique<TestWorker>(options);
        worker->wait_state("simulation", "ready");
        worker->wait_state("comfyui", "ready");
        client = std::make_unique<JobClient>(hub);
    }
    std::string submit(const Json& payload) { return client->submit("comfyui", payload); }
    bool runs_one() {
        return wait_until([&] { return comfy.running().size() == 1; }, Ms(20'000));
    }

    TempDir dir;
    ComfyDouble comfy;
    TestHub hub;
    std::unique_ptr<TestWorker> worker;
    std::unique_ptr<JobClient> client;
};

TEST(ComfyUiEndToEnd, TheInputsOfTheNextJobAreThereBeforeTheRunningPromptEndsAndItsPromptIsSentAfterIt) {
    World world;
    world.comfy.add_script(slow(3s));
    const auto running = world.submit(graph());
    ASSERT_TRUE(world.runs_one()) << world.worker->log();
    Json workflow = Json::parse(load_workflow("load_scale_invert_save"));
    workflow["1"]["inputs"]["image"] = {{"$input", "photo"}};
    const auto next = world.submit(
        {{"workflow", workflow}, {"inputs", {{"photo", {{"data", "cGljdHVyZQ=="}, {"filename", "p.png"}}}}}});
    EXPECT_TRUE(wait_until([&] { return !world.comfy.uploads().empty(); })) << world.worker->log();
    EXPECT_THAT(world.comfy.running(), SizeIs(1));
    EXPECT_THAT(world.comfy.pending(), testing::IsEmpty());
    EXPECT_THAT(world.comfy.posts(), SizeIs(1)) << "it is not queued in ComfyUI";
    EXPECT_EQ(world.client->completed(running, Ms(20'000)).at("status"), "success");
    EXPECT_EQ(world.client->completed(next, Ms(20'000)).at("status"), "success");
    EXPECT_THAT(world.comfy.uploads(), SizeIs(1)) << "once";
    EXPECT_EQ(world.comfy.posts().at(1)["prompt"]["1"]["inputs"]["image"],
              world.comfy.uploads().at(0).subfolder + "/0-p.png");
}

TEST(ComfyUiEndToEnd, TheWorkerReadsWhereAJobWantsItsFilesAlsoOfOneThatWaits) {
    World world("", "[stores]\nput_allow = [\"files.example.org\"]\n");
    const auto to = [](const Json& put) {
        return Json{{"prompt", graph()}, {"outputs", {{"to", Json::array({put})}}}};
    };
    const std::string url = "https://files.example.org/a.png?signature=SECRET";
    world.comfy.add_script(slow(2s));
    const auto running = world.submit(to({{"put", url}, {"match", {{"node", "2"}, {"index", 7}}}}));
    ASSERT_TRUE(world.runs_one()) << world.worker->log();
    const auto waiting = world.submit(to({{"put", "https://elsewhere.org/?SECRET"}}));
    EXPECT_THAT(world.client->failed(waiting), HasSubstr("stores.put_allow of this worker does not name"));
    EXPECT_THAT(
        world.client->failed(running),
        HasSubstr(
            "no file is there for outputs.to[0] (node \"2\", index 7); the job's files, each of which goes "
            "to one URL: \"slow.png\""));
    const auto next = world.submit(to({{"put", url}, {"match", {{"node", "77"}}}}));
    EXPECT_THAT(world.client->failed(next), HasSubstr("a match of outputs.to names \"77\""));
    EXPECT_THAT(world.comfy.posts(), SizeIs(1));
    EXPECT_EQ(world.worker->log().find("SECRET"), std::string::npos);
}

TEST(ComfyUiEndToEnd, AWaitingJobWithABadInputFailsAtOnceAndOneThatIsCancelledLeavesNothing) {
    World world;
    world.comfy.add_script(endless_script());
    const auto running = world.submit(graph());
    ASSERT_TRUE(world.runs_one()) << world.worker->log();
    const auto bad =
        world.submit({{"workflow", graph()}, {"inputs", {{"photo", {{"url", "file:///etc/passwd"}}}}}});
    EXPECT_THAT(world.client->failed(bad), HasSubstr("invalid_payload"));
    const auto waits = [&](const std::string& job) {
        world.client->hub.receive([&](const Json& message) {
            return message.value("job_id", "") == job &&
                   message.value("message", Json()) == "waits for the slot";
        });
    };
    const auto next = world.submit(graph());
    waits(next);
    world.client->hub.send({{"type", "cancel_job"}, {"job_id", next}});
    ASSERT_EQ(wait_job_status(world.hub, next, "cancelled", Ms(10'000)), "cancelled");
    const auto third = world.submit(graph());
    waits(third);
    world.client->hub.send({{"type", "cancel_job"}, {"job_id", running}});
    EXPECT_EQ(world.client->completed(third, Ms(20'000)).at("status"), "success");
    EXPECT_THAT(world.comfy.posts(), SizeIs(2));
}

/// With its own intervals (3 s, 5 s) ComfyUI would be asked once in 30 s; here they are shorter by 30.
TEST(ComfyUiEndToEnd, WhileAPromptRunsAndTheSocketTellsOfItComfyUiIsLeftInPeace) {
    World world("polling_interval = \"100ms\"\nstatus_interval = \"166ms\"\n");
    world.comfy.add_script(slow(30s));
    const auto job = world.submit(graph());
    ASSERT_TRUE(world.runs_one()) << world.worker->log();
    std::size_t before = 0;
    const auto quiet = [&] {  // its first looks are over
        const std::size_t was = std::exchange(before, world.comfy.requests().size());
        std::this_thread::sleep_for(1s);
        return was != 0 && world.comfy.requests().size() - before <= 2;
    };
    EXPECT_TRUE(wait_until(quiet, Ms(20'000)));
    before = world.comfy.requests().size();
    std::this_thread::sleep_for(6s);
    const auto requests = world.comfy.requests();
    EXPECT_LE(requests.size() - before, 7u) << "one a second, and one more";
    world.client->hub.send({{"type", "cancel_job"}, {"job_id", job}});
}

TEST(ComfyUiEndToEnd, AKilledConnectorCostsNothingTheSimulationGoesOnAndThePromptRunsOnce) {
    World world;
    world.comfy.add_script(slow(4s));
    const auto simulation = world.client->submit("simulation", {{"processing_time", 5}, {"steps", 50}});
    const auto job = world.submit(graph());
    ASSERT_TRUE(world.runs_one()) << world.worker->log();
    world.client->progressed(simulation);
    const pid_t pid = world.worker->connector("comfyui").at("pid");
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    const Json result = world.client->completed(job, Ms(40'000));
    EXPECT_EQ(result.at("output").at("files").at(0).at("filename"), "slow.png") << result;
    EXPECT_EQ(result.at("output").at("prompt_id"), world.comfy.posts().at(0).at("prompt_id"));
    EXPECT_THAT(world.comfy.posts(), SizeIs(1)) << "the prompt ran twice";
    EXPECT_TRUE(world.comfy.interrupts().empty());
    EXPECT_EQ(world.client->completed(simulation).at("status"), "success");
    EXPECT_THAT(read_journal(world.dir / "journal")[simulation], SizeIs(1));
    EXPECT_NE(world.worker->connector("comfyui").at("pid"), pid);
}

TEST(ComfyUiEndToEnd, AKilledSupervisorCostsNothingEither) {
    World world;
    world.comfy.add_script(slow(6s));
    const auto job = world.submit(graph());
    ASSERT_TRUE(world.runs_one()) << world.worker->log();
    ASSERT_EQ(::kill(world.worker->supervisor_pid(), SIGKILL), 0);
    ASSERT_TRUE(world.worker->process().wait(Ms(20'000)));
    world.worker->start();
    const Json result = world.client->completed(job, Ms(60'000));
    EXPECT_EQ(result.at("output").at("files").at(0).at("filename"), "slow.png") << world.worker->log();
    EXPECT_THAT(world.comfy.posts(), SizeIs(1)) << "the prompt ran twice";
    EXPECT_TRUE(world.comfy.running().empty() && world.comfy.pending().empty());
}

TEST(ComfyUiEndToEnd, AfterAKillOfTheSupervisorAPromptThatNobodyComesForIsRemoved) {
    World world("orphan_grace = \"1s\"\n");
    world.comfy.add_script(endless_script());
    const auto job = world.submit(graph());
    ASSERT_TRUE(world.runs_one()) << world.worker->log();
    ASSERT_EQ(::kill(world.worker->supervisor_pid(), SIGKILL), 0);
    ASSERT_TRUE(world.worker->process().wait(Ms(20'000)));
    world.client->hub.send({{"type", "cancel_job"}, {"job_id", job}});
    ASSERT_EQ(wait_job_status(world.hub, job, "cancelled", Ms(10'000)), "cancelled");
    world.worker->start();
    EXPECT_TRUE(wait_until([&] { return world.comfy.running().empty(); }, Ms(40'000))) << world.worker->log();
    ASSERT_FALSE(world.comfy.interrupts().empty());
    EXPECT_EQ(world.comfy.interrupts().at(0).at("prompt_id"), world.comfy.posts().at(0).at("prompt_id"));
    EXPECT_THAT(world.comfy.posts(), SizeIs(1));
}

TEST(ComfyUiEndToEnd, AJobOfImagesVideoAudioAndTextReturnsAllOfThem) {
    World world;
    world.comfy.add_script(
        good_script({{"2", {{"images", {file("a.png"), file("v.mp4")}}, {"animated", {true}}}},
                     {"3", {{"gifs", {file("g.webm")}}}},
                     {"4", {{"audio", {file("s.flac")}}}},
                     {"5", {{"text", {"a caption"}}}}}));
    const Json output = world.client->completed(world.submit(graph()), Ms(30'000)).at("output");
    std::map<std::string, std::string> types;
    for (const Json& each : output.at("files")) {
        types[each.at("filename")] = each.at("mime_type");
        EXPECT_FALSE(each.at("data").get<std::string>().empty());
    }
    EXPECT_EQ(types, (std::map<std::string, std::string>{{"a.png", "image/png"},
                                                         {"v.mp4", "video/mp4"},
                                                         {"g.webm", "video/webm"},
                                                         {"s.flac", "audio/flac"}}));
    ASSERT_THAT(output.at("texts"), SizeIs(1));
    EXPECT_EQ(output.at("texts").at(0).at("text"), "a caption");
}

TEST(ComfyUiEndToEnd, APictureOf21MegabytesGoesToTheNextStoreOrIsRefusedWithTheReason) {
    World world;
    world.comfy.set_file("output//big.png", std::string(21u << 20, 'x'));
    const auto script = good_script({{"2", {{"images", {file("big.png")}}}}});
    world.comfy.add_script(script);
    world.comfy.add_script(script);
    const Json spilled = world.client->completed(world.submit(graph()), Ms(40'000)).at("output");
    EXPECT_EQ(spilled.at("files").at(0).at("delivery"), "reference");
    EXPECT_EQ(spilled.at("files").at(0).at("size"), 21 << 20);
    const auto refused = world.submit({{"workflow", graph()}, {"outputs", {{"deliver", {"inline"}}}}});
    const auto error = world.client->failed(refused, Ms(40'000));
    EXPECT_THAT(error, HasSubstr("[result_too_large]"));
    EXPECT_THAT(error, HasSubstr("a result has room for"));
    EXPECT_THAT(error, HasSubstr("22020096"));
}

TEST(ComfyUiEndToEnd, TheSettingsWithWhichTheConnectorDeliveredItselfAreStoresAndItsProcessHasNoneOfThem) {
    const TempDir results;
    World world("deliver = [\"directory\", \"inline\"]\ndirectory = \"" + results.path().string() +
                    "\"\ns3_access_key = \"hunter1\"\n",
                "", {"COMFYUI_S3_SECRET_KEY=hunter2", "COMFYUI_WEBSOCKET=true"});
    const auto job = world.submit(graph());
    const Json done = world.client->completed(job, Ms(20'000)).at("output").at("files").at(0);
    EXPECT_EQ(done.at("delivery"), "directory");
    const std::string path = done.at("path");
    EXPECT_EQ(path, (results.path() / job / "2" / "out_1.png").string())
        << "where it was in earlier versions";
    std::ifstream file(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "content of out_1.png");
    EXPECT_THAT(world.worker->log(), HasSubstr("connector `comfyui` delivers no files itself any more"));
    EXPECT_THAT(world.worker->log(), testing::Not(HasSubstr("hunter")));
    const auto pid = world.worker->connector("comfyui").at("pid").get<int>();
    std::ifstream environ("/proc/" + std::to_string(pid) + "/environ");
    const std::string variables(std::istreambuf_iterator<char>(environ), {});
    EXPECT_THAT(variables, testing::AllOf(HasSubstr("COMFYUI_WEBSOCKET"), testing::Not(HasSubstr("hunter"))));
}

TEST(ComfyUiEndToEnd, TheNextPromptRunsWhileTheFilesOfThePreviousOneAreHeldUp) {
    World world("", "[stores.results]\ntype = \"directory\"\npath = \"/nowhere\"\njobs = true\n");
    world.worker->wait_state("courier", "ready");
    const pid_t courier = world.worker->connector("courier").at("pid").get<int>();
    ASSERT_EQ(::kill(courier, SIGSTOP), 0);
    const auto first = world.submit(graph());
    const auto second = world.submit(graph());
    EXPECT_TRUE(wait_until([&] { return world.comfy.posts().size() == 2; }, Ms(20'000)))
        << world.worker->log();
    EXPECT_EQ(::kill(courier, SIGCONT), 0);
    for (const auto& job : {first, second})
        EXPECT_EQ(world.client->completed(job, Ms(20'000)).at("output").at("files").at(0).at("delivery"),
                  "inline");
}

TEST(ComfyUiEndToEnd, AFileThatIsYoungerThanItsPromptIsAnotherPromptsAndNotDelivered) {
    World world;
    CannedAnswer younger{200, "of another prompt", "image/png", {{"ETag", "\"187cde9b2fab7d15-11\""}}};
    world.comfy.answer("GET /view", younger);  // its prompt ended in 1970, by the double's clock
    const auto job = world.submit(graph());
    const auto error = world.client->failed(job, Ms(20'000));
    EXPECT_THAT(error, HasSubstr("was written after this job's prompt had ended"));
    // Tried again, with the slot kept until the files are here: now the time says nothing.
    EXPECT_EQ(world.client->completed(job, Ms(30'000)).at("status"), "success");
}

TEST(ComfyUiEndToEnd, ACancelStopsTheRunningPromptAndNoOther) {
    World world("concurrency = 2\n");
    world.comfy.add_script(endless_script());
    world.comfy.add_script(slow(300ms));
    const auto cancelled = world.submit(graph());
    ASSERT_TRUE(world.runs_one()) << world.worker->log();
    const auto other = world.submit(graph());
    ASSERT_TRUE(wait_until([&] { return world.comfy.pending().size() == 1; }, Ms(20'000)));
    world.client->hub.send({{"type", "cancel_job"}, {"job_id", cancelled}, {"reason", "test"}});
    EXPECT_EQ(world.client->completed(other, Ms(30'000)).at("status"), "success") << world.worker->log();
    EXPECT_EQ(wait_job_status(world.hub, cancelled, "cancelled", Ms(5'000)), "cancelled");
    for (const Json& interrupt : world.comfy.interrupts()) {
        EXPECT_EQ(interrupt.at("prompt_id"), world.comfy.posts().at(0).at("prompt_id"));
    }
    EXPECT_THAT(world.comfy.posts(), SizeIs(2));
}

}  // namespace
}  // namespace emprops::test
