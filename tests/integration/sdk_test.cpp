// The C++ SDK seen from outside: real connector processes (simulation, echo), driven over their pipes with
// the exact lines of the protocol.
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/connector_peer.h"
#include "tests/support/temp_dir.h"

namespace emprops {
namespace {

using Json = nlohmann::json;
using test::ChildOptions;
using test::ChildProcess;
using Peer = test::ConnectorPeer;
using test::connector_program;
using test::ExitStatus;
using test::Ms;
using ::testing::HasSubstr;
using ::testing::Not;

/// Short, and with a pause between the steps that is longer than the SDK's throttle, on a machine with time.
const Json quick{{"processing_time", 0.3}, {"steps", 3}};
const char* const endless = R"({"processing_time": 600, "steps": 600})";

TEST(Sdk, SaysNothingBeforeHelloAndThenOffersWhatItCan) {
    ChildProcess child(connector_program("simulation"));
    EXPECT_EQ(child.read_line(Ms(100)), std::nullopt);
    child.write_line(R"({"type":"hello","protocol_versions":[1],"concurrency":2,"settings":{"steps":4}})");
    const auto line = child.read_line();
    ASSERT_TRUE(line);
    const Json ready = Json::parse(*line);
    EXPECT_EQ(ready["type"], "ready");
    EXPECT_EQ(ready["protocol"], 1);
    EXPECT_EQ(ready["name"], "simulation");
    EXPECT_EQ(ready["job_types"], Json::array({"simulation"}));
    EXPECT_EQ(ready["concurrency"], 2);
    EXPECT_EQ(ready["features"], Json::array({"cancel", "ping", "status"}));
    EXPECT_EQ(ready["capabilities"],
              (Json{{"simulation_version", "1.0.0"}, {"processing_time", 10}, {"steps", 4}}));
}

TEST(Sdk, AStatusFromInitializeFollowsReady) {
    Peer peer;
    const Json status = peer.next("status");
    EXPECT_EQ(peer.seen.front()["type"], "ready");
    EXPECT_EQ(status["available"], true);
    EXPECT_EQ(status["service"], "simulation");
}

TEST(Sdk, AJobReportsItsProgressInOrderAndEndsWithItsResult) {
    Peer peer(quick);
    peer.ready();
    peer.job("j1");
    const Json result = peer.next("result");
    std::vector<std::string> story;
    for (const Json& message : peer.seen)
        if (message["type"] == "progress" && message["job_id"] == "j1")
            story.push_back(message["status"].get<std::string>() + " " +
                            message.value("progress", Json()).dump());
    // A report that a busy machine sends late may be overtaken by the next one; never the first and the last.
    const std::vector<std::string> all{"started 0", "processing 33", "processing 66", "heartbeat null",
                                       "finalizing 100"};
    auto place = all.begin();
    for (const std::string& said : story) {
        const auto found = std::find(place, all.end(), said);
        EXPECT_NE(found, all.end()) << said << " is unknown, said twice or out of order";
        if (found != all.end()) place = found + 1;
    }
    EXPECT_GE(story.size(), 2u);
    EXPECT_EQ(story.front(), all.front());
    EXPECT_EQ(story.back(), all.back());
    EXPECT_EQ(result["result"], (Json{{"status", "success"},
                                      {"output",
                                       {{"job_id", "j1"},
                                        {"job_type", "simulation"},
                                        {"processing_time", 0.3},
                                        {"steps", 3},
                                        {"payload_size", 2},
                                        {"result", "Simulated simulation job completed successfully"}}}}));
}

TEST(Sdk, TheJobTypeSettingReallyChangesTheAdvertisedType) {
    ChildOptions options = connector_program("simulation");
    options.env.push_back("SIMULATION_JOB_TYPE=foo");
    Peer peer(std::move(options), quick);
    EXPECT_EQ(peer.ready()["job_types"], Json::array({"foo"}));
}

TEST(Sdk, ThePayloadComesBackByteForByte) {
    Peer peer(quick);
    peer.ready();
    const std::string payload =
        R"({"echo":true,"processing_time":0,"b":1.10,"a":1e5,"s":18446744073709551616,"u":"\u00e9é","b":[ ]})";
    peer.job("j", payload);
    const auto line = peer.read_until("\"result\"");
    ASSERT_TRUE(line);
    EXPECT_THAT(*line, HasSubstr("\"echo\":" + payload + "}"));
}

TEST(Sdk, PingIsAnsweredWhileAJobRuns) {
    Peer peer;
    peer.ready();
    peer.job("j", endless);
    peer.next("progress");
    peer.send({{"type", "ping"}, {"id", 42}});
    EXPECT_EQ(peer.next("pong", Ms(2000))["id"], 42);
}

TEST(Sdk, PingIsAnsweredWhileAJobHangs) {
    Peer peer;
    peer.ready();
    peer.job("j", R"({"fault":"hang"})");
    peer.next("progress");
    peer.send({{"type", "ping"}, {"id", 1}});
    EXPECT_EQ(peer.next("pong", Ms(2000))["id"], 1);
}

TEST(Sdk, ACancelEndsTheJobAtOnceAndFreesItsSlot) {
    Peer peer;
    peer.ready();
    peer.job("j", endless);
    peer.next("progress");
    peer.send({{"type", "cancel"}, {"job_id", "not-here"}, {"reason", "x"}});
    peer.send({{"type", "cancel"}, {"job_id", "j"}, {"reason", "the client asked"}});
    const Json failed = peer.next("failed", Ms(2000));
    EXPECT_EQ(failed["job_id"], "j");
    EXPECT_EQ(failed["error"]["code"], "cancelled");
    EXPECT_THAT(failed["error"]["message"], HasSubstr("the client asked"));
    peer.job("k", R"({"processing_time":0})");
    EXPECT_EQ(peer.next("result")["job_id"], "k");
}

TEST(Sdk, TwoJobsRunAtOnceAndAThirdIsHandedBack) {
    Peer peer(Json{{"concurrency", 2}});
    peer.ready();
    peer.job("a", endless);
    peer.job("b", R"({"processing_time":0.1,"steps":1})");
    peer.job("c");
    const Json failed = peer.next("failed");
    EXPECT_EQ(failed["job_id"], "c");
    EXPECT_EQ(failed["error"]["code"], "not_started");
    EXPECT_EQ(peer.next("result")["job_id"], "b");
    peer.job("d", R"({"processing_time":0})");
    EXPECT_EQ(peer.next("result")["job_id"], "d");
}

TEST(Sdk, AJobIsRefusedBeforeReadyAndAfterDrain) {
    Peer peer(Json{{"start_seconds", 0.3}});
    peer.job("early");
    EXPECT_EQ(peer.next("failed")["error"]["code"], "not_started");
    peer.ready();
    peer.job("running", R"({"processing_time":0.3,"steps":1})");
    peer.send({{"type", "drain"}});
    peer.job("late");
    EXPECT_EQ(peer.next("failed")["job_id"], "late");
    EXPECT_EQ(peer.next("result")["job_id"], "running");
}

TEST(Sdk, ALineThatIsNoMessageIsNamedOnStderrAndHarmless) {
    Peer peer(quick);
    peer.ready();
    peer.write_line("{\"type\":");
    peer.write_line("{\"type\":\"from_the_future\"}\r\n");
    peer.job("j", R"({"processing_time":0})");
    EXPECT_EQ(peer.next("result")["job_id"], "j");
    EXPECT_TRUE(peer.wait_stderr("not acceptable"));
}

TEST(Sdk, ShutdownCancelsTheJobAndExitsWithZero) {
    Peer peer;
    peer.ready();
    peer.job("j", endless);
    peer.next("progress");
    peer.send({{"type", "shutdown"}, {"grace_ms", 5000}});
    peer.close_stdin();
    EXPECT_EQ(peer.next("failed")["error"]["code"], "drained");
    EXPECT_EQ(peer.wait(Ms(4000)), (ExitStatus{0, 0}));
}

TEST(Sdk, AJobThatIsDoneWithinTheGraceIsStillDelivered) {
    Peer peer;
    peer.ready();
    peer.job("j", R"({"processing_time":0.5,"steps":1,"fault":"ignore_cancel"})");
    peer.next("accepted");
    peer.next("progress");
    peer.send({{"type", "shutdown"}, {"grace_ms", 5000}});
    peer.close_stdin();
    EXPECT_EQ(peer.next("result")["job_id"], "j");
    EXPECT_EQ(peer.wait(Ms(4000)), (ExitStatus{0, 0}));
}

TEST(Sdk, AJobThatDoesNotReturnIsLeftBehindWhenTheGraceIsOver) {
    Peer peer;
    peer.ready();
    peer.job("stubborn", R"({"fault":"hang"})");
    peer.next("progress");
    peer.send({{"type", "shutdown"}, {"grace_ms", 200}});
    EXPECT_EQ(peer.wait(Ms(3000)), (ExitStatus{70, 0}));
    EXPECT_TRUE(peer.wait_stderr("leaves by force (the supervisor asked for it); still running: stubborn"));
}

TEST(Sdk, TheGraceDoesNotRunWhileTheConnectorIsStopped) {
    Peer peer;
    peer.ready();
    peer.job("j", R"({"processing_time":2,"steps":20,"fault":"ignore_cancel"})");
    peer.next("progress");
    peer.send({{"type", "shutdown"}, {"grace_ms", 3500}});
    peer.close_stdin();
    peer.signal(SIGSTOP);
    std::this_thread::sleep_for(Ms(4500));  // the pause itself: much longer than the grace
    peer.signal(SIGCONT);
    EXPECT_EQ(peer.next("result")["job_id"], "j");
    EXPECT_EQ(peer.wait(Ms(4000)), (ExitStatus{0, 0}));
}

TEST(Sdk, EndOfStdinMeansLeave) {
    Peer idle, busy, hanging;
    for (Peer* peer : {&idle, &busy, &hanging})
        peer->ready();
    busy.job("j", endless);
    busy.next("progress");
    hanging.job("j", R"({"fault":"hang"})");
    hanging.next("progress");
    for (Peer* peer : {&idle, &busy, &hanging})
        peer->close_stdin();
    EXPECT_EQ(idle.wait(Ms(1500)), (ExitStatus{0, 0}));
    EXPECT_EQ(busy.wait(Ms(1500)), (ExitStatus{0, 0}));
    EXPECT_EQ(hanging.wait(Ms(5000)), (ExitStatus{70, 0}));
}

TEST(Sdk, EndOfStdinDuringAStartThatHangsMeansLeaveToo) {
    Peer peer(Json{{"start_fault", "hang"}});
    peer.close_stdin();
    EXPECT_EQ(peer.wait(Ms(5000)), (ExitStatus{70, 0}));
}

TEST(Sdk, SigtermMeansLeave) {
    Peer peer;
    peer.ready();
    peer.job("j", endless);
    peer.next("progress");
    peer.signal(SIGTERM);
    EXPECT_EQ(peer.next("failed")["error"]["code"], "drained");
    EXPECT_EQ(peer.wait(Ms(3000)), (ExitStatus{0, 0}));
}

TEST(Sdk, AReaderThatStallsHoldsUpNobodyAndLosesNoResult) {
    constexpr int jobs = 20;  // with results of 50 kB: far more than a pipe holds
    Peer peer(Json{{"concurrency", jobs}});
    peer.next("status");
    peer.hold_stdout();
    for (int i = 0; i < jobs; ++i)
        peer.job(std::to_string(i), R"({"processing_time":0,"fault":"big_result","bytes":50000})");
    EXPECT_TRUE(peer.write_line(R"({"type":"ping","id":7})", Ms(2000))) << "it still reads its stdin";
    peer.release_stdout();
    for (int i = 0; i < jobs; ++i)
        EXPECT_EQ(peer.next("result")["type"], "result") << i;
}

TEST(Sdk, StrayPrintsBecomeLogLines) {
    Peer peer(quick);
    peer.ready();
    peer.job("j", R"({"fault":"stray_print","count":2,"processing_time":0})");
    peer.next("result");
    for (const Json& message : peer.seen)
        EXPECT_TRUE(message.is_object() && !message.contains("stray")) << message;
    for (const char* text : {"std::cout 1", "by printf 1", "by write 1"})
        EXPECT_TRUE(peer.wait_stderr(text)) << text;
}

TEST(Sdk, AResultOverTheLimitFailsTheJobAndTheConnectorLivesOn) {
    Peer peer(connector_program("simulation"), quick, {{"max_line_bytes", 10'000}});
    peer.ready();
    peer.job("j", R"({"fault":"big_result","bytes":20000,"processing_time":0})");
    const Json failed = peer.next("failed");
    EXPECT_EQ(failed["error"]["code"], "result_too_large");
    EXPECT_THAT(failed["error"]["message"], HasSubstr("10000 (max_line_bytes)"));
    peer.job("k", R"({"processing_time":0})");
    EXPECT_EQ(peer.next("result")["job_id"], "k");
}

TEST(Sdk, AForeignProtocolVersionIsRefused) {
    Peer peer(connector_program("simulation"), quick, {{"protocol_versions", {2}}});
    const Json failed = peer.next("init_failed");
    EXPECT_EQ(failed["error"]["code"], "unsupported");
    EXPECT_EQ(failed["error"]["retryable"], false);
    EXPECT_EQ(peer.wait(), (ExitStatus{78, 0}));
}

TEST(Sdk, AWrongSettingIsSaidAndExits78) {
    ChildOptions options = connector_program("simulation");
    options.env.push_back("SIMULATION_STEPS=many");
    Peer peer(std::move(options), quick);
    const Json failed = peer.next("init_failed");
    EXPECT_EQ(failed["error"]["retryable"], false);
    EXPECT_THAT(failed["error"]["message"],
                testing::AllOf(HasSubstr("SIMULATION_STEPS must be"), HasSubstr("not `many`")));
    EXPECT_EQ(peer.wait(), (ExitStatus{78, 0}));
}

TEST(Sdk, AFailedStartExits70SoThatItIsRetried) {
    Peer peer(Json{{"start_fault", "throw"}});
    EXPECT_EQ(peer.next("init_failed")["error"]["retryable"], true);
    EXPECT_EQ(peer.wait(), (ExitStatus{70, 0}));
}

TEST(Sdk, StartedByHandItSaysWhatItIs) {
    ChildOptions options = connector_program("simulation");
    options.env.clear();
    ChildProcess child(std::move(options));
    EXPECT_EQ(child.wait(), (ExitStatus{64, 0}));
    EXPECT_TRUE(child.wait_stderr("a connector for emprops-worker"));
    EXPECT_TRUE(child.wait_stdout_end());
    EXPECT_EQ(child.read_line(), std::nullopt) << "nothing on stdout";
}

TEST(Sdk, VersionIsPrintedOnStdout) {
    ChildOptions options = connector_program("echo");
    options.argv.push_back("--version");
    ChildProcess child(std::move(options));
    EXPECT_EQ(child.read_line(), "echo 1.0.0");
    EXPECT_EQ(child.wait(), (ExitStatus{0, 0}));
}

// ---- the simulation's misbehaviour is what its README says

Json fault(const std::string& name, Json more = Json::object()) {
    more.update({{"fault", name}, {"processing_time", 0}});
    return more;
}

/// Runs one job with a fault and returns how the process ended.
std::optional<ExitStatus> ends_by(const Json& payload) {
    Peer peer(quick);
    peer.ready();
    peer.job("j", payload.dump());
    return peer.wait();
}

TEST(Simulation, DiesAsAsked) {
    EXPECT_EQ(ends_by(fault("exit", {{"exit_code", 5}})), (ExitStatus{5, 0}));
    EXPECT_EQ(ends_by(fault("segv")), (ExitStatus{-1, SIGSEGV}));
    EXPECT_EQ(ends_by(fault("signal", {{"signal", SIGABRT}})), (ExitStatus{-1, SIGABRT}));
}

TEST(Simulation, AResultThenDeathIsWrittenWhole) {
    Peer peer(quick);
    peer.ready();
    peer.job("j", fault("result_then_die").dump());
    EXPECT_EQ(peer.next("result")["job_id"], "j");
    EXPECT_EQ(peer.wait(), (ExitStatus{-1, SIGKILL}));
}

TEST(Simulation, HalfAResultIsHalfALine) {
    Peer peer(quick);
    peer.ready();
    peer.job("j", fault("half_result").dump());
    EXPECT_EQ(peer.wait(), (ExitStatus{-1, SIGKILL}));
    const auto half = peer.read_until("\"type\":\"result\"");
    ASSERT_TRUE(half);
    EXPECT_TRUE(Json::parse(*half, nullptr, false).is_discarded());
}

TEST(Simulation, FailuresCarryTheirCodes) {
    const auto code_of = [](const Json& payload) {
        Peer peer(quick);
        peer.ready();
        peer.job("j", payload.dump());
        return peer.next("failed")["error"]["code"];
    };
    EXPECT_EQ(code_of(fault("fail")), "simulation.fault");
    EXPECT_EQ(code_of(fault("fail", {{"code", "out_of_memory"}})), "out_of_memory");
    EXPECT_EQ(code_of(fault("throw")), "internal");
    EXPECT_EQ(code_of(fault("no_such_fault")), "invalid_payload");
    EXPECT_EQ(code_of({{"steps", 0}}), "simulation.division_by_zero");
}

TEST(Simulation, TwoResultsAndAForeignOneAreReallySent) {
    Peer peer(quick);
    peer.ready();
    peer.job("j", fault("two_results").dump());
    EXPECT_EQ(peer.next("result")["job_id"], "j");
    EXPECT_EQ(peer.next("result")["job_id"], "j");
    peer.job("k", fault("foreign_result").dump());
    EXPECT_EQ(peer.next("result")["job_id"], "not-mine");
    EXPECT_EQ(peer.next("result")["job_id"], "k");
}

TEST(Simulation, BrokenResultsAreReallyBroken) {
    Peer peer(quick);
    peer.ready();
    peer.job("nan", fault("nan_result").dump());
    EXPECT_TRUE(peer.read_until(R"("job_id":"nan","result":{"status":"success","value":NaN})"));
    peer.next("result");
    peer.job("deep", fault("deep_result", {{"depth", 1000}}).dump());
    EXPECT_TRUE(peer.read_until(std::string(1000, '[') + std::string(1000, ']')));
    peer.next("result");
    peer.job("long", fault("overlong_line", {{"bytes", 1000}}).dump());
    EXPECT_EQ(peer.next("result")["result"]["data"], std::string(1000, 'x'));
    peer.next("result");
    peer.job("rubbish", fault("stray_stdout", {{"count", 1}}).dump());
    EXPECT_TRUE(peer.read_until("rubbish 0 \xff"));
    EXPECT_EQ(peer.next("result")["job_id"], "rubbish");
}

TEST(Simulation, FloodsAreAsLongAsAsked) {
    ChildOptions options = connector_program("simulation");
    options.keep_bytes = std::size_t{64} << 20;
    Peer peer(std::move(options), quick);
    peer.ready();
    peer.job("j", fault("flood_progress", {{"bytes", 2'000'000}}).dump());
    std::size_t lines = 0;
    while (const auto line = peer.read_line()) {
        if (line->find("\"flood ") != std::string::npos) ++lines;
        if (line->find("\"type\":\"result\"") != std::string::npos) break;
    }
    EXPECT_GT(lines, 20'000u);
    peer.job("k", fault("stderr_flood", {{"bytes", 2'000'000}}).dump());
    EXPECT_EQ(peer.next("result")["job_id"], "k");
    EXPECT_TRUE(test::wait_until([&] { return peer.stderr_text().size() >= 2'000'000; }));
}

TEST(Simulation, IgnoringTermOnlyKillEndsIt) {
    Peer peer(quick);
    peer.ready();
    peer.job("j", fault("ignore_term").dump());
    peer.next("progress");
    peer.send({{"type", "ping"}, {"id", 1}});
    peer.next("pong");
    // The fault begins right after the first progress; TERM is repeated until it is seen to have no effect.
    ASSERT_TRUE(test::wait_until([&] {
        std::ifstream status("/proc/" + std::to_string(peer.pid()) + "/status");
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("SigIgn:"))
                return (std::stoull(line.substr(7), nullptr, 16) >> (SIGTERM - 1)) & 1u;
        return 0ull;
    }));
    peer.send({{"type", "shutdown"}, {"grace_ms", 1}});
    peer.signal(SIGTERM);
    peer.close_stdin();
    EXPECT_EQ(peer.wait(Ms(500)), std::nullopt);
    peer.signal(SIGKILL);
    EXPECT_EQ(peer.wait(), (ExitStatus{-1, SIGKILL}));
}

TEST(Simulation, StoppedItAnswersNothingUntilItIsContinued) {
    Peer peer(quick);
    peer.ready();
    peer.job("j", fault("stop").dump());
    const auto stopped = [&] {
        std::ifstream stat("/proc/" + std::to_string(peer.pid()) + "/stat");
        std::string text;
        std::getline(stat, text);
        return text.find(") T ") != std::string::npos;
    };
    ASSERT_TRUE(test::wait_until(stopped));
    peer.signal(SIGCONT);
    EXPECT_EQ(peer.next("result")["job_id"], "j");
}

TEST(Simulation, AChildLeftBehindOutlivesIt) {
    for (const char* name : {"fork_child", "setsid_child"}) {
        Peer peer(quick);
        peer.ready();
        peer.job("j", fault(name, {{"seconds", 60}}).dump());
        const pid_t child = peer.next("result")["result"]["output"].value("child_pid", pid_t{-1});
        ASSERT_GT(child, 0);
        peer.close_stdin();
        EXPECT_EQ(peer.wait(), (ExitStatus{0, 0}));
        EXPECT_TRUE(test::process_alive(child)) << name;
        EXPECT_FALSE(peer.wait_stdout_end(Ms(50))) << "it holds our pipe";
        ::kill(child, SIGKILL);
        EXPECT_TRUE(peer.wait_stdout_end());
    }
}

TEST(Simulation, ClosedStdoutIsSilenceNotDeath) {
    Peer peer(quick);
    peer.ready();
    peer.job("j", fault("close_stdout").dump());
    EXPECT_TRUE(peer.wait_stdout_end());
    EXPECT_EQ(peer.wait(Ms(100)), std::nullopt);
    peer.close_stdin();
    EXPECT_EQ(peer.wait(), (ExitStatus{0, 0}));
}

TEST(Simulation, AnOutageIsReportedAndOver) {
    Peer peer(quick);
    peer.next("status");
    peer.job("j", fault("unavailable", {{"seconds", 0.05}}).dump());
    EXPECT_EQ(peer.next("status")["available"], false);
    EXPECT_EQ(peer.next("status")["available"], true);
    peer.next("result");
    peer.job("k", fault("restart_service").dump());
    EXPECT_EQ(peer.next("restart_service")["reason"], "the job asked for it");
}

TEST(Simulation, AResumedJobGoesOnAfterItsLastFinishedStep) {
    const test::TempDir folder;
    const std::string more = R"(,"work_dir":)" + Json(folder.path().string()).dump();
    const std::string payload =
        R"({"processing_time":0.3,"steps":3,"fault":"segv","at_step":3,"on_attempt":1})";
    const Json settings{{"resume", true}};
    {
        Peer first(settings);
        EXPECT_EQ(first.ready()["features"], Json::array({"cancel", "ping", "status", "resume"}));
        first.job("j", payload, more + R"(,"attempt":1)");
        EXPECT_EQ(first.wait(), (ExitStatus{-1, SIGSEGV}));
    }
    Peer second(settings);
    second.ready();
    second.job("j", payload, more + R"(,"attempt":2,"resume":true)");
    EXPECT_EQ(second.next("result")["result"]["output"]["resumed"], true);
    for (const Json& message : second.seen)
        EXPECT_THAT(message.dump(), Not(HasSubstr("Step 1/3")));
}

// ---- jobs that are prepared

const char* const ahead = R"(,"prepare":true)";

TEST(Sdk, APreparedJobBeginsWithItsTurn) {
    Peer peer(Json{{"prepare", true}});
    EXPECT_EQ(peer.ready()["features"], Json::array({"cancel", "ping", "status", "prepare"}));
    peer.job("running", endless);
    peer.job("next", quick.dump(), ahead);
    peer.job("third", quick.dump(), ahead);
    const Json refused = peer.next("failed");
    EXPECT_EQ(refused["job_id"], "third") << "one is prepared at a time";
    EXPECT_EQ(refused["error"]["code"], "not_started");
    for (const Json& message : peer.seen)
        EXPECT_NE(message.value("job_id", ""), "next")
            << "nothing is said of it before its turn: " << message;

    peer.send({{"type", "cancel"}, {"job_id", "running"}, {"reason", "enough"}});
    EXPECT_EQ(peer.next("failed")["job_id"], "running");
    peer.send({{"type", "begin"}, {"job_id", "next"}});
    EXPECT_EQ(peer.next("accepted")["job_id"], "next");
    EXPECT_EQ(peer.next("result")["job_id"], "next");
}

TEST(Sdk, APreparedJobEndsWithItsCancelOrWithTheConnector) {
    Peer peer(Json{{"prepare", true}});
    peer.ready();
    peer.job("running", endless);
    peer.job("next", quick.dump(), ahead);
    peer.send({{"type", "cancel"}, {"job_id", "next"}, {"reason", "another one takes it"}});
    const Json cancelled = peer.next("failed");
    EXPECT_EQ(cancelled["job_id"], "next");
    EXPECT_EQ(cancelled["error"]["code"], "cancelled");
    peer.send({{"type", "begin"}, {"job_id", "next"}});  // crosses the end: ignored
    peer.job("last", quick.dump(), ahead);
    peer.send({{"type", "shutdown"}, {"grace_ms", 5000}});
    EXPECT_EQ(peer.next("failed")["error"]["code"], "drained");
    EXPECT_EQ(peer.next("failed")["error"]["code"], "drained");
    EXPECT_EQ(peer.wait(), (ExitStatus{0, 0}));
}

TEST(Simulation, StartFaultsHappenWhileTheirFileExists) {
    const test::TempDir folder;
    const std::string file = (folder.path() / "broken").string();
    std::ofstream(file) << "yes";
    const Json settings{{"start_fault", "exit"}, {"start_fault_file", file}};
    Peer broken(settings);
    EXPECT_EQ(broken.wait(), (ExitStatus{3, 0}));
    std::filesystem::remove(file);
    Peer repaired(settings);
    EXPECT_EQ(repaired.ready()["type"], "ready");
    Peer twice(Json{{"start_fault", "ready_twice"}});
    twice.ready();
    EXPECT_EQ(twice.ready()["type"], "ready");
}

// ---- a connector without the SDK

TEST(ShellConnector, ReportsProgressAnswersPingsAndCanBeCancelled) {
    ChildOptions options;
    options.argv = {"bash", std::string(EMPROPS_FIXTURES) + "/connectors/progress.sh"};
    options.env = {"PROGRESS_STEP_SECONDS=0.02"};
    Peer quick_one(options, Json::object());
    quick_one.ready();
    quick_one.job(R"(a \"b\")");
    EXPECT_EQ(quick_one.next("result")["job_id"], "a \"b\"");
    int progresses = 0;
    for (const Json& message : quick_one.seen)
        progresses += message["type"] == "progress";
    EXPECT_EQ(progresses, 5);

    options.env = {"PROGRESS_STEP_SECONDS=60"};
    Peer slow(options, Json::object());
    slow.ready();
    slow.job("j");
    slow.next("progress");
    slow.write_line(R"({"type":"ping","id":3})");
    EXPECT_EQ(slow.next("pong")["id"], 3);
    slow.write_line(R"({"type":"cancel","job_id":"other"})");
    slow.write_line(R"({"type":"cancel","job_id":"j","reason":"enough"})");
    EXPECT_EQ(slow.next("failed")["error"]["code"], "cancelled");
    slow.close_stdin();
    EXPECT_EQ(slow.wait(), (ExitStatus{0, 0}));
}

// ---- the example of the README

std::string read_file(const std::string& path) {
    std::ifstream file(std::string(EMPROPS_SOURCE_DIR) + path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(Echo, TheReadmeShowsTheFileThatIsBuilt) {
    const std::string source = read_file("/connector-sdk/cpp/examples/echo/main.cpp");
    ASSERT_FALSE(source.empty());
    EXPECT_THAT(read_file("/connector-sdk/cpp/README.md"), HasSubstr("```cpp\n" + source + "```\n"));
}

TEST(Echo, SendsThePayloadBackAndObeysItsSettings) {
    Peer peer(Json{{"delay", 60}}, "echo");
    EXPECT_EQ(peer.ready()["job_types"], Json::array({"echo"}));
    peer.job("slow");
    EXPECT_EQ(peer.next("progress")["progress"], 50);
    peer.send({{"type", "cancel"}, {"job_id", "slow"}, {"reason", "enough"}});
    EXPECT_EQ(peer.next("failed")["error"]["code"], "cancelled");
    Peer fast(Json::object(), "echo");
    fast.ready();
    fast.job("j", R"({"x":[1,"two"]})");
    EXPECT_EQ(fast.next("result")["result"], (Json{{"status", "success"}, {"output", {{"x", {1, "two"}}}}}));
}

}  // namespace
}  // namespace emprops
