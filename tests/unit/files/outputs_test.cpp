// What a job says about its files: read, and refused where it cannot be right or cannot be met here.

#include "supervisor/files/outputs.h"

#include <gtest/gtest.h>

#include "ipc/messages.h"
#include "tests/support/config_fixture.h"
#include "tests/support/schema_check.h"

namespace emprops::files {
namespace {

using Json = nlohmann::json;

struct OutputsOfAJob : testing::Test {
    config::Settings settings;

    OutputsOfAJob() {
        settings.stores = {
            {"put_allow", {"bucket.s3.amazonaws.com", "*.example.com", "http://127.0.0.1:9000"}},
            {"renders", {{"type", "s3"}, {"jobs", true}}},
            {"operator", {{"type", "s3"}}},
            {"never", {{"type", "s3"}, {"jobs", false}}}};
    }
    Result<Outputs> read(const std::string& outputs) const {
        return read_outputs(R"({"prompt":{"9":{}},"outputs":)" + outputs + "}", permits_of(settings));
    }
    /// The message of its refusal.
    std::string refusal(const std::string& to) const {
        const auto outputs = read(R"({"to":)" + to + "}");
        if (outputs) return "";
        EXPECT_EQ(outputs.error().code, ipc::code::invalid_payload);
        return outputs.error().message;
    }
};

TEST_F(OutputsOfAJob, AreReadAsTheyStand) {
    const auto outputs = read(
        R"({"deliver":["inline"],"to":[
            {"put":"https://bucket.s3.amazonaws.com/a.png?X-Amz-Signature=1","headers":{"x-amz-acl":"private"},
             "match":{"node":"9","index":0}},
            {"put":"http://127.0.0.1:9000/b?sig=2","match":{"node":9,"index":1.0}},
            {"store":"renders","prefix":"/x//y/","match":{"kind":"images","name":"*.png"}},
            {"store":"renders"}]})");
    ASSERT_TRUE(outputs) << outputs.error().message;
    ASSERT_EQ(outputs->to.size(), 4u);
    EXPECT_EQ(outputs->to[0].put, "https://bucket.s3.amazonaws.com/a.png?X-Amz-Signature=1");
    EXPECT_EQ(outputs->to[0].headers.at("x-amz-acl"), "private");
    EXPECT_EQ(outputs->to[0].match.node, "9");
    EXPECT_EQ(outputs->to[0].match.index, 0u);
    EXPECT_EQ(outputs->to[1].match.node, "9") << "clients that count nodes write a number";
    EXPECT_EQ(outputs->to[1].match.index, 1u);
    EXPECT_EQ(outputs->to[2].store, "renders");
    EXPECT_EQ(outputs->to[2].prefix, "x/y");
    EXPECT_EQ(outputs->to[2].match.name, "*.png");
    EXPECT_FALSE(outputs->to[3].prefix);
    EXPECT_EQ(outputs->to[3].label, "outputs.to[3]");
}

TEST_F(OutputsOfAJob, OtherMembersAreItsConnectors) {
    for (const char* outputs :
         {"{}", "null", "[1]", "\"x\"", R"({"deliver":5,"anything":{}})", R"({"to":null})", R"({"to":[]})"}) {
        const auto read_one = read(outputs);
        ASSERT_TRUE(read_one) << outputs;
        EXPECT_TRUE(read_one->to.empty());
    }
    for (const char* payload : {"{}", "null", "[]", "5"})
        EXPECT_TRUE(read_outputs(payload, permits_of(settings))) << payload;
}

TEST_F(OutputsOfAJob, ANameIsTheSameHoweverItIsWritten) {
    const auto read_one =
        read_outputs(R"({"o\u0075tputs":{"to":[{"store":"renders"}]}})", permits_of(settings));
    ASSERT_TRUE(read_one);
    EXPECT_EQ(read_one->to.size(), 1u) << "its connector would read it, too";
}

TEST_F(OutputsOfAJob, APromptInAnotherLanguageIsNotReadForThem) {
    EXPECT_TRUE(may_have(R"({"outputs":{}})", "outputs"));
    EXPECT_TRUE(may_have(R"({"x":1,"output\u0073":{}})", "outputs"));
    EXPECT_TRUE(may_have(R"({"\u006Fut\u0070uts":{}})", "outputs"));
    EXPECT_FALSE(may_have(R"({"prompt":"\u4e2d\u6587 caf\u00e9 \u0022 \u00"})", "outputs"));
    EXPECT_FALSE(may_have(R"({"prompt":"\u00)", "outputs"));
}

TEST_F(OutputsOfAJob, WhatCannotBeRightIsNamed) {
    const std::string put = R"({"put":"https://a.example.com/x")";
    const std::pair<std::string, std::string> cases[] = {
        {R"({"put":"https://a.example.com/x"})", "outputs.to must be a list of destinations"},
        {"[5]", "outputs.to[0] must be an object with either put (a URL) or store (a name)"},
        {"[{}]", "outputs.to[0] must be an object with either put"},
        {R"([{"put":"https://a.example.com/","store":"renders"}])", "either put (a URL) or store"},
        {R"([{"put":5}])", "outputs.to[0].put must be a text"},
        {"[" + put + R"(,"header":{}}])", "outputs.to[0].header is unknown; did you mean headers?"},
        {"[" + put + R"(,"prefix":"x"}])", "outputs.to[0].prefix is unknown; known are put, headers, match"},
        {"[" + put + R"(,"match":[]}])", "outputs.to[0].match must be an object"},
        {"[" + put + R"(,"match":{"index":-1}}])",
         "outputs.to[0].match.index is -1; it counts the files that fit the rest, from 0"},
        {"[" + put + R"(,"match":{"index":1.5}}])", "outputs.to[0].match.index is 1.5"},
        {"[" + put + R"(,"match":{"index":"0"}}])", "outputs.to[0].match.index is \"0\""},
        {"[" + put + R"(,"match":{"node":""}}])", "outputs.to[0].match.node is empty"},
        {"[" + put + R"(,"match":{"node":[9]}}])", "outputs.to[0].match.node must be a text"},
        {"[" + put + R"(,"match":{"kind":1}}])", "outputs.to[0].match.kind must be a text"},
        {"[" + put + R"(,"match":{"nodes":"9"}}])",
         "outputs.to[0].match.nodes is unknown; did you mean node?"},
        {"[" + put + R"(},{"put":"https://a.example.com/y"}])",
         "outputs.to[1] asks for the same file as outputs.to[0] (any file); tell them apart by match.index"},
        {"[" + put +
             R"(,"match":{"node":"9"}},{"put":"https://a.example.com/y","match":{"node":9,"index":0}}])",
         "outputs.to[1] asks for the same file as outputs.to[0]"},
        {"[" + put + "}," + put + R"(,"match":{"node":"9"}}])",
         "outputs.to[1].put is the URL of outputs.to[0]"},
        {R"([{"store":"nowhere"}])",
         "outputs.to[0].store is \"nowhere\", which jobs may not use here; there are renders"},
        {"[" + put + R"(,"match":{"name":")" + std::string(256, 'a') + R"("}}])",
         "outputs.to[0].match.name is longer than 255 bytes"},
        {R"([{"store":"operator"}])", "which jobs may not use here"},
        {R"([{"store":"never"}])", "which jobs may not use here"},
        {R"([{"store":"inline"}])", "which jobs may not use here"},
        {R"([{"store":"put_allow"}])", "which jobs may not use here"},
        {R"([{"store":"renders","headers":{}}])", "outputs.to[0].headers is unknown"},
        {R"([{"store":"renders","prefix":5}])", "outputs.to[0].prefix must be a text"},
    };
    for (const auto& [to, expected] : cases)
        EXPECT_NE(refusal(to).find(expected), std::string::npos) << to << "\n" << refusal(to);
    std::string many = "[" + put + "}";
    for (int i = 0; i < 64; ++i)
        many += R"(,{"store":"renders"})";
    EXPECT_NE(refusal(many + "]").find("more than 64 destinations"), std::string::npos);
}

TEST_F(OutputsOfAJob, APrefixLeadsNowhereElse) {
    for (const char* prefix :
         {"..", "a/../b", "a/./b", "/..", R"(a\\..\\b)", R"(a\u0000b)", R"(a\nb)", "{job_id}", "a}b"})
        EXPECT_NE(refusal(R"([{"store":"renders","prefix":")" + std::string(prefix) + R"("}])")
                      .find("outputs.to[0].prefix"),
                  std::string::npos)
            << prefix;
    EXPECT_NE(refusal(R"([{"store":"renders","prefix":")" + std::string(513, 'a') + R"("}])").find("longer"),
              std::string::npos);
    EXPECT_EQ(refusal(R"([{"store":"renders","prefix":"users/Zoë/..x/2026"}])"), "");
    const auto root = read(R"({"to":[{"store":"renders","prefix":"//"}]})");
    ASSERT_TRUE(root);
    EXPECT_EQ(root->to[0].prefix, "");
}

TEST_F(OutputsOfAJob, HostsAreTheOperatorsToName) {
    const auto put = [&](const std::string& url) { return refusal(R"([{"put":")" + url + R"("}])"); };
    EXPECT_EQ(put("https://bucket.s3.amazonaws.com/a?X=1"), "");
    EXPECT_EQ(put("https://BUCKET.s3.amazonaws.com:443/a"), "");
    EXPECT_EQ(put("https://a.b.example.com/"), "");
    EXPECT_EQ(put("http://127.0.0.1:9000/a"), "");
    for (const char* url :
         {"https://example.com/", "https://badexample.com/", "https://evil.org/?x=.example.com",
          "https://a.example.com:8443/", "http://a.example.com/", "http://bucket.s3.amazonaws.com/",
          "https://127.0.0.1:9000/", "http://127.0.0.1:9001/", "http://127.0.0.1/",
          "https://other.s3.amazonaws.com/", "https://[::1]/", "https://evil.org/a.example.com"})
        EXPECT_NE(put(url).find("stores.put_allow of this worker does not name that server"),
                  std::string::npos)
            << url << ": " << put(url);
    for (const char* url :
         {"a.example.com/x", "ftp://a.example.com/x", "file:///etc/passwd", "https://",
          "https://u:p@a.example.com/", "https://a.example.com@evil.org/",
          R"(https://evil.org\\@a.example.com/)", "https://a.example.com/ x",
          R"(https://a.example.com/\r\nHost: x)", "https://a.example.com/#f",
          "https://evil.org#@a.example.com/", "https://ä.example.com/", "https://a.example.com:99999/", ""})
        EXPECT_NE(put(url).find("outputs.to[0].put"), std::string::npos) << url << ": " << put(url);
    EXPECT_NE(put("https://a.example.com/" + std::string(8192, 'a')).find("longer than 8192"),
              std::string::npos);
    settings.stores.erase("put_allow");
    EXPECT_NE(put("https://a.example.com/x").find("takes no URLs from jobs"), std::string::npos);
    EXPECT_NE(put("https://a.example.com/x").find("stores.put_allow"), std::string::npos);
}

TEST_F(OutputsOfAJob, NoRefusalTellsAQuery) {
    for (const char* url :
         {"https://evil.org/a?X-Amz-Signature=SECRET", "https://u:SECRET@a.example.com/?q=SECRET",
          "https://a.example.com/x?SECRET#SECRET", "gopher://x/?SECRET"}) {
        const std::string text = refusal(R"([{"put":")" + std::string(url) + R"("}])");
        EXPECT_FALSE(text.empty());
        EXPECT_EQ(text.find("SECRET"), std::string::npos) << text;
    }
}

TEST_F(OutputsOfAJob, HeadersAreAJobsAsFarAsTheyAreNotTheConnections) {
    const auto headers = [&](const std::string& object) {
        return refusal(R"([{"put":"https://a.example.com/x","headers":)" + object + "}]");
    };
    EXPECT_EQ(
        headers(R"({"Content-Type":"image/png","x-ms-blob-type":"BlockBlob","Authorization":"Bearer x"})"),
        "");
    for (const char* object :
         {R"({"Host":"evil"})", R"({"content-LENGTH":"5"})", R"({"Transfer-Encoding":"chunked"})",
          R"({"Connection":"close"})", R"({"Expect":"100-continue"})", R"({"Proxy-Authorization":"x"})",
          R"({"a b":"c"})", R"({"":"c"})", R"({"a:b":"c"})", R"({"a\r\nHost":"c"})",
          R"({"a":"c\r\nHost: evil"})", R"({"a":"c\u0000"})", R"({"a":5})", R"({"a":"1","A":"2"})", "[]",
          "\"a: b\""})
        EXPECT_NE(headers(object).find("outputs.to[0].headers"), std::string::npos) << object;
    EXPECT_NE(headers(R"({"a":")" + std::string(4097, 'x') + R"("})").find("longer than 4096"),
              std::string::npos);
    Json many = Json::object();
    for (int i = 0; i < 33; ++i)
        many["h" + std::to_string(i)] = "x";
    EXPECT_NE(headers(many.dump()).find("more than 32"), std::string::npos);
}

TEST(OutputsOfTheReadme, AreRight) {
    const std::string page = test::read_text_file(EMPROPS_SOURCE_DIR "/README.md");
    const auto block = [&](const std::string& fence, const std::string& first) {
        const std::size_t begin = page.find("```" + fence + "\n" + first) + fence.size() + 4;
        EXPECT_GT(begin, fence.size() + 4);
        return page.substr(begin, page.find("```", begin) - begin);
    };
    test::ConfigFixture machine;
    machine.toml(block("toml", "[stores]\nput_allow") + "type = \"directory\"\npath = \"/x\"\n");
    const config::Loaded loaded = machine.load();
    EXPECT_EQ(test::problems_of(loaded), "");
    std::string payload = block("json", "{\"outputs\"");
    for (auto at = payload.find("\u2026"); at != std::string::npos; at = payload.find("\u2026"))
        payload.replace(at, 3, "x");
    const auto outputs = read_outputs(payload, permits_of(loaded.settings));
    ASSERT_TRUE(outputs) << outputs.error().message;
    EXPECT_EQ(outputs->to.size(), 3u);
}

TEST(Convert, AFormIsReadAndWhatIsWrongIsNamed) {
    config::Settings settings;
    settings.files.commands = {{"web", {{"extension", "mp4"}}}};
    const auto read = [&](const std::string& convert) {
        return read_outputs(R"({"outputs":{"convert":)" + convert + "}}", permits_of(settings));
    };
    const auto good = read(R"({"image":{"format":"webp","quality":80},"video":{"command":"web"}})");
    ASSERT_TRUE(good) << good.error().message;
    EXPECT_EQ(good->convert.image->format, "webp");
    EXPECT_EQ(good->convert.video, "web");
    EXPECT_FALSE(good->empty());
    EXPECT_TRUE(read("null")->empty());
    const auto why = [&](const std::string& convert) {
        const auto refused = read(convert);
        EXPECT_FALSE(refused);
        EXPECT_TRUE(refused || refused.error().code == "invalid_payload");
        return refused ? "" : refused.error().message;
    };
    EXPECT_EQ(why(R"({"image":{"format":"gif"}})"),
              "outputs.convert.image.format must be \"webp\", \"jpeg\" or \"png\"");
    EXPECT_EQ(why(R"({"video":{"command":"rm"}})"),
              "outputs.convert.video.command is \"rm\", which this worker has not; there are web");
    EXPECT_EQ(why("[]"), "outputs.convert must be an object");
    settings.files.commands = nlohmann::json::object();
    EXPECT_EQ(
        why(R"({"video":{"command":"web"}})"),
        "outputs.convert.video.command is \"web\", which this worker has not; it has no [files.commands.NAME]");
}

}  // namespace
}  // namespace emprops::files
