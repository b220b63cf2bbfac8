// Connectors in Python in the whole worker: one on the SDK, and one that was written for the Python worker and is found
// by its name in CONNECTORS. What befalls one of them is nobody else's business.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

/// Echoes after {"seconds"}; its jobs run side by side.
constexpr const char* echo = R"(
import sys
sys.path.insert(0, sys.argv[1])
from emprops_connector import Connector, run_connector

class Echo(Connector):
    name, job_types, concurrency = "echo", ["echo"], 4

    def process_job(self, job, context):
        context.progress(50, "half way")
        context.wait_cancelled(job.payload.number("seconds", 0))
        return {"status": "success", "echo": job.payload}

raise SystemExit(run_connector(Echo()))
)";

/// As such connectors are written; {"hang"} names a file without which it hangs.
constexpr const char* old = R"(
import asyncio
import os
from connector_interface import ConnectorInterface
from core.utils.logger import logger

class Painter(ConnectorInterface):
    def initialize(self) -> bool:
        return True

    def get_job_type(self) -> str:
        return "paint"

    def get_capabilities(self) -> Dict[str, Any]:
        return {"colours": 3}

    async def process_job(self, websocket, job_id, payload, send_progress_update) -> Dict[str, Any]:
        if "hang" in payload and not os.path.exists(payload["hang"]):
            open(payload["hang"], "w").close()
            await send_progress_update(job_id, 5, "processing", "hanging")
            await asyncio.sleep(600)
        return {"status": "success", "output": payload, "variables": sorted(os.environ)}

    async def shutdown(self) -> None:
        logger.info("shut down")
)";

struct World {
    TempDir folder;
    TestHub hub;
    std::unique_ptr<TestWorker> worker;
    std::unique_ptr<JobClient> client;

    explicit World(const std::string& more) {
        const auto script = folder.write_file("echo.py", echo);
        folder.write_file("old/my_connector.py", old);
        TestWorkerOptions options;
        options.hub_url = hub.url();
        options.toml = "[connectors.echo]\ncommand = [\"python3\", \"" + script.string() + "\", \"" +
                       EMPROPS_SOURCE_DIR + "/connector-sdk/python\"]\n" + more;
        options.files[".env"] = "CONNECTORS=echo,my\nEMPROPS_CONNECTOR_DIRS=" + (folder / "old").string() +
                                "\nOTHER_KEY=1\nMAX_WS_MESSAGE_SIZE_MB=7\nWEBSOCKET_AUTH_TOKEN=verysecret\n"
                                "COPY_OF_TOKEN=xverysecretx\nECHO_KEY=2\nMY_KEY=3\n";
        worker = std::make_unique<TestWorker>(options);
        worker->wait_state("echo", "ready");
        worker->wait_state("my", "ready");
        client = std::make_unique<JobClient>(hub);
    }
};

std::vector<std::string> variables_of(World& world) {
    const Json result = world.client->completed(world.client->submit("paint", {{"a", 1.5}}));
    EXPECT_EQ(result.at("output"), Json({{"a", 1.5}}));
    return result.at("variables").get<std::vector<std::string>>();
}

TEST(PythonConnectors, AKillFailsOneJobAndNothingElse) {
    World world("");
    const std::string beside = world.client->submit("echo", {{"seconds", 2}});
    world.client->progressed(beside);
    const std::string hanging = world.client->submit("paint", {{"hang", (world.folder / "hung").string()}});
    world.client->progressed(hanging);
    const auto echo_pid = world.worker->connector("echo").at("pid");
    ASSERT_EQ(::kill(world.worker->connector("my").at("pid").get<int>(), SIGKILL), 0);
    EXPECT_THAT(world.client->failed(hanging), HasSubstr("SIGKILL"));
    EXPECT_EQ(world.client->completed(beside).at("status"), "success");
    // The hub gives it again, and the next process does it.
    EXPECT_EQ(world.client->completed(hanging).at("status"), "success");
    EXPECT_EQ(world.worker->connector("echo").at("pid"), echo_pid);
    world.worker->stop_and_wait();
    EXPECT_THAT(world.worker->log(), HasSubstr("shut down"));
}

TEST(PythonConnectors, WithoutAWordAnOldConnectorGetsItsOwnVariables) {
    World world("");
    const auto names = variables_of(world);
    EXPECT_THAT(names, IsSupersetOf({"MY_KEY", "PATH"}));
    for (const char* name : {"OTHER_KEY", "MAX_WS_MESSAGE_SIZE_MB", "ECHO_KEY", "WEBSOCKET_AUTH_TOKEN"})
        EXPECT_THAT(names, Not(Contains(name)));
}

TEST(PythonConnectors, ByChoiceItGetsTheOldEnvFileWithoutTheSecretsAndOthersVariables) {
    World world("[connectors.my]\nenv_pass = [\".env\"]\n");
    const auto names = variables_of(world);
    EXPECT_THAT(names, IsSupersetOf({"MY_KEY", "OTHER_KEY", "MAX_WS_MESSAGE_SIZE_MB"}));
    for (const char* name : {"ECHO_KEY", "WEBSOCKET_AUTH_TOKEN", "COPY_OF_TOKEN"})
        EXPECT_THAT(names, Not(Contains(name)));
}

}  // namespace
}  // namespace emprops::test
