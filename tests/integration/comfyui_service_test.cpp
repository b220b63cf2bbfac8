// The real ComfyUI connector in the whole worker with ComfyUI as its companion service: ComfyUI's process is
// killed in mid-prompt. A prompt is sent once more, nothing is claimed in between, others are not touched.
// The address comes from EMPROPS_SERVICE_URL only.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/comfyui_recording.h"
#include "tests/support/fake_service.h"
#include "tests/support/free_ports.h"
#include "tests/support/job_client.h"
#include "tests/support/process_survivors.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

using Words = std::vector<std::string>;

struct ComfyUiAsService : testing::Test {
    void start(const std::string& settings = "", int instances = 1) {
        port = free_ports(instances);
        TestWorkerOptions options;
        options.hub_url = hub.url();
        options.toml =
            "[connectors.comfyui]\nbackoff_initial = \"50ms\"\ninstances = " + std::to_string(instances) +
            "\n[connectors.comfyui.settings]\npolling_interval = \"200ms\"\nstatus_interval = \"200ms\"\n" +
            settings +
            "\n[connectors.comfyui.service]\ncommand = [\"" EMPROPS_COMFYUI_DOUBLE_SERVER "\", \"" +
            folder.path().string() + "\", \"{instance}\", \"{port}\"]\nport = " + std::to_string(port) +
            "\nhealth_interval = \"100ms\"\nstop_term = \"500ms\"\nbackoff_initial = \"300ms\"\n"
            "[connectors.good]\ncommand = [\"emprops-connector-simulation\"]\n"
            "env = {SIMULATION_JOB_TYPE = \"good\", SIMULATION_PROCESSING_TIME = \"0.1\"}\n";
        worker = std::make_unique<TestWorker>(std::move(options));
        client = std::make_unique<JobClient>(hub);
        for (int i = 0; i < instances; ++i) {
            ASSERT_TRUE(wait_until([&] { return connector(i).value("available", false); }, Ms(20'000)))
                << worker->log();
        }
        ASSERT_TRUE(wait_until([&] { return told("comfyui"); }));
    }
    Json connector(int index = 0) const { return worker->connector("comfyui", index); }
    Json service(int index = 0) const { return connector(index).at("service"); }
    bool told(const std::string& type) const {
        const Json status = worker->status();
        const Json& types = status.at("hub").at("told_job_types");
        return std::find(types.begin(), types.end(), type) != types.end();
    }
    std::string submit() { return client->submit("comfyui", Json::parse(load_workflow("empty_save"))); }

    /// The prompts to which this happened in ComfyUI ("post", "run", "end"), in order, over all its lives.
    Words prompts(const std::string& what, int index = 0) const {
        std::ifstream file(folder / ("journal-" + std::to_string(index)));
        Words ids;
        for (std::string word, id; file >> word >> id;) {
            if (word == what) ids.push_back(id);
        }
        return ids;
    }
    bool runs(std::size_t count, int index = 0) const {
        return wait_until([&] { return prompts("run", index).size() == count; }, Ms(20'000));
    }
    std::vector<pid_t> pids(int index = 0) const { return noted(folder / ("pids-" + std::to_string(index))); }
    void kill_service(int index = 0) const { ASSERT_EQ(::kill(pids(index).back(), SIGKILL), 0); }
    void write(const char* name, const std::string& text = "") { folder.write_file(name, text); }
    void remove(const char* name) const { std::filesystem::remove(folder / name); }

    TempDir folder;
    TestHub hub;
    std::uint16_t port = 0;
    std::unique_ptr<TestWorker> worker;
    std::unique_ptr<JobClient> client;
};

TEST_F(ComfyUiAsService, KilledInMidPromptItComesBackThePromptIsSentOnceMoreAndNothingIsClaimedInBetween) {
    write("long", "600000");
    start("concurrency = 2");  // so that a slot is free all the time
    const int connector_pid = connector().at("pid");
    const auto job = submit();
    ASSERT_TRUE(runs(1)) << worker->log();
    ASSERT_TRUE(told("comfyui")) << "there is room for another one";
    remove("long");
    write("slow");
    kill_service();
    ASSERT_TRUE(wait_until([&] { return pids().size() == 2; })) << worker->log();
    ASSERT_TRUE(wait_until([&] { return !told("comfyui"); }));

    const auto second = submit();
    EXPECT_EQ(client->completed(client->submit("good", Json::object())).at("status"), "success");
    EXPECT_EQ(wait_job_status(hub, second, "pending", Ms(2'000)), "pending");
    EXPECT_EQ(connector().at("counters").at("jobs_given"), 1);
    EXPECT_EQ(connector().at("jobs"), Json{job}) << "the first one waits";
    EXPECT_EQ(service().at("state"), "starting");
    const auto why = worker->cli({"why", "comfyui"}).out;
    EXPECT_THAT(why, HasSubstr("its service is starting for"));
    EXPECT_THAT(why, HasSubstr("the one before killed by SIGKILL"));
    EXPECT_THAT(connector().at("unavailable_reason").get<std::string>(),
                HasSubstr("its service is starting"));
    EXPECT_THAT(worker->cli({"status"}).out, HasSubstr("comfyui service"));

    EXPECT_EQ(wait_job_status(hub, second, "pending", Ms(2'000)), "pending");
    EXPECT_THAT(worker->log(), HasSubstr("to restart: ")) << "with back-off";
    remove("slow");
    const Json output = client->completed(job).at("output");
    const Json other = client->completed(second).at("output");
    const Words posts = prompts("post");
    ASSERT_THAT(posts, SizeIs(3)) << "the first job's prompt, again, and the second job's";
    EXPECT_EQ(prompts("run"), posts);
    EXPECT_EQ(prompts("end"), (Words{posts[1], posts[2]})) << "once each";
    EXPECT_THAT((Words{output.at("prompt_id"), other.at("prompt_id")}),
                UnorderedElementsAre(posts[1], posts[2]));
    EXPECT_NE(output.at("prompt_id"), posts[0]) << "the resubmission has an id of its own";
    EXPECT_EQ(output.at("files").at(0).at("filename"), "out.png");
    EXPECT_THAT(output.at("notes").dump(),
                HasSubstr("ComfyUI ended while the prompt ran; it was sent again"));

    const Json one = connector();
    EXPECT_EQ(one.at("pid"), connector_pid);
    EXPECT_EQ(one.at("counters").at("jobs_given"), 2);
    EXPECT_EQ(one.at("service").at("counters").at("deaths"), 1);
    EXPECT_EQ(one.at("service").at("last_death").at("signal"), SIGKILL);
    EXPECT_EQ(one.at("service").at("last_death").at("jobs_held"), Json{job});
    worker->stop_and_wait();
    EXPECT_THAT(survivors(folder / "pids-0"), IsEmpty());
}

TEST_F(ComfyUiAsService, APromptThatEndsItTwiceIsPoisonAndAnInnocentOneRunsWithinAMinute) {
    start();
    write("die");
    const auto job = submit();
    std::string error = client->failed(job, Ms(60'000));
    while (error.find("[poison]") == std::string::npos && prompts("run").size() < 4)
        error = client->failed(job, Ms(60'000));
    EXPECT_THAT(error, HasSubstr("[poison] this job has ended the service of comfyui twice"));
    EXPECT_THAT(error, HasSubstr("exited with code 3"));
    EXPECT_THAT(error, HasSubstr("comfyui double: out of luck with " + prompts("run").back()));
    EXPECT_EQ(wait_job_status(hub, job, "failed", Ms(5'000)), "failed");
    EXPECT_EQ(connector().at("counters").at("deaths"), 0);
    // Twice in a row, as the connector says that it sent the prompt once more.
    EXPECT_THAT(prompts("run"), SizeIs(2)) << worker->log();
    // Not the worker's end: the next one, which ComfyUI survives, is run.
    remove("die");
    EXPECT_EQ(client->completed(submit(), Ms(60'000)).at("status"), "success") << worker->log();
    EXPECT_THAT(worker->log(), testing::Not(HasSubstr("breaker open")));
}

TEST_F(ComfyUiAsService, OneOfTwoKilledLeavesTheOthersJobAlone) {
    write("long", "4000");
    start("", 2);
    const Words jobs{submit(), submit()};
    ASSERT_TRUE(runs(1, 0)) << worker->log();
    ASSERT_TRUE(runs(1, 1)) << worker->log();
    const std::string hit = connector(0).at("jobs").at(0);
    const std::string other = connector(1).at("jobs").at(0);
    const pid_t other_service = pids(1).back();
    const int other_connector = connector(1).at("pid");
    EXPECT_EQ(service(1).at("port"), port + 1);
    remove("long");
    write("slow");
    kill_service(0);
    const Json done = client->completed(other, Ms(20'000)).at("output");
    EXPECT_THAT(prompts("post", 1), ElementsAre(done.at("prompt_id").get<std::string>()));
    EXPECT_EQ(prompts("run", 1), prompts("end", 1));
    EXPECT_THAT(prompts("end", 0), IsEmpty()) << "the killed one is not back yet";
    remove("slow");
    const Json again = client->completed(hit).at("output");
    ASSERT_THAT(prompts("post", 0), SizeIs(2));
    EXPECT_EQ(again.at("prompt_id"), prompts("post", 0)[1]);
    EXPECT_THAT(pids(0), SizeIs(2));
    EXPECT_THAT(pids(1), ElementsAre(other_service));
    EXPECT_EQ(connector(1).at("pid"), other_connector);
    EXPECT_EQ(service(1).at("counters").at("deaths"), 0);
}

}  // namespace
}  // namespace emprops::test
