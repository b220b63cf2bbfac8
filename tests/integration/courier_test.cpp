// The courier as the supervisor starts it: files to stores in their order, again where that may help, and what it says.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "ipc/web/base64.h"
#include "ipc/web/digest.h"
#include "tests/support/courier_process.h"
#include "tests/support/free_ports.h"
#include "tests/support/s3_double.h"
#include "tests/support/sanitizer.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
namespace fs = std::filesystem;
using Kind = S3Fault::Kind;

Json s3_store(const S3Double& server) {
    return {{"type", "s3"},       {"endpoint", server.endpoint()}, {"bucket", "results"},
            {"access_key", "AK"}, {"secret_key", "secret"},        {"timeout", "1s"}};
}
Json order(const std::string& path, const Json& stores) {
    return {{"file", {{"path", path}, {"name", path.substr(path.rfind('/') + 1)}}},
            {"values", {{"job_id", "17"}, {"index", 0}}},
            {"stores", stores},
            {"inline_max_bytes", 1000}};
}
std::string message(const Json& outcome) {
    return outcome.contains("error") ? outcome["error"].value("message", "") : outcome.dump();
}

struct CourierTest : testing::Test {
    CourierProcess& start(Json more = Json::object()) {
        more["stores"] = {{"results", s3_store(server)},
                          {"folder", {{"type", "directory"}, {"path", kept.path().string()}}}};
        courier = std::make_unique<CourierProcess>(more);
        courier->put("17/files/picture.png", "bytes");
        return *courier;
    }
    Json deliver(const Json& payload) {
        const std::string id = "d" + std::to_string(++count);
        courier->deliver(id, payload);
        return courier->outcome(id);
    }
    const std::string path = "17/files/picture.png";
    S3Double server;
    TempDir kept;
    std::unique_ptr<CourierProcess> courier;
    int count = 0;
};

TEST_F(CourierTest, AFileGoesToTheFirstStoreThatTakesIt) {
    start();
    const Json stored = deliver(order(path, {"results", "inline"}));
    ASSERT_EQ(stored["type"], "result") << stored;
    EXPECT_EQ(stored["result"]["entry"], Json({{"delivery", "results"},
                                               {"bucket", "results"},
                                               {"key", "17/picture.png"},
                                               {"url", server.endpoint() + "/results/17/picture.png"},
                                               {"size", 5},
                                               {"sha256", sha256_hex("bytes")}}));
    EXPECT_EQ(stored["result"]["detours"], Json::array());
    EXPECT_EQ(server.object("/results/17/picture.png")->content_type, "image/png") << "by its name";
    const Json copied = deliver(order(path, {"folder"}));
    EXPECT_EQ(copied["result"]["entry"]["path"], (kept / "17/picture.png").string()) << copied;
    const Json within = deliver(order(path, {"inline"}));
    EXPECT_EQ(within["result"]["entry"]["data"], web::base64_encode("bytes"));
}

TEST_F(CourierTest, AFinalRefusalLeadsToTheNextStoreAtOnceAndIsToldAsADetour) {
    start();
    server.fail({"PUT", "", Kind::early, 403, "<Error><Code>AccessDenied</Code></Error>"});
    Json payload = order(path, {"inline", "results", "folder"});
    payload["inline_max_bytes"] = 1;
    const Json outcome = deliver(payload);
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_EQ(outcome["result"]["entry"]["delivery"], "folder");
    EXPECT_THAT(outcome["result"]["detours"], ElementsAre(HasSubstr("inline did not take it: it has 5 B"),
                                                          HasSubstr("results did not take it")));
    EXPECT_THAT(server.requests(), IsEmpty()) << "refused before the body: not tried again";
}

TEST_F(CourierTest, WhatPassesIsTriedAgainAsTheServerWishesAndPeopleAreTold) {
    start();
    server.fail({"PUT", "", Kind::answer, 429, "", 1, "1"});
    server.fail({"PUT", "", Kind::answer, 503, "<Error><Code>SlowDown</Code></Error>"});
    server.fail({"PUT", "", Kind::cut});
    const auto began = std::chrono::steady_clock::now();
    const Json outcome = deliver(order(path, {"results"}));
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_GE(std::chrono::steady_clock::now() - began, Ms(1000 + 750 + 1500));
    std::string said;
    for (const Json& each : courier->seen)
        if (each["type"] == "progress") said += each.value("message", "") + "\n";
    EXPECT_THAT(said, AllOf(HasSubstr("results: "), HasSubstr("HTTP 429"), HasSubstr("tried again in 1 s"),
                            HasSubstr("SlowDown")));
    EXPECT_EQ(server.object("/results/17/picture.png")->body, "bytes");
}

TEST_F(CourierTest, WhenTheTimeIsOverLaterStoresAreTriedOnceAndAllReasonsAreTold) {
    start({{"deliver_timeout", "1s"}});
    server.fail({"PUT", "", Kind::answer, 503, "", 100});
    const Json taken = deliver(order(path, {"results", "folder"}));
    ASSERT_EQ(taken["type"], "result") << taken;
    EXPECT_EQ(taken["result"]["entry"]["delivery"], "folder");
    fs::remove_all(kept.path());
    std::ofstream(kept.path()) << "a file in its place";
    Json payload = order(path, {"results", "folder", "inline", "reference"});
    payload["inline_max_bytes"] = 4;
    const Json outcome = deliver(payload);
    ASSERT_EQ(outcome["type"], "failed") << outcome;
    EXPECT_EQ(outcome["error"]["code"], "service_unavailable");
    EXPECT_TRUE(outcome["error"]["retryable"]);
    EXPECT_THAT(message(outcome), AllOf(HasSubstr("results: cannot store"), HasSubstr("tried "),
                                        HasSubstr("folder: "), HasSubstr("inline: "), HasSubstr("To do: ")));
    EXPECT_THAT(outcome["error"]["details"]["stores"], SizeIs(4));
}

TEST_F(CourierTest, ACancelEndsTheWaitAndTheUpload) {
    start();
    server.fail({"PUT", "", Kind::answer, 503, "", 100, "20"});
    courier->deliver("waits", order(path, {"results"}));
    std::string said;
    while (said.find("tried again in") == std::string::npos) {
        const auto progress = courier->next("progress");
        ASSERT_TRUE(progress);
        said = progress->value("message", "");
    }
    const auto began = std::chrono::steady_clock::now();
    courier->cancel("waits");
    EXPECT_EQ(courier->outcome("waits")["error"]["code"], "cancelled");
    EXPECT_LT(std::chrono::steady_clock::now() - began, Ms(5000));
}

TEST_F(CourierTest, LinksAndPathsOutOfTheSpoolAreRefused) {
    start();
    TempDir elsewhere;
    elsewhere.write_file("secret", "x");
    fs::create_symlink(elsewhere / "secret", courier->spool() / "17/files/link.png");
    fs::create_directory_symlink(elsewhere.path(), courier->spool() / "18");
    for (const std::string& hostile :
         {std::string("17/files/link.png"), std::string("18/secret"), std::string("../secret"),
          (elsewhere / "secret").string(), std::string("17/files")}) {
        const Json outcome = deliver(order(hostile, {"inline"}));
        EXPECT_EQ(outcome["error"]["code"], "invalid_payload") << hostile << outcome;
        EXPECT_FALSE(outcome["error"]["retryable"]);
    }
    EXPECT_EQ(deliver(order("17/files/gone.png", {"inline"}))["error"]["code"], "lost");
    Json larger = order(path, {"inline"});
    larger["file"]["size"] = 6;
    EXPECT_EQ(deliver(larger)["error"]["code"], "lost");
}

TEST_F(CourierTest, HostileNamesStayWhereTheyBelong) {
    start();
    const char* const names[] = {"..", "a\nb.png", "a\\b.png", "\u00e4 +%2F?#&.png", "-rf", ".hidden"};
    for (const char* name : names) {
        Json payload = order(path, {"folder"});
        payload["file"]["name"] = name;
        payload["values"]["job_id"] = "../" + std::string(name);
        const Json outcome = deliver(payload);
        ASSERT_EQ(outcome["type"], "result") << outcome;
        const fs::path placed = outcome["result"]["entry"]["path"].get<std::string>();
        EXPECT_EQ(placed.parent_path().parent_path(), kept.path()) << placed;
        payload["stores"] = {"results"};
        EXPECT_EQ(deliver(payload)["type"], "result") << name;
    }
    EXPECT_THAT(server.refusals(), IsEmpty());
    EXPECT_THAT(server.object_names(), SizeIs(std::size(names)));
}

TEST_F(CourierTest, AReferenceNeedsNoFile) {
    const Json file{{"url", "http://127.0.0.1:8188/view?filename=a.png"}};
    courier = std::make_unique<CourierProcess>(
        Json{{"stores",
              {{"cdn", {{"type", "reference"}, {"base_url", "https://gpu.example/comfy/"}}},
               {"here", {{"type", "reference"}, {"allow_local", true}}}}}});
    Json payload{{"file", file}, {"stores", {"reference", "cdn"}}};
    const Json outcome = deliver(payload);
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_EQ(outcome["result"]["entry"],
              Json({{"delivery", "cdn"}, {"url", "https://gpu.example/comfy/view?filename=a.png"}}));
    EXPECT_THAT(outcome["result"]["detours"], ElementsAre(HasSubstr("clients are elsewhere")));
    payload["stores"] = {"here"};
    EXPECT_EQ(deliver(payload)["result"]["entry"]["url"], "http://127.0.0.1:8188/view?filename=a.png");
    payload["stores"] = {"inline", "reference"};
    EXPECT_THAT(message(deliver(payload)),
                AllOf(HasSubstr("only its address"), HasSubstr("set reference_base_url")));
}

TEST_F(CourierTest, AFileThatIsWrittenOnIsTakenOnceMoreAndThenNotDelivered) {
    start();
    // Between the look before and the look after it grows: the server's slowness is the moment.
    server.fail({"PUT", "", Kind::stall, 503, "", 2});
    server.fail({"HEAD", "", Kind::cut, 503, "", 2});
    std::atomic<bool> done{false};
    std::thread writer([&] {
        while (!done) {
            std::ofstream(courier->spool() / path, std::ios::app) << "x";
            std::this_thread::sleep_for(Ms(50));
        }
    });
    const Json outcome = deliver(order(path, {"results"}));
    done = true;
    writer.join();
    EXPECT_EQ(outcome["error"]["code"], "internal") << outcome;
    EXPECT_THAT(message(outcome), HasSubstr("was changed while it was delivered"));
    EXPECT_EQ(deliver(order(path, {"results"}))["type"], "result") << "now that nobody writes";
}

std::size_t resident_kib(pid_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6));
    return 0;
}

TEST_F(CourierTest, ALargeFileCostsNoMemory) {
    start();
    courier->put("17/files/large.bin", "");
    fs::resize_file(courier->spool() / "17/files/large.bin", 300 << 20);
    deliver(order(path, {"results"}));
    const std::size_t before = resident_kib(courier->child().pid());
    courier->deliver("large", order("17/files/large.bin", {"results"}));
    const Json outcome = courier->outcome("large", Ms(120'000));
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_EQ(server.object("/results/17/large.bin")->body.size(), 300u << 20);
    EXPECT_THAT(server.open_uploads(), IsEmpty());
    if (!address_sanitizer) {
        EXPECT_LT(resident_kib(courier->child().pid()) - before, 16u << 10);
    }
}

struct LargeUpload : CourierTest {
    /// Given to a courier, and stuck at its second part.
    void begin() {
        start();
        make(courier->spool());
        server.fail({"PUT", "partNumber=2", Kind::stall, 503, "", 100});
        courier->deliver("large", order(large, {"results"}));
        ASSERT_TRUE(wait_until(
            [this] { return server.requests().size() >= 2 && server.open_uploads().size() == 1; }));
    }
    void make(const TempDir& spool) {
        spool.write_file(large, "begin");
        fs::resize_file(spool / large, (100u << 20) + 1);
    }
    const std::string large = "17/files/large.bin";
};

TEST_F(LargeUpload, ACancelTakesBackWhatIsHalfThere) {
    begin();
    courier->cancel("large");
    EXPECT_EQ(courier->outcome("large")["error"]["code"], "cancelled");
    EXPECT_THAT(server.open_uploads(), IsEmpty());
    EXPECT_THAT(server.object_names(), IsEmpty());
}

TEST_F(LargeUpload, AfterAKillTheRepeatLeavesOneObjectAndNothingElse) {
    begin();
    courier->child().signal(SIGKILL);
    ASSERT_TRUE(courier->child().wait());
    EXPECT_THAT(server.open_uploads(), SizeIs(1)) << "nobody could take it back";
    server.clear_faults();
    start();
    make(courier->spool());
    Json again = order(large, {"results"});
    again["repeat"] = true;
    courier->deliver("again", again);
    const Json outcome = courier->outcome("again", Ms(60'000));
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_THAT(server.open_uploads(), IsEmpty());
    EXPECT_THAT(server.object_names(), ElementsAre("/results/17/large.bin"));
}

TEST_F(LargeUpload, WhatWasBegunIsTakenBackAlsoWhenTheFileGoesElsewhereNow) {
    begin();
    const auto told = courier->next("service_request");
    ASSERT_TRUE(told);
    EXPECT_EQ((*told)["request_type"], "upload_begun");
    EXPECT_EQ((*told)["content"]["store"], "results");
    courier->child().signal(SIGKILL);
    ASSERT_TRUE(courier->child().wait());
    ASSERT_THAT(server.open_uploads(), SizeIs(1));
    server.clear_faults();
    start();
    Json elsewhere = order(path, {"inline"});
    elsewhere["repeat"] = true;
    elsewhere["begun"] = (*told)["content"];
    courier->deliver("elsewhere", elsewhere);
    ASSERT_EQ(courier->outcome("elsewhere")["type"], "result");
    EXPECT_THAT(server.open_uploads(), IsEmpty());
}

TEST_F(LargeUpload, OfAFileThatNobodyWantsAnyMoreOnlyWhatWasBegunIsTakenBack) {
    begin();
    const auto told = courier->next("service_request");
    ASSERT_TRUE(told);
    courier->child().signal(SIGKILL);
    ASSERT_TRUE(courier->child().wait());
    server.clear_faults();
    start();
    Json given_up = order("gone/1", {"results"});  // its folder was removed
    given_up["given_up"] = true;
    given_up["begun"] = (*told)["content"];
    courier->deliver("given_up", given_up);
    EXPECT_EQ(courier->outcome("given_up")["result"]["entry"], Json::object());
    EXPECT_THAT(server.open_uploads(), IsEmpty());
    EXPECT_THAT(server.object_names(), IsEmpty());
}

TEST(Courier, OthersOfItsUserDoNotSeeItsMemoryAndItsSupervisorSeesHowLargeItIs) {
    // Root may read everything: be somebody else, if we are root.
    const auto sees = [](int pid, const std::string& what) {
        const std::string file = "/proc/" + std::to_string(pid) + "/" + what;
        const pid_t reader = ::fork();
        if (reader == 0) {
            const int opened = ::open(file.c_str(), O_RDONLY);
            char byte = 0;
            ::_exit(opened >= 0 && (what == "mem" || ::read(opened, &byte, 1) == 1) ? 0 : 1);
        }
        int status = 0;
        ::waitpid(reader, &status, 0);
        return status == 0;
    };
    // Opened before: the folder may be root's only.
    const int program = ::open(EMPROPS_BIN_DIR "/emprops-connector-courier", O_RDONLY | O_CLOEXEC);
    ASSERT_GE(program, 0);
    const pid_t supervisor = ::fork();
    if (supervisor == 0) {
        ::alarm(60);
        if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(9);
        int in[2];
        int out[2];
        if (::pipe(in) != 0 || ::pipe(out) != 0) ::_exit(9);
        const pid_t courier = ::fork();
        if (courier == 0) {
            ::dup2(in[0], STDIN_FILENO);
            ::dup2(out[1], STDOUT_FILENO);
            ::setenv("EMPROPS_CONNECTOR", "1", 1);
            char name[] = "courier";
            char* const words[] = {name, nullptr};
            ::fexecve(program, words, environ);
            ::_exit(9);
        }
        ::close(out[1]);
        // It has said something: it is past the first lines of its main().
        const std::string hello = R"({"type":"hello","protocol_versions":[1],"settings":{"spool":"/tmp"}})"
                                  "\n";
        char byte = 0;
        if (::write(in[1], hello.data(), hello.size()) < 0 || ::read(out[0], &byte, 1) != 1) ::_exit(8);
        int wrong = 0;
        for (const char* secret : {"mem", "environ"})
            wrong += sees(courier, secret) ? 1 : 0;
        for (const char* figure : {"stat", "statm", "cmdline", "status"})
            wrong += sees(courier, figure) ? 0 : 16;
        ::kill(courier, SIGKILL);
        ::_exit(wrong);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(supervisor, &status, 0), supervisor);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0)
        << "8, 9: not started; 1, 2: secrets; 16 and more: figures that are missing";
}

TEST(Courier, SettingsAreCheckedWithoutAJob) {
    ChildOptions options;
    options.argv = {std::string(EMPROPS_BIN_DIR) + "/emprops-connector-courier", "--check-settings"};
    ChildProcess child(options);
    child.write_line(
        Json{{"type", "hello"},
             {"protocol_versions", {1}},
             {"settings", {{"stores", {{"results", {{"type", "directory"}, {"path", "here"}}}}}}}}
            .dump());
    child.close_stdin();
    const auto said = child.read_until("stores.results.path");
    EXPECT_THAT(said.value_or(child.stderr_text()), HasSubstr("must be an absolute path"));
}

TEST(Courier, WrongSettingsAreNamedAndEndIt) {
    CourierProcess courier(Json{{"stores", {{"results", {{"type", "s3"}, {"bucket", "b"}}}}}});
    const auto failed = courier.next("init_failed");
    ASSERT_TRUE(failed);
    EXPECT_THAT(message(*failed), HasSubstr("stores.results.endpoint is missing"));
    EXPECT_EQ(courier.child().wait()->code, 78);
    CourierProcess other(Json{{"deliver_timout", 3}});
    EXPECT_THAT(message(other.next("init_failed").value_or(Json())),
                HasSubstr("did you mean \"deliver_timeout\"?"));
}

}  // namespace
}  // namespace emprops::test
