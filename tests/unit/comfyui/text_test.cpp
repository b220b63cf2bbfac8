// Small pure pieces: JSON as Python writes it, ids, addresses, near words, templates, PNG.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "connectors/comfyui/server/lease.h"
#include "connectors/comfyui/text/api_key.h"
#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/prompt_id.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "connectors/comfyui/text/web.h"
#include "ipc/web/base64.h"
#include "ipc/web/host.h"

#include "tests/support/temp_dir.h"

namespace emprops::comfyui {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(TolerantJson, TurnsNaNAndInfinityIntoNullButNotInStrings) {
    Repairs repairs;
    EXPECT_EQ(make_strict(R"({"a":NaN,"b":[-Infinity,Infinity],"c":"NaN \"Infinity"})", repairs),
              R"({"a":null,"b":[null,null],"c":"NaN \"Infinity"})");
    EXPECT_EQ(repairs.not_finite, 3);
}

TEST(TolerantJson, ReplacesLoneSurrogatesAndKeepsPairs) {
    Repairs repairs;
    const auto value = parse_tolerant(R"(["\ud83d\ude42","\ud83d","x\ude42y","\ud83d\u0041"])", &repairs);
    ASSERT_TRUE(value);
    EXPECT_EQ((*value)[0], "\xF0\x9F\x99\x82");
    EXPECT_EQ((*value)[1], "\xEF\xBF\xBD");
    EXPECT_EQ((*value)[3],
              "\xEF\xBF\xBD"
              "A");
    EXPECT_EQ(repairs.lone_surrogates, 3);
}

TEST(TolerantJson, KeepsIntegersUpToTwoToThe64Exact) {
    const auto value = parse_tolerant("[18446744073709551615,-9223372036854775808]");
    EXPECT_EQ(dump(*value), "[18446744073709551615,-9223372036854775808]");
}

TEST(TolerantJson, CutsWhatIsTooDeepAndBytesThatAreNoUtf8) {
    const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
    Repairs repairs;
    ASSERT_TRUE(parse_tolerant("{\"a\":" + deep + ",\"b\":1}", &repairs));
    EXPECT_EQ(repairs.too_deep, 1);
    EXPECT_EQ((*parse_tolerant("[\"\xff\"]"))[0], "\xEF\xBF\xBD");
    EXPECT_FALSE(parse_tolerant("{\"a\":"));
    EXPECT_FALSE(parse_tolerant("\"\\"));
}

TEST(PromptId, DependsOnJobAndSubmissionAndIsTheSameInAllInstances) {
    const test::TempDir state;
    const auto names = [&](const std::string& hub, const std::string& worker, const std::string& folder) {
        return PromptNames(prompt_scope(hub, worker, "comfyui", folder));
    };
    const std::string here = state.path().string();
    const PromptNames first = names("hub", "box", here + "/comfyui-0");
    const PromptNames second = names("hub", "box", here + "/comfyui-1/");
    EXPECT_EQ(first.prompt("job", "a", 0), second.prompt("job", "a", 0));
    EXPECT_NE(first.prompt("job", "a", 0), first.prompt("job", "a", 1));
    EXPECT_NE(first.prompt("job", "a", 0), first.prompt("job2", "a", 0));
    // Job ids are clients' text, and mean something at one Hub only.
    EXPECT_NE(first.prompt("job", "a", 0), first.prompt("job", "b", 0));
    EXPECT_NE(first.space(), names("hub2", "box", here + "/comfyui-0").space());
    EXPECT_NE(first.client(0), first.client(1));
    // Ids that look like what the Hub link appends are still ids.
    EXPECT_NE(names("hub", "box-0123abcd", here + "/comfyui-0").space(),
              names("hub", "box-ffff0000", here + "/comfyui-0").space());
}

TEST(PromptId, TwoWorkersThatHaveAllNamesInCommonDoNotShareIds) {
    const test::TempDir state;
    const std::string work_dir = (state / "work/comfyui-0").string();
    std::filesystem::create_directories(work_dir);
    const std::string before = prompt_scope("hub", "box", "comfyui", work_dir);
    EXPECT_EQ(prompt_scope("hub", "box", "comfyui", work_dir), before);
    std::filesystem::remove_all(state / "work");  // another container
    std::filesystem::create_directories(work_dir);
    EXPECT_NE(prompt_scope("hub", "box", "comfyui", work_dir), before);
    EXPECT_EQ(prompt_scope("hub", "box", "comfyui", "/nowhere/at/all/0"),
              "hub\nbox\ncomfyui\n/nowhere/at/all/\n");
}

TEST(Address, OnlyThePublicNetIsPublic) {
    const auto v4 = [](unsigned a, unsigned b, unsigned c, unsigned d) {
        return is_public_v4((a << 24) | (b << 16) | (c << 8) | d);
    };
    EXPECT_TRUE(v4(8, 8, 8, 8));
    EXPECT_TRUE(v4(172, 32, 0, 1));
    for (const auto& [a, b] : {std::pair{127u, 0u},
                               {10u, 1u},
                               {172u, 16u},
                               {172u, 31u},
                               {192u, 168u},
                               {169u, 254u},
                               {100u, 64u},
                               {0u, 0u},
                               {224u, 0u},
                               {255u, 255u}}) {
        EXPECT_FALSE(v4(a, b, 1, 1)) << a << "." << b;
    }
    EXPECT_TRUE(is_public_v6({0x2a, 0, 0x14, 0x50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
    EXPECT_FALSE(is_public_v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
    EXPECT_FALSE(is_public_v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1}));
    EXPECT_FALSE(is_public_v6({0x20, 0x02, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
    EXPECT_FALSE(is_public_v6({0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
    EXPECT_FALSE(is_public_v6({0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
}

TEST(Url, ReadsUserPrefixAndPortAndNeverShowsAPassword) {
    const auto url = parse_url("https://me:p%40ss@host.example/comfy/");
    ASSERT_TRUE(url.ok());
    EXPECT_EQ(url->password, "p@ss");
    EXPECT_EQ(url->text(), "https://host.example:443/comfy");
    const auto bad = parse_url("http://me:secret@host:99999");
    ASSERT_FALSE(bad.ok());
    EXPECT_EQ(bad.error().message.find("secret"), std::string::npos);
    EXPECT_EQ(parse_url("http://[::1]:8188")->text(), "http://[::1]:8188");
    EXPECT_FALSE(parse_url("ftp://x").ok());
}

TEST(Base64, GoesRoundAndTakesTheUrlAlphabet) {
    for (const std::string bytes : {"", "a", "ab", "abc", "\xff\xfe\xfd\xfc"}) {
        EXPECT_EQ(*web::base64_decode(web::base64_encode(bytes)), bytes);
    }
    EXPECT_EQ(*web::base64_decode("__79_A"), "\xff\xfe\xfd\xfc");
    EXPECT_FALSE(web::base64_decode("a!b").ok());
    EXPECT_FALSE(web::base64_decode("abcde").ok());
}

TEST(Outputs, TakeAnyKeyAndOddValues) {
    const Json outputs = Json::parse(
        R"({"1":{"videos":[{"filename":"a.mp4"}],"animated":[true],"x":null,"n":[1.5,null,{"k":1}]},
        "2":{"images":[{"filename":"a.mp4","subfolder":"","type":"output"},{"filename":"t.png","type":"temp"},{"filename":""}]},
        "3":null})");
    const Outputs out = collect_outputs(outputs, false);
    ASSERT_EQ(out.files.size(), 1u);
    EXPECT_EQ(out.files[0].kind, "videos");
    EXPECT_EQ(out.temp_left_out, 1);
    EXPECT_EQ(out.texts.size(), 3u);  // 1.5, {"k":1} and the object with an empty filename
    EXPECT_EQ(collect_outputs(outputs, true, {"2"}).files.size(), 2u);
}

TEST(Outputs, KeepWhatAListRepeatsAndLeaveOutTheJobsOwnSources) {
    const Outputs out =
        collect_outputs(Json::parse(R"({"1":{"text":["a","a",1,1],"flags":[true],"animated":[false],
        "images":[{"filename":"i.png","type":"input"}]}})"),
                        true);
    EXPECT_EQ(out.texts.size(), 5u);
    EXPECT_TRUE(out.files.empty());
    EXPECT_EQ(out.inputs_left_out, 1);
}

TEST(Outputs, TheNameSaysTheTypeAndTheServersWordOnlyWhereItDoesNot) {
    const Outputs out =
        collect_outputs(Json::parse(R"({"1":{"gifs":[{"filename":"a.mp4","format":"video/h264-mp4"},
        {"filename":"b.xyz","format":"video/xyz"},{"filename":"c.xyz","format":"x/y\r\nEvil: 1"}]}})"),
                        false);
    ASSERT_EQ(out.files.size(), 3u);
    EXPECT_EQ(out.files[0].mime_type, "video/mp4");
    EXPECT_EQ(out.files[1].mime_type, "video/xyz");
    EXPECT_EQ(out.files[2].mime_type, "application/octet-stream");
}

TEST(Outputs, AreFilesInAnyShapeInWhichANodeNamesThem) {
    const Outputs out = collect_outputs(Json::parse(R"({"1":{"result":["3d/mesh.glb",{"camera":1},""]},
        "2":{"files":[["a.png","sub","output"],["b.png","","temp"]],"pair":["c.png","s","output"]},
        "3":{"images":[[{"filename":"d.png"}]],"video":{"filename":"deep/er/e.mp4","subfolder":"x"}},
        "4":{"audio":[{"name":"f.flac","type":"output"}],"link":["http://h/api/view?filename=g%20g.png&type=output"]},
        "5":{"path":["/opt/ComfyUI/output/y/h.webm","C:\\comfy\\output\\i.mp4","/etc/passwd.png"],"a":["j.png [temp]"]},
        "6":{"text":["k.png"],"names":["no file","l.png","https://h/m.png","../n.png"]},
        "7":{"group":[{"parts":[{"filename":"o.png"}]}],"twice":["d.png"]}})"),
                                        false);
    std::string named;
    for (const OutputFile& file : out.files) {
        named +=
            file.type + "/" + file.subfolder + "/" + file.filename + (file.named_by.empty() ? " " : "? ");
    }
    EXPECT_EQ(
        named,
        "output/sub/a.png output/s/c.png output//d.png output/x/deep/er/e.mp4 output//f.flac output//g g.png "
        "output//o.png output/3d/mesh.glb? output/y/h.webm? output//i.mp4? output//l.png? ");
    EXPECT_EQ(out.temp_left_out, 2);
    std::string texts;
    for (const OutputText& text : out.texts) {
        texts += text.text + " ";
    }
    EXPECT_EQ(texts, R"({"camera":1}  /etc/passwd.png no file https://h/m.png ../n.png k.png )");
}

TEST(Outputs, OfANodeAreThoseOfItsExpansionToo) {
    const Json outputs = Json::parse(
        R"({"9.0.0.2":{"images":[{"filename":"a.png"}]},"90":{"images":[{"filename":"b.png"}]}})");
    const Outputs out = collect_outputs(outputs, false, {"9"});
    ASSERT_EQ(out.files.size(), 1u);
    EXPECT_EQ(out.files[0].filename, "a.png");
    EXPECT_EQ(out.others_left_out, 1);
}

TEST(Outputs, AnAnnouncementOfAPictureOnTheWebSocketIsNoText) {
    const Outputs out =
        collect_outputs(Json::parse(R"({"1":{"images":[{"source":"websocket","type":"output"}]}})"), false);
    EXPECT_TRUE(out.files.empty() && out.texts.empty());
}

TEST(ApiKey, GoesIntoExtraDataUnlessTheJobBringsOne) {
    EXPECT_EQ(with_api_key("{}", "k\"1"), R"({"api_key_comfy_org":"k\"1"})");
    EXPECT_EQ(with_api_key(R"( {"a": 1.10} )", "k"), R"( {"a": 1.10,"api_key_comfy_org":"k"})");
    EXPECT_EQ(with_api_key(R"({"api_key_comfy_org":null})", "k"),
              R"({"api_key_comfy_org":null,"api_key_comfy_org":"k"})");
    for (const char* own : {R"({"api_key_comfy_org":"mine"})", R"({"auth_token_comfy_org":"t","x":1})"})
        EXPECT_EQ(with_api_key(own, "k"), own);
    EXPECT_EQ(with_api_key("{}", ""), "{}");
}

TEST(ApiKey, IsHintedAtWhereANodeAsksForIt) {
    EXPECT_NE(api_key_hint("Unauthorized: Please login first to use this node."), "");
    EXPECT_EQ(api_key_hint("Unauthorized: the model is gated"), "");
}

TEST(Address, ALinkIsForEverybodyOnlyWithAPublicAddress) {
    for (const char* host : {"localhost", "LOCALHOST.", "box.localhost", "127.0.0.1", "127.9.9.9", "::1"}) {
        EXPECT_TRUE(web::is_loopback_host(host)) << host;
        EXPECT_FALSE(is_public_host(host)) << host;
    }
    for (const char* host : {"comfyui", "box.local", "a.internal", "192.168.0.7", "10.0.0.1", "fd00::1"}) {
        EXPECT_FALSE(web::is_loopback_host(host)) << host;
        EXPECT_FALSE(is_public_host(host)) << host;
    }
    EXPECT_TRUE(is_public_host("8.8.8.8"));
    EXPECT_FALSE(web::is_loopback_host("localhost.example.org"));
}

TEST(Lease, IsSeenByOtherInstancesWhileItsHolderLives) {
    const test::TempDir folder;
    const std::string first = (folder / "comfyui-0").string();
    const std::string second = (folder / "comfyui-1").string();
    const auto never = [](std::chrono::milliseconds) { return true; };
    EXPECT_FALSE(is_leased(first, "../job"));
    {
        const Lease lease(second, "../job", never);
        EXPECT_TRUE(lease.held());
        EXPECT_TRUE(is_leased(first, "../job"));
        EXPECT_TRUE(is_leased(second, "../job"));
        EXPECT_FALSE(is_leased(first, "other"));
    }
    EXPECT_FALSE(is_leased(first, "../job"));
}

TEST(Lease, IsTriedForAFewTimesOnlyAndTheFilesOfTheDeadAreRemoved) {
    const test::TempDir folder;
    const std::string work_dir = (folder / "comfyui-0").string();
    const auto files = [&] {
        const std::filesystem::directory_iterator all(folder / "comfyui-0/leases");
        return std::distance(begin(all), end(all));
    };
    int pauses = 0;
    const Lease first(work_dir, "job", {});
    {
        const Lease second(work_dir, "job", [&](std::chrono::milliseconds) { return ++pauses > 100; });
        EXPECT_FALSE(second.held());
        EXPECT_EQ(pauses, 9);
        const Lease cancelled(work_dir, "job", [&](std::chrono::milliseconds) { return ++pauses == 10; });
        EXPECT_EQ(pauses, 10);
    }
    EXPECT_TRUE(is_leased(work_dir, "job")) << "who did not get it does not remove it";
    std::ofstream(folder / "comfyui-0/leases/of-a-killed-process").put(' ');
    EXPECT_EQ(files(), 2);
    remove_old_leases(work_dir);
    EXPECT_EQ(files(), 1);
    EXPECT_TRUE(is_leased(work_dir, "job"));
}

}  // namespace
}  // namespace emprops::comfyui
