// The converter as the courier starts it: behind its walls, one process per file, and whatever it meets the file arrives.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "connectors/convert/picture/header.h"
#include "connectors/convert/sandbox.h"
#include "ipc/web/digest.h"
#include "tests/support/courier_process.h"
#include "tests/support/pictures/picture_files.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

// ---- through the courier

struct ConvertTest : testing::Test {
    CourierProcess& start(Json more = Json::object()) {
        more["stores"] = {{"folder", {{"type", "directory"}, {"path", kept.path().string()}}}};
        courier = std::make_unique<CourierProcess>(more);
        return *courier;
    }
    /// The result, and the file that was delivered.
    Json deliver(const std::string& name, const std::string& content, const Json& more) {
        courier->put("17/" + name, content);
        const std::string id = "d" + std::to_string(++count);
        courier->deliver(id, order(name, more));
        return courier->outcome(id, Ms(60'000));
    }
    static Json order(const std::string& name, const Json& more) {
        Json payload{{"file", {{"path", "17/" + name}, {"name", name}}},
                     {"values", {{"job_id", "17"}, {"index", 0}}},
                     {"stores", {"folder"}},
                     {"inline_max_bytes", 1'000'000}};
        payload.update(more);
        return payload;
    }
    std::string delivered(const Json& outcome) const {
        return text_of(outcome.at("result").at("entry").at("path").get<std::string>());
    }
    static Json webp(const Json& more = Json::object()) {
        Json image{{"format", "webp"}};
        image.update(more);
        return {{"convert", {{"image", image}}}, {"image_name", "picture.webp"}};
    }
    TempDir kept;
    std::unique_ptr<CourierProcess> courier;
    int count = 0;
};

std::string sample(const std::string& text = {}) {
    convert::Picture picture = gradient(64, 64);
    if (!text.empty()) picture.about.texts = {{"workflow", text}};
    return png_file(picture);
}

TEST_F(ConvertTest, APictureArrivesInTheFormThatIsWanted) {
    start();
    const Json outcome = deliver("picture.png", sample(), webp({{"max_side", 32}}));
    ASSERT_EQ(outcome["type"], "result") << outcome;
    const Json& entry = outcome["result"]["entry"];
    EXPECT_EQ(outcome["result"]["file"], Json({{"name", "picture.webp"}, {"mime_type", "image/webp"}}));
    EXPECT_EQ(entry["converted_from"], Json({{"mime_type", "image/png"}, {"size", sample().size()}}));
    EXPECT_FALSE(entry.contains("conversion")) << entry;
    EXPECT_EQ(entry["path"], (kept / "17/picture.webp").string()) << "the key has the new name";
    const std::string file = delivered(outcome);
    EXPECT_EQ(entry["size"], file.size());
    EXPECT_EQ(entry["sha256"], sha256_hex(file)) << "of what was delivered";
    const auto header =
        convert::read_header({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()});
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->width, 32u);
    EXPECT_EQ(text_of(courier->spool() / "17/picture.png"), sample()) << "the original stays as it was";
    EXPECT_EQ(std::distance(fs::directory_iterator(courier->spool().path()), fs::directory_iterator()), 1);
}

TEST_F(ConvertTest, TheFormIsToldBeforeItGoesAndKeptToByTheNextCourier) {
    start();
    deliver("picture.png", sample(), webp());
    const auto told = [&] {
        return std::count_if(courier->seen.begin(), courier->seen.end(), [](const Json& each) {
            return each["type"] == "service_request" && each["request_type"] == "form_made";
        });
    };
    EXPECT_EQ(told(), 1);
    deliver("notes.txt", "words", webp());
    EXPECT_EQ(told(), 1) << "that one stayed as it was";

    Json formed = webp();
    formed["formed"] = true;
    const fs::path once =
        kept.write_file("once.sh", "#!/bin/sh\n[ -e " + (kept / "mark").string() +
                                       " ] && exec " EMPROPS_BIN_DIR "/emprops-convert\n: > " +
                                       (kept / "mark").string() + "\nexit 1\n");
    fs::permissions(once, fs::perms::owner_all);
    start({{"converter", once.string()}});
    Json entry = deliver("picture.png", sample(), formed)["result"]["entry"];
    EXPECT_TRUE(entry.contains("converted_from")) << "what failed once was tried again: " << entry;
    EXPECT_EQ(told(), 0) << "that is known already";
    start({{"converter", "/nowhere/emprops-convert"}});
    entry = deliver("picture.png", sample(), formed)["result"]["entry"];
    EXPECT_THAT(entry.value("conversion", ""), HasSubstr("an earlier try converted it"));
}

TEST_F(ConvertTest, WhatIsSmallOrNoPictureOrNotAskedForStaysAsItIs) {
    start();
    Json more = webp();
    more["convert"]["if_larger_than"] = "1MB";
    Json outcome = deliver("picture.png", sample(), more);
    EXPECT_EQ(delivered(outcome), sample());
    EXPECT_FALSE(outcome["result"].contains("file"));
    EXPECT_FALSE(outcome["result"]["entry"].contains("conversion")) << outcome;
    outcome = deliver("notes.txt", "words", webp());
    EXPECT_EQ(delivered(outcome), "words");
    EXPECT_FALSE(outcome["result"]["entry"].contains("conversion"));
}

TEST_F(ConvertTest, ABrokenFileKillsNoJob) {
    start();
    const std::string whole = sample();
    for (const auto& [file, reason] : std::vector<std::pair<std::string, std::string>>{
             {bomb_png(), "million are the limit"},
             {whole.substr(0, whole.size() - 20), "cannot be read"},
             {animated_png(), "it is animated"},
             {"no picture at all", "none that is converted"},
             {"", ""}}) {
        const Json outcome = deliver("picture.png", file, webp());
        ASSERT_EQ(outcome["type"], "result") << outcome;
        EXPECT_EQ(delivered(outcome), file);
        EXPECT_FALSE(outcome["result"].contains("file"));
        if (reason.empty()) continue;
        EXPECT_THAT(outcome["result"]["entry"].value("conversion", ""),
                    AllOf(HasSubstr("left as it is: "), HasSubstr(reason)));
    }
}

TEST_F(ConvertTest, WithoutTheProgramOrASpaceForItTheFileArrivesAllTheSame) {
    start({{"converter", "/nowhere/emprops-convert"}});
    Json outcome = deliver("picture.png", sample(), webp());
    EXPECT_EQ(delivered(outcome), sample());
    EXPECT_THAT(outcome["result"]["entry"].value("conversion", ""), HasSubstr("/nowhere/emprops-convert"));
    const auto warns = [&] {
        return std::count_if(courier->seen.begin(), courier->seen.end(),
                             [](const Json& each) { return each.value("type", "") == "log"; });
    };
    EXPECT_EQ(warns(), 1);
    deliver("picture.png", sample(), webp());
    EXPECT_EQ(warns(), 1) << "said once";

    start();
    convert::Picture noise = gradient(400, 400);
    for (std::size_t i = 0, value = 1; i < noise.pixels.size(); ++i, value = value * 1103515245 + 12345)
        noise.pixels[i] = 0xFF000000U | static_cast<std::uint32_t>(value >> 8U & 0xFFFFFFU);
    const std::string file = webp_file(noise, 1);
    courier->next("ready");
    const rlimit limit{100'000, 100'000};
    ASSERT_LT(file.size(), limit.rlim_cur);
    ASSERT_EQ(::prlimit(courier->child().pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
    Json png{{"convert", {{"image", {{"format", "png"}}}}}, {"image_name", "picture.png"}};
    courier->put("17/picture.webp", file);
    courier->child().write_line(Json{
        {"type", "job"},
        {"job_id", "full"},
        {"job_type", "deliver"},
        {"priority", 0},
        {"attempt", 1},
        {"payload", order("picture.webp",
                          png)}}.dump());
    outcome = courier->outcome("full");
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_EQ(delivered(outcome), file);
    EXPECT_THAT(outcome["result"]["entry"].value("conversion", ""), HasSubstr("left as it is"));
}

TEST_F(ConvertTest, MetadataGoWithoutEncodingAnewOrTheFileDoesNotArrive) {
    start();
    const std::string file = sample(R"({"nodes": []})");
    Json outcome = deliver("picture.png", file, {{"strip", true}});
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_THAT(delivered(outcome), Not(HasSubstr("workflow")));
    EXPECT_EQ(delivered(outcome).size(), outcome["result"]["entry"]["size"]);
    EXPECT_FALSE(outcome["result"].contains("file"));
    EXPECT_EQ(text_of(courier->spool() / "17/picture.png"), file);

    Json both = webp({{"metadata", "strip"}});
    outcome = deliver("picture.png", file, both);
    EXPECT_EQ(outcome["result"]["file"]["name"], "picture.webp");
    EXPECT_THAT(delivered(outcome), Not(HasSubstr("workflow")));
    both["unconverted"] = "the courier died of it";
    outcome = deliver("picture.png", file, both);
    EXPECT_THAT(delivered(outcome), Not(HasSubstr("workflow"))) << "also where it is left as it is";
    EXPECT_EQ(outcome["result"]["entry"]["conversion"], "left as it is: the courier died of it");

    outcome = deliver("picture.tiff", "II*\0 and more", {{"strip", true}});
    EXPECT_EQ(outcome["error"]["code"], "service_error") << outcome;
    EXPECT_EQ(outcome["error"]["retryable"], false);
    EXPECT_THAT(outcome["error"].value("message", ""), HasSubstr("\"picture.tiff\" is not delivered"));
}

TEST_F(ConvertTest, ALinkLeadsToTheFileAsItIs) {
    start();
    Json more = webp();
    more["stores"] = {"reference"};
    more["file"] = {{"path", "17/picture.png"}, {"name", "picture.png"}, {"url", "http://127.0.0.1:1/a.png"}};
    courier.reset();
    courier = std::make_unique<CourierProcess>(
        Json{{"stores", {{"reference", {{"type", "reference"}, {"allow_local", true}}}}}});
    const Json outcome = deliver("picture.png", sample(), more);
    EXPECT_EQ(outcome["result"]["entry"]["size"], sample().size()) << outcome;
    EXPECT_THAT(outcome["result"]["entry"].value("conversion", ""),
                HasSubstr("a link leads to the file itself"));
    more["strip"] = true;
    EXPECT_THAT(deliver("picture.png", sample(), more)["error"].value("message", ""),
                HasSubstr("with its metadata"));
}

// ---- an operator's command

Json command(const std::string& script, const std::string& timeout = "20s") {
    return {{"commands",
             {{"web",
               {{"command", {"sh", "-c", script, "sh", "{in}", "{out}"}},
                {"extension", "mp4"},
                {"timeout", timeout}}}}}};
}
const Json by_command{{"convert", {{"video", {{"command", "web"}}}}}, {"video_name", "film.mp4"}};

TEST_F(ConvertTest, AVideoGoesThroughTheOperatorsCommand) {
    ::setenv("CREDENTIAL", "secret", 1);
    start(command("cat \"$1\" > \"$2\"; env >> \"$2\"; pwd >> \"$2\""));
    const Json outcome = deliver("film.webm", "film ", by_command);
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_EQ(outcome["result"]["file"], Json({{"name", "film.mp4"}, {"mime_type", "video/mp4"}}));
    EXPECT_EQ(outcome["result"]["entry"]["converted_from"], Json({{"mime_type", "video/webm"}, {"size", 5}}));
    EXPECT_THAT(delivered(outcome),
                AllOf(HasSubstr("film "), HasSubstr("PATH="), Not(HasSubstr("CREDENTIAL"))));
    EXPECT_TRUE(wait_until([&] {
        return std::none_of(
            fs::directory_iterator(courier->spool().path()), fs::directory_iterator(),
            [](const auto& each) { return each.path().filename().string().starts_with("convert-"); });
    }));
}

TEST_F(ConvertTest, ACommandGetsTheFileThatWasLookedAtAndWritesNoneThatFillsTheDisk) {
    // By its descriptor, not by a name that may lead elsewhere by now; programs that it starts may have none of it.
    start(
        command("target=$(readlink \"$1\"); "
                "(exec 3<&-; cat \"$1\") > \"$2\"; echo \"$target\" >> \"$2\"; ulimit -f >> \"$2\""));
    const Json outcome = deliver("film.webm", "film ", by_command);
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_THAT(delivered(outcome), testing::MatchesRegex("film /proc/[0-9]+/fd/3\n[0-9]+\n"));
}

/// As a command would have it.
bool may_leave_the_network() {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(convert::leave_network().ok() ? 0 : 1);
    int status = 1;
    ::waitpid(child, &status, 0);
    return status == 0;
}

TEST_F(ConvertTest, ACommandHasNoNetworkWhereThatCanBe) {
    start(command("cat /proc/self/net/dev > \"$2\""));
    const Json outcome = deliver("film.webm", "film", by_command);
    const std::string devices = delivered(outcome);
    if (may_leave_the_network())
        EXPECT_EQ(std::count(devices.begin(), devices.end(), ':'), 1) << "only lo: " << devices;
    else
        EXPECT_THAT(devices, HasSubstr(":"));
}

TEST_F(ConvertTest, ACommandThatFailsHangsOrIsNotThereLeavesTheFileAsItIs) {
    const auto note = [&](const Json& settings, const Json& more = by_command) {
        start(settings);
        const Json outcome = deliver("film.webm", "film", more);
        EXPECT_EQ(delivered(outcome), "film") << outcome;
        return outcome["result"]["entry"].value("conversion", "");
    };
    EXPECT_THAT(
        note(command("echo no such codec >&2; exit 1")),
        AllOf(HasSubstr("[files.commands.web]"), HasSubstr("exit code 1"), HasSubstr("no such codec")));
    EXPECT_THAT(note(command("sleep 100", "1s")), HasSubstr("it took too long"));
    EXPECT_THAT(note(command("true")), HasSubstr("made no file"));
    EXPECT_THAT(note(command("ln -s /etc/passwd \"$2\"")), HasSubstr("made no file"));
    EXPECT_THAT(note(Json::object()), HasSubstr("is not there"));
    Json missing = command("true");
    missing["commands"]["web"]["command"] = {"/nowhere/ffmpeg", "{in}", "{out}"};
    EXPECT_THAT(note(missing), HasSubstr("\"/nowhere/ffmpeg\" cannot be started"));
}

TEST_F(ConvertTest, ACancelAndADeadCourierEndTheCommand) {
    const std::string pid_file = (kept / "pid").string();
    start(command("echo $$ > " + pid_file + ".new; mv " + pid_file + ".new " + pid_file + "; sleep 100"));
    const auto begin = [&](const std::string& id) {
        fs::remove(pid_file);
        courier->put("17/film.webm", "film");
        courier->deliver(id, order("film.webm", by_command));
        EXPECT_TRUE(wait_until([&] { return fs::exists(pid_file); }));
        return std::stoi(text_of(pid_file));
    };
    const auto gone = [](pid_t pid) {
        return wait_until([&] {
            const std::string stat = text_of("/proc/" + std::to_string(pid) + "/stat");
            return stat.empty() || stat.find(") Z") != stat.npos;
        });
    };
    pid_t pid = begin("one");
    courier->cancel("one");
    EXPECT_EQ(courier->outcome("one")["error"]["code"], "cancelled");
    EXPECT_TRUE(gone(pid));
    pid = begin("two");
    ASSERT_EQ(::kill(courier->child().pid(), SIGKILL), 0);
    EXPECT_TRUE(gone(pid));
}

}  // namespace
}  // namespace emprops::test
