// Files and released jobs, seen from outside: real connector processes and the exact lines of the protocol.

#include <gmock/gmock.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "ipc/file_marks.h"
#include "ipc/web/digest.h"
#include "tests/support/connector_peer.h"
#include "tests/support/schema_check.h"
#include "tests/support/temp_dir.h"

namespace emprops {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Peer = test::ConnectorPeer;
using test::ExitStatus;
using test::Ms;
using ::testing::HasSubstr;

const Json offer{{"files", {{"stores", {"s3", "inline"}}, {"max_files", 3}, {"released", 2}}}};
const char* const endless = R"({"processing_time":600,"steps":600})";
const char* const released = R"({"processing_time":0,"release":true,"release_seconds":600})";

/// A simulation whose supervisor takes files, and the folder of its jobs.
class Files : public testing::Test {
  protected:
    Peer start(const Json& hello = offer, const Json& settings = Json::object()) {
        return Peer(test::connector_program("simulation"), settings, hello);
    }
    std::string in_folder() const { return R"(,"work_dir":)" + Json(folder.path().string()).dump(); }
    std::string content(const std::string& path) const {
        std::ifstream file(folder.path() / path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    }

    const test::TempDir folder;
};

TEST_F(Files, OfAJobGoWithItsResultAndAreMentionedInIt) {
    Peer peer = start();
    EXPECT_EQ(peer.ready()["features"], Json::array({"cancel", "ping", "status", "files"}));
    peer.job("j",
             R"({"processing_time":0,"files":[{"name":"a.png","bytes":20,"mime_type":"image/png","node":"9",)"
             R"("deliver":["s3"],"subfolder":"x"},{"name":"b","path":"sub/b.bin","bytes":0}]})",
             in_folder());
    const Json result = peer.next("result");
    EXPECT_EQ(result["files"],
              Json::parse(R"([{"name":"a.png","path":"a.png","mime_type":"image/png","node":"9",)"
                          R"("deliver":["s3"],"subfolder":"x"},{"name":"b","path":"sub/b.bin"}])"));
    EXPECT_EQ(result["result"]["output"]["files"], Json::parse(R"([{"$file":0},{"$file":1}])"));
    EXPECT_EQ(content("a.png"), "a.png\na.png\na.png\na.");
    EXPECT_TRUE(fs::exists(folder.path() / "sub/b.bin"));
    EXPECT_TRUE(ipc::check_file_marks(result["result"].dump(), 2).ok());
}

TEST_F(Files, HaveAContentThatAShellCanMakeToo) {
    Peer peer = start();
    peer.ready();
    peer.job("j", R"({"processing_time":0,"files":[{"name":"a b.png","bytes":1000000}]})", in_folder());
    peer.next("result");
    const std::string other = (folder.path() / "other").string();
    ASSERT_EQ(std::system(("yes 'a b.png' | head -c 1000000 > '" + other + "'").c_str()), 0);
    EXPECT_EQ(sha256_hex_of_file(folder.path() / "a b.png"), sha256_hex_of_file(other));
}

TEST_F(Files, OfAnOlderWorkerFailTheJobAndNothingElseChanges) {
    Peer peer = start(Json::object());
    EXPECT_EQ(peer.ready()["features"], Json::array({"cancel", "ping", "status"}));
    peer.job("j", R"({"processing_time":0,"release":true,"files":[{"name":"a"}]})", in_folder());
    const Json failed = peer.next("failed");
    EXPECT_EQ(failed["error"]["code"], "unsupported");
    EXPECT_THAT(failed["error"]["message"].get<std::string>(), HasSubstr("older"));
    peer.job("k", R"({"processing_time":0,"release":true})", in_folder());
    EXPECT_FALSE(peer.next("result").contains("files"));
    for (const Json& message : peer.seen)
        EXPECT_NE(message["type"], "released");
}

TEST_F(Files, ThatCannotBeFailTheJobWithTheirPlace) {
    Peer peer = start();
    peer.ready();
    peer.job("up", R"({"processing_time":0,"files":[{"name":"a"},{"name":"b","path":"../never-written"}]})",
             in_folder());
    const Json failed = peer.next("failed");
    EXPECT_EQ(failed["error"]["code"], "protocol_error");
    EXPECT_THAT(failed["error"]["message"].get<std::string>(),
                HasSubstr("files[1].path \"../never-written\""));
    EXPECT_FALSE(fs::exists(folder.path().parent_path() / "never-written"));
    peer.job("many", R"({"processing_time":0,"files":[{"name":"1"},{"name":"2"},{"name":"3"},{"name":"4"}]})",
             in_folder());
    EXPECT_EQ(peer.next("failed")["error"]["code"], "result_too_large");
    peer.job("wrong", R"({"processing_time":0,"files":[{"name":"1","bytes":-1}]})", in_folder());
    const Json invalid = peer.next("failed");
    EXPECT_EQ(invalid["error"]["code"], "invalid_payload");
    EXPECT_THAT(invalid["error"]["message"].get<std::string>(), HasSubstr("files[0]"));
}

TEST_F(Files, OfTheSimulationMayBeMissingLinksOrLeadElsewhere) {
    Peer peer = start();
    peer.ready();
    const std::string outside =
        (folder.path().parent_path() / (folder.path().filename().string() + "-outside")).string();
    peer.job(
        "j",
        R"({"processing_time":0,"files":[{"name":"gone","missing":true},{"name":"l","link":"/dev/null"},)"
        R"({"path":")" +
            outside + R"("}]})",
        in_folder());
    const Json result = peer.next("result");
    EXPECT_EQ(result["files"].size(), 3u);
    EXPECT_EQ(result["files"][2]["path"], outside);
    EXPECT_FALSE(fs::exists(folder.path() / "gone"));
    EXPECT_EQ(fs::read_symlink(folder.path() / "l"), "/dev/null");
    EXPECT_FALSE(fs::exists(outside));
}

TEST_F(Files, OfTheSimulationMayGrowAfterTheirResult) {
    Peer peer = start();
    peer.ready();
    peer.job("j", R"({"processing_time":0,"files":[{"name":"a","bytes":10,"grow_seconds":600}]})",
             in_folder());
    peer.next("result");
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (content("a").size() < 30 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(Ms(5));
    EXPECT_THAT(content("a"), testing::StartsWith("a\na\na\na\na\nmore\n"));
    peer.close_stdin();
    EXPECT_EQ(peer.wait(), (ExitStatus{0, 0}));
}

// ---- released jobs

TEST_F(Files, AReleasedJobLeavesItsSlotToTheNext) {
    Peer peer = start();
    peer.ready();
    peer.job("a", released);
    EXPECT_EQ(peer.next("released")["job_id"], "a");
    peer.job("b", R"({"processing_time":0.05,"steps":1})");
    EXPECT_EQ(peer.next("result")["job_id"], "b") << "while a is held";
    peer.job("c", endless);
    EXPECT_EQ(peer.next("accepted")["job_id"], "c");
    peer.job("d");
    const Json refused = peer.next("failed");
    EXPECT_EQ(refused["job_id"], "d") << "c has the slot";
    EXPECT_EQ(refused["error"]["code"], "not_started");
    peer.send({{"type", "cancel"}, {"job_id", "a"}, {"reason", "enough"}});
    const Json cancelled = peer.next("failed");
    EXPECT_EQ(cancelled["job_id"], "a");
    EXPECT_EQ(cancelled["error"]["code"], "cancelled");
}

TEST_F(Files, NoMoreJobsAreReleasedAtATimeThanTheWorkerSays) {
    Peer peer = start();
    peer.ready();
    for (const char* id : {"a", "b"}) {
        peer.job(id, released);
        EXPECT_EQ(peer.next("released")["job_id"], id);
    }
    peer.job("c", released);
    EXPECT_EQ(peer.next("accepted")["job_id"], "c");
    EXPECT_EQ(peer.next("progress")["progress"], 0);
    peer.send({{"type", "ping"}, {"id", 1}});
    peer.next("pong");
    peer.job("d");
    EXPECT_EQ(peer.next("failed")["job_id"], "d") << "c has kept its slot";
    for (const Json& message : peer.seen)
        EXPECT_FALSE(message["type"] == "released" && message["job_id"] == "c");

    for (const char* id : {"a", "c"}) {
        peer.send({{"type", "cancel"}, {"job_id", id}, {"reason", "enough"}});
        EXPECT_EQ(peer.next("failed")["job_id"], id);
    }
    peer.job("e", released);
    EXPECT_EQ(peer.next("released")["job_id"], "e") << "a has made room";
}

TEST_F(Files, ReleasedJobsEndWithTheConnector) {
    Peer peer = start();
    peer.ready();
    peer.job("a", released);
    peer.next("released");
    peer.job("b", endless);
    peer.next("accepted");
    peer.send({{"type", "shutdown"}, {"grace_ms", 5000}});
    EXPECT_EQ(peer.next("failed")["error"]["code"], "drained");
    EXPECT_EQ(peer.next("failed")["error"]["code"], "drained");
    EXPECT_EQ(peer.wait(), (ExitStatus{0, 0}));
}

TEST_F(Files, AJobIsPreparedBesideAReleasedOne) {
    Peer peer = start(offer, {{"prepare", true}});
    peer.ready();
    peer.job("a", released);
    peer.next("released");
    peer.job("b", endless);
    peer.job("c", released, R"(,"prepare":true)");
    peer.send({{"type", "cancel"}, {"job_id", "b"}, {"reason", "enough"}});
    EXPECT_EQ(peer.next("failed")["job_id"], "b");
    peer.send({{"type", "begin"}, {"job_id", "c"}});
    EXPECT_EQ(peer.next("released")["job_id"], "c");
}

// ---- the examples of the pages

TEST_F(Files, TheReadmeShowsTheConnectorThatIsBuilt) {
    const std::string base = EMPROPS_SOURCE_DIR "/connector-sdk/cpp";
    EXPECT_THAT(test::read_text_file(base + "/README.md"),
                HasSubstr("```cpp\n" + test::read_text_file(base + "/examples/picture/main.cpp") + "```\n"));
}

TEST_F(Files, BothPaintersDeliverTheirPicture) {
    test::ChildOptions bash;
    bash.argv = {"bash", EMPROPS_FIXTURES "/connectors/picture.sh"};
    for (const auto& program : {test::connector_program("picture"), bash}) {
        Peer painter(program, Json::object(), offer);
        EXPECT_EQ(painter.ready()["job_types"], Json::array({"paint"}));
        const test::TempDir own;
        painter.job(R"(a \"b\" {)", R"({"work_dir":"/no","x":{"payload":{}}})",
                    R"(,"priority":0,"attempt":1,"work_dir":)" + Json(own.path().string()).dump());
        const Json result = painter.next("result");
        EXPECT_EQ(result["job_id"], "a \"b\" {");
        EXPECT_EQ(result["files"][0]["path"], "red.ppm");
        EXPECT_EQ(result["result"]["picture"], Json({{"$file", 0}}));
        EXPECT_EQ(test::read_text_file(own.path() / "red.ppm"), "P3 1 1 255  255 0 0\n");
        painter.close_stdin();
        EXPECT_EQ(painter.wait(), (ExitStatus{0, 0}));
    }
}

}  // namespace
}  // namespace emprops
