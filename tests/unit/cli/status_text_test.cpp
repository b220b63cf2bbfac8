#include "supervisor/cli/status_text.h"

#include <gtest/gtest.h>

namespace emprops::cli {
namespace {

using ipc::Json;

Json instance(const std::string& name, const std::string& state, int pid, int generation) {
    return {{"name", name},
            {"index", 0},
            {"state", state},
            {"pid", pid},
            {"generation", generation},
            {"uptime_ms", 65'000},
            {"rss_bytes", 1024},
            {"leaving", 0},
            {"replacing", false},
            {"jobs", Json::array()},
            {"concurrency", 1},
            {"available", true},
            {"why", "because"},
            {"job_types", {name}}};
}

Json status(Json connectors) {
    return {{"worker", {{"state", "running"}, {"uptime_ms", 1000}, {"pid", 7}}},
            {"hub",
             {{"address", "ws://hub"},
              {"link", "connected"},
              {"worker_id", "gpu-1"},
              {"told_status", "idle"},
              {"told_job_types", {"comfyui"}},
              {"not_delivered", {{"cancelled", 4}, {"claimed_by_other", 1}}},
              {"outbox_depth", 2}}},
            {"jobs",
             {{"running", 1},
              {"completed", 5},
              {"failed", {{"crashed", 2}, {"hung", 1}}},
              {"undelivered", Json::object()}}},
            {"connectors", std::move(connectors)}};
}

TEST(StatusText, ShowsTheWorkerTheHubTheJobsAndEachConnector) {
    const auto text =
        status_text(status({instance("comfyui", "busy", 12, 1), instance("sim", "backoff", 0, 1)}), 0);
    EXPECT_NE(text.find("running, up 1 s, pid 7"), std::string::npos) << text;
    EXPECT_NE(text.find("ws://hub connected as gpu-1, told: idle [comfyui]"), std::string::npos) << text;
    EXPECT_NE(text.find("1 running, 5 completed, 3 failed, 4 cancelled, 1 not reported, 2 waiting"),
              std::string::npos)
        << text;
    auto holding = status(Json::array());
    holding["jobs"]["held"] = 16;
    EXPECT_NE(status_text(holding, 0).find("1 running, 16 held, 5 completed"), std::string::npos)
        << "what waits for a slot does not run";
    EXPECT_NE(text.find("comfyui    busy     12"), std::string::npos) << text;
    EXPECT_NE(text.find("\nsim: because\n"), std::string::npos) << "one that does not serve says why\n"
                                                                << text;
}

TEST(StatusText, AWorkerThatWaitsForItsNextAttemptSaysHowLongAndJobsKeptFromItAreNamed) {
    auto waits = status({instance("comfyui", "ready", 12, 1)});
    waits["hub"]["link"] = "waiting";
    waits["hub"]["next_attempt_in_ms"] = 40'000;
    waits["hub"]["last_error"] = "the connection broke off";
    waits["hub"]["withheld_jobs"] = {{{"job_id", "j1"}, {"why", "job j1 waits at the Hub"}}};
    const auto text = status_text(waits, 0);
    EXPECT_NE(text.find("ws://hub waiting, next attempt in 40 s: the connection broke off\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("\n        job j1 waits at the Hub\n"), std::string::npos) << text;
}

TEST(StatusText, AReasonIsNeverCutAndOneThatServesButTakesNoJobsHasOne) {
    auto drained = instance("comfyui", "ready", 12, 1);
    const std::string reason(300, 'x');
    drained["takes_no_jobs_because"] = reason;
    EXPECT_NE(status_text(status({drained}), 80).find("\ncomfyui: takes no jobs: " + reason + "\n"),
              std::string::npos);
    EXPECT_EQ(status_text(status({instance("comfyui", "ready", 12, 1)}), 80).find("comfyui: "),
              std::string::npos);
}

TEST(StatusText, OneThatIsUnavailableSaysSoInItsStateAndWhyOnce) {
    auto one = instance("comfyui", "unavailable", 12, 1);
    one["why"] = "comfyui is unavailable: ComfyUI does not answer";
    one["takes_no_jobs_because"] = "unavailable: ComfyUI does not answer";
    const auto text = status_text(status({one}), 0);
    EXPECT_NE(text.find("\ncomfyui    unavailable  12"), std::string::npos) << text;
    EXPECT_NE(text.find("\ncomfyui is unavailable: ComfyUI does not answer\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("does not answer"), text.rfind("does not answer")) << "said once" << text;
    one["takes_no_jobs_because"] = "the worker is leaving";
    EXPECT_NE(status_text(status({one}), 0).find("comfyui: takes no jobs: the worker is leaving\n"),
              std::string::npos);
}

Json with_service(Json connector, const std::string& state, int starts) {
    connector["service"] = {{"state", state},
                            {"usable", state == "healthy"},
                            {"pid", state == "stopped" ? 0 : 99},
                            {"port", 8188},
                            {"uptime_ms", 3000},
                            {"rss_bytes", 2048},
                            {"why", "waits 8 s to restart"},
                            {"counters", {{"starts", starts}}}};
    return connector;
}

TEST(StatusText, ACompanionServiceHasALineOfItsOwn) {
    auto text = status_text(status({with_service(instance("comfyui", "ready", 12, 1), "healthy", 1)}), 0);
    EXPECT_NE(text.find("comfyui service  healthy  99"), std::string::npos) << text;
    EXPECT_NE(text.find("port 8188"), std::string::npos) << text;
    EXPECT_EQ(text.find("waits 8 s"), std::string::npos) << text;
    text = status_text(status({with_service(instance("comfyui", "ready", 12, 1), "backoff", 1)}), 0);
    EXPECT_NE(text.find("waits 8 s to restart"), std::string::npos) << text;
    auto unavailable = with_service(instance("comfyui", "ready", 12, 1), "backoff", 1);
    unavailable["takes_no_jobs_because"] = "unavailable: its service waits 8 s to restart";
    text = status_text(status({unavailable}), 0);
    EXPECT_NE(text.find("its service waits 8 s"), std::string::npos) << text;
    EXPECT_EQ(text.find("waits 8 s"), text.rfind("waits 8 s")) << "said once" << text;
}

TEST(Reached, ARestartOfTheServiceIsDoneWhenItWasStartedAndCanBeUsed) {
    const auto ready = instance("a", "ready", 1, 4);
    const auto before = status({with_service(ready, "healthy", 1)});
    EXPECT_FALSE(reached("restart service", "a", before, before));
    EXPECT_FALSE(reached("restart service", "a", before, status({with_service(ready, "starting", 2)})));
    EXPECT_TRUE(reached("restart service", "a", before, status({with_service(ready, "healthy", 2)})));
    const auto stopped = instance("a", "stopped", 0, 4);
    EXPECT_FALSE(reached("stop", "a", before, status({with_service(stopped, "stopping", 2)})));
    EXPECT_TRUE(reached("stop", "a", before, status({with_service(stopped, "stopped", 2)})));
}

TEST(StatusText, ALostHubSaysWhy) {
    auto page = status(Json::array());
    page["hub"]["link"] = "waiting";
    page["hub"]["last_error"] = "connection refused";
    const auto text = status_text(page, 0);
    EXPECT_NE(text.find("ws://hub waiting: connection refused"), std::string::npos) << text;
    EXPECT_NE(text.find("no connectors are loaded"), std::string::npos) << text;
}

TEST(Reached, ARestartIsDoneWhenAnotherGenerationServesAndNoneLeaves) {
    const auto before = status({instance("a", "ready", 1, 4)});
    EXPECT_FALSE(reached("restart", "a", before, before));
    auto now = status({instance("a", "ready", 2, 5)});
    EXPECT_TRUE(reached("restart", "a", before, now));
    now["connectors"][0]["leaving"] = 1;
    EXPECT_FALSE(reached("restart", "a", before, now));
    EXPECT_FALSE(reached("restart", "a", before, status({instance("a", "starting", 2, 5)})));
}

TEST(Reached, StopStartDrainAndCancel) {
    const auto before = status({instance("a", "ready", 1, 4)});
    EXPECT_FALSE(reached("stop", "a", before, before));
    EXPECT_TRUE(reached("stop", "a", before, status({instance("a", "stopped", 0, 4)})));
    EXPECT_TRUE(reached("start", "a", before, before));
    EXPECT_TRUE(reached("start", "a", before, status({instance("a", "unavailable", 1, 4)})))
        << "its process is up: its service is another matter";
    auto busy = before;
    busy["connectors"][0]["jobs"] = {"j"};
    EXPECT_FALSE(reached("drain", "a", before, busy));
    EXPECT_FALSE(reached("drain", "", before, busy));
    auto idle = before;
    idle["jobs"]["running"] = 0;
    EXPECT_TRUE(reached("drain", "", before, idle));
    EXPECT_FALSE(reached("drain", "", before, before)) << "a held job is with no instance, and runs";
    auto held = idle;
    held["connectors"][0]["quiet"] = false;
    EXPECT_FALSE(reached("drain", "a", before, held)) << "it resumes a job";
    EXPECT_TRUE(reached("drain", "a", before, idle));
    EXPECT_FALSE(reached("cancel", "j", before, {{"jobs", {{{"job_id", "j"}}}}}));
    EXPECT_TRUE(reached("cancel", "j", before, {{"jobs", Json::array()}}));
}

TEST(Reached, AReloadIsDoneWhenEveryConnectorServesOrHasGivenUp) {
    const auto before = status({instance("a", "ready", 1, 4)});
    for (const char* state : {"starting", "draining", "backoff"})
        EXPECT_FALSE(reached("reload", "", before, status({instance("a", state, 2, 5)}))) << state;
    for (const char* state : {"ready", "unavailable", "busy", "stopped", "failed", "breaker_open"})
        EXPECT_TRUE(reached("reload", "", before, status({instance("a", state, 2, 5)}))) << state;
    auto replacing = before;
    replacing["connectors"][0]["replacing"] = true;
    EXPECT_FALSE(reached("reload", "", before, replacing));
}

TEST(JobsText, TextsOfClientsAndConnectorsCannotActOnTheTerminal) {
    const auto text = jobs_text({{"jobs",
                                  {{{"job_id", "j\x1b[2J"},
                                    {"job_type",
                                     "t\xc2\x9b"
                                     "31m"},
                                    {"state", "running"},
                                    {"attempt", 1},
                                    {"assigned_ms_ago", 3000},
                                    {"message", "\xe2\x80\xaetxt"}}}}},
                                0);
    EXPECT_NE(text.find("j\\x1b[2J"), std::string::npos) << text;
    EXPECT_NE(text.find("t\\x9b31m"), std::string::npos) << text;
    EXPECT_NE(text.find("\\u202etxt"), std::string::npos) << text;
    auto page = status(Json::array());
    page["hub"]["worker_id"] = "w\x1b]0;x";
    EXPECT_EQ(status_text(page, 0).find('\x1b'), std::string::npos);
}

TEST(JobsText, ListsJobs) {
    EXPECT_EQ(jobs_text({{"jobs", Json::array()}}, 80), "no jobs\n");
    const auto text = jobs_text({{"jobs",
                                  {{{"job_id", "j-1"},
                                    {"job_type", "t"},
                                    {"state", "running"},
                                    {"attempt", 1},
                                    {"assigned_ms_ago", 3000},
                                    {"progress", 40},
                                    {"message", "step 2"}}}}},
                                0);
    EXPECT_NE(text.find("j-1"), std::string::npos);
    EXPECT_NE(text.find("40"), std::string::npos);
    EXPECT_NE(text.find("step 2"), std::string::npos);
}

Json with_deaths(Json one, int deaths) {
    one["counters"] = {{"deaths", deaths}};
    return one;
}

TEST(BrokenOff, IsWhatHasDiedSinceItWasBegunAndNothingElse) {
    const Json before =
        status({with_deaths(instance("a", "ready", 12, 1), 3), instance("b", "ready", 13, 1)});
    const Json died = status({with_deaths(instance("a", "backoff", 0, 2), 4), instance("b", "ready", 13, 1)});
    for (const char* verb : {"restart", "start", "reload"})
        EXPECT_EQ(broken_off(verb, std::string(verb) == "reload" ? "" : "a", before, died), "a because")
            << verb;
    for (const char* verb : {"stop", "drain", "resume"})
        EXPECT_EQ(broken_off(verb, "a", before, died), "") << verb;
    EXPECT_EQ(broken_off("restart", "b", before, died), "") << "another one's death";
    EXPECT_EQ(broken_off("restart", "a", before, before), "");
    const Json failed = status({instance("a", "failed", 0, 2), instance("b", "ready", 13, 1)});
    EXPECT_EQ(broken_off("start", "a", before, failed), "a because")
        << "exit code 78 is no death like others";
    const Json fresh = status({with_deaths(instance("c", "backoff", 0, 1), 1)});
    EXPECT_EQ(broken_off("reload", "", before, fresh), "c because") << "it was not there before";
}

TEST(BrokenOff, OfAServiceLooksAtTheService) {
    auto of = [](int deaths, const char* state) {
        auto one = with_deaths(instance("a", "ready", 12, 1), 9);
        one["service"] = {{"state", state}, {"why", "died at once"}, {"counters", {{"deaths", deaths}}}};
        return status({one});
    };
    EXPECT_EQ(broken_off("restart service", "a", of(1, "healthy"), of(2, "backoff")),
              "a: its service died at once");
    EXPECT_EQ(broken_off("restart service", "a", of(1, "healthy"), of(1, "starting")), "");
}

}  // namespace
}  // namespace emprops::cli
