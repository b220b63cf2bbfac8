// What a user of an earlier version has keeps working: the configuration file of 7781cf9 with every key in it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/fields.h"
#include "config/files.h"
#include "tests/support/config_fixture.h"

namespace emprops::config {
namespace {

using test::problems_of;
using testing::HasSubstr;

struct Upgrade : testing::Test, test::ConfigFixture {};

TEST_F(Upgrade, AFileOfAnEarlierVersionLoadsAndItsRetiredKeysAreWarnedOf) {
    const Loaded defaults = load();
    const std::filesystem::path old = std::filesystem::path(EMPROPS_SOURCE_DIR) / "tests/fixtures/upgrade";
    toml(read_file(old / "emprops-worker.toml").value());
    const Loaded loaded = load();
    EXPECT_TRUE(loaded.ok()) << problems_of(loaded);
    for (const Problem& problem : loaded.problems)
        EXPECT_THAT(problem.message, HasSubstr("is no setting any more and changes nothing: "));
    for (const char* key :
         {"hub.claim_timeout", "hub.refusal_memory", "hub.bad_token_retry", "hub.receive_limit",
          "hub.max_assembly_bytes", "hub.assembly_timeout", "local_hub.stale_claim_after",
          "local_hub.history", "supervision.backoff_jitter", "supervision.backoff_reset",
          "supervision.stdin_queue_bytes", "supervision.evidence_stderr_lines",
          "supervision.evidence_messages", "connectors.simulation.service.backoff_jitter",
          "connectors.simulation.service.backoff_reset",
          "connectors.simulation.service.evidence_stderr_lines"}) {
        EXPECT_THAT(problems_of(loaded), HasSubstr("`" + std::string(key) + "` is no setting"));
    }
    EXPECT_EQ(loaded.problems.size(), 16u);
    // The file says what was the default then: one is another by now.
    EXPECT_THAT(changed_keys(defaults.settings, loaded.settings), testing::ElementsAre("hub.reconnect_max"));
    EXPECT_EQ(changed_connectors(defaults.settings, loaded.settings), std::vector<std::string>{});
}

TEST_F(Upgrade, ARetiredKeyIsWarnedOfWhereverItStands) {
    toml("[connectors.a]\nbackoff_jitter = 0.5\n");
    dotenv("EMPROPS_HUB_CLAIM_TIMEOUT=5\n");
    env("EMPROPS_CONNECTORS_A_SERVICE_BACKOFF_RESET") = "5";
    request.overrides = {"local_hub.history=1d"};
    EXPECT_EQ(
        problems_of(load()),
        "command line: local_hub.history: warning: `local_hub.history` is no setting any more and changes "
        "nothing: finished jobs are forgotten after 7 days\n"
        "emprops-worker.toml:2: warning: `connectors.a.backoff_jitter` is no setting any more and changes "
        "nothing: a delay before a restart varies by 20 percent\n"
        ".env:1 (EMPROPS_HUB_CLAIM_TIMEOUT): warning: `EMPROPS_HUB_CLAIM_TIMEOUT` is no setting any more and "
        "changes nothing: the answer to a claim is waited for 10 s\n"
        "environment: EMPROPS_CONNECTORS_A_SERVICE_BACKOFF_RESET: warning: "
        "`EMPROPS_CONNECTORS_A_SERVICE_BACKOFF_RESET` is no setting any more and changes nothing: the delay "
        "starts anew once the process was up for 1 min\n");
}

TEST_F(Upgrade, NoRowHasARetiredKey) {
    for (const Field& field : fields()) {
        const std::string key = field.table.starts_with("connectors.NAME")
                                    ? "connectors.x." + field.connector_key()
                                    : field.full_key();
        EXPECT_EQ(find_retired(key), nullptr) << key;
    }
}

}  // namespace
}  // namespace emprops::config
