#include "ipc/result_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ipc/codec.h"

namespace emprops::ipc {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<ResultFile> files_of(const std::string& json) {
    const auto files = read_files(json);
    if (!files) ADD_FAILURE() << json << ": " << files.error().message;
    return files ? *files : std::vector<ResultFile>(1);
}

/// Why they are refused.
std::string fault(const std::string& json) {
    const auto files = read_files(json);
    EXPECT_FALSE(files.ok()) << json;
    return files ? "" : files.error().message;
}

std::string named(const std::string& member, const std::string& value) {
    return files_of(R"([{")" + member + R"(":)" + Json(value).dump() + "}]").front().name;
}

TEST(ResultFiles, AreReadWithAllThatIsSaidOfThem) {
    const auto files = files_of(
        R"([{"path":"out/a.png","url":"http://h/view?f=a","name":"b.png","mime_type":"image/png","kind":"images",)"
        R"("node":"9","deliver":["s3","inline"],"subfolder":"x","type":"output","frames":[1,{"a":null}]},{"path":"c"}])");
    ASSERT_EQ(files.size(), 2u);
    EXPECT_EQ(files[0].path, "out/a.png");
    EXPECT_EQ(files[0].url, "http://h/view?f=a");
    EXPECT_EQ(files[0].name, "b.png");
    EXPECT_EQ(files[0].mime_type, "image/png");
    EXPECT_EQ(files[0].kind, "images");
    EXPECT_EQ(files[0].node, "9");
    EXPECT_THAT(files[0].deliver.value(), ElementsAre("s3", "inline"));
    EXPECT_EQ(files[0].more, Json::parse(R"({"subfolder":"x","type":"output","frames":[1,{"a":null}]})"));
    EXPECT_EQ(files[1], ([] {
                  ResultFile file;
                  file.path = file.name = "c";
                  return file;
              }()));
}

TEST(ResultFiles, NullAndAnEmptyListAreNone) {
    EXPECT_TRUE(files_of("null").empty());
    EXPECT_TRUE(files_of("[]").empty());
    const auto file =
        files_of(R"([{"path":"a","url":null,"name":null,"mime_type":null,"deliver":null}])").front();
    EXPECT_EQ(file.name, "a");
    EXPECT_TRUE(file.url.empty());
    EXPECT_EQ(file.deliver, std::nullopt);
    EXPECT_EQ(file.more, Json::object());
}

TEST(ResultFiles, AreNamedByTheLastPartOfTheirPathOrUrl) {
    EXPECT_EQ(named("path", "a.png"), "a.png");
    EXPECT_EQ(named("path", "./x/a b.png"), "a b.png");
    EXPECT_EQ(named("path", "/w/j/..a"), "..a");
    EXPECT_EQ(named("path", "100%25.png"), "100%25.png") << "a path is not a URL";
    EXPECT_EQ(named("url", "http://127.0.0.1:8188/out/a%20b.png?token=x/y#z/q"), "a b.png");
    EXPECT_EQ(named("url", "https://h/view?filename=a.png"), "view");
    EXPECT_EQ(files_of(R"([{"path":"a/b.png","url":"http://h/c.png"}])").front().name, "b.png");
}

TEST(ResultFiles, OneThatCannotBeNamedMustSayAName) {
    for (const char* url : {"http://h", "http://h/", "http://h/a/", "http://h?x=/y", "http://h/a%2Fb",
                            "http://h/%2e%2e", "http://h/a%00b"}) {
        EXPECT_THAT(fault(R"([{"url":")" + std::string(url) + "\"}]"),
                    AllOf(HasSubstr("files[0] needs a \"name\""), HasSubstr("url")))
            << url;
        EXPECT_EQ(files_of(R"([{"url":")" + std::string(url) + R"(","name":"n"}])").front().name, "n");
    }
    EXPECT_THAT(fault(R"([{"path":")" + std::string(256, 'x') + "\"}]"), HasSubstr("255 bytes"));
}

TEST(ResultFiles, WhatIsWrongIsNamedWithItsPlace) {
    const std::pair<const char*, const char*> rows[] = {
        {R"([{"path":"a"},5])", "files[1] must be an object"},
        {R"([{"path":"a"},{"path":"b"},{"path":7}])",
         "files[2].path must be a string, but is of type number"},
        {R"([{"path":""}])", "files[0].path is empty"},
        {R"([{"path":"","url":"http://h/a"}])", "files[0].path is empty"},
        {R"([{"path":"a","url":""}])", "files[0].url is empty"},
        {R"([{"path":"a","name":""}])", "files[0].name is empty"},
        {R"([{}])", "files[0] has neither \"path\" nor \"url\""},
        {R"([{"path":null}])", "files[0] has neither \"path\" nor \"url\""},
        {R"([{"path":"a\u0000b"}])", "files[0].path \"a"},
        {R"([{"path":".."}])", "part \"..\""},
        {R"([{"path":"../a"}])", "part \"..\""},
        {R"([{"path":"a/../b"}])", "part \"..\""},
        {R"([{"path":"/w/../../etc/passwd"}])", "part \"..\""},
        {R"([{"path":"a/.."}])", "part \"..\""},
        {R"([{"path":"a/"}])", "files[0].path \"a/\" names a folder"},
        {R"([{"path":"."}])", "names a folder"},
        {R"([{"path":"/"}])", "names a folder"},
        {R"([{"url":"view?x"}])", "files[0].url is no absolute URL"},
        {R"([{"url":"/a.png"}])", "files[0].url is no absolute URL"},
        {R"([{"url":"://h/a"}])", "files[0].url is no absolute URL"},
        {R"([{"url":"http://h/a b"}])", "files[0].url holds a space"},
        {R"([{"url":"http://h/a\u0000"}])", "files[0].url holds a space or a control character"},
        {R"([{"path":"a","name":"x/y"}])", "files[0].name \"x/y\" holds a slash"},
        {R"([{"path":"a","name":".."}])", "files[0].name \"..\" is no name"},
        {R"([{"path":"a","name":"."}])", "is no name"},
        {R"([{"path":"a","name":"x\u0000"}])", "holds a NUL"},
        {R"([{"path":"a","name":{}}])", "files[0].name must be a string"},
        {R"([{"path":"a","mime_type":1}])", "files[0].mime_type must be a string"},
        {R"([{"path":"a","kind":[]}])", "files[0].kind must be a string"},
        {R"([{"path":"a","node":9}])", "files[0].node must be a string"},
        {R"([{"path":"a","deliver":"s3"}])", "files[0].deliver must be an array"},
        {R"([{"path":"a","deliver":[]}])", "files[0].deliver must be an array"},
        {R"([{"path":"a","deliver":[""]}])", "files[0].deliver must be an array"},
        {R"([{"path":"a","deliver":[1]}])", "files[0].deliver must be an array"},
        {R"({"path":"a"})", "\"files\" must be an array"},
        {R"("a.png")", "\"files\" must be an array"},
        {R"([{"path":"a","x":1e999}])", "too large for a double"},
    };
    for (const auto& [json, words] : rows)
        EXPECT_THAT(fault(json), HasSubstr(words)) << json;
    EXPECT_THAT(fault(R"([{"url":"http://h/a b?key=secret"}])"), Not(HasSubstr("secret")));
}

TEST(ResultFiles, HaveLimits) {
    const auto many = [](std::size_t n) {
        std::string list = R"([{"path":"a"})";
        for (std::size_t i = 1; i < n; ++i)
            list += R"(,{"path":"a"})";
        return list + "]";
    };
    EXPECT_EQ(files_of(many(max_result_files)).size(), max_result_files);
    EXPECT_THAT(fault(many(max_result_files + 1)), HasSubstr("1001 entries, and 1000 are the limit"));
    EXPECT_THAT(fault(R"([{"path":"a","x":")" + std::string(max_files_bytes, 'x') + "\"}]"),
                HasSubstr("1048576"));
    const auto nested = [](std::size_t levels) {
        return R"([{"path":"a","x":)" + std::string(levels, '[') + std::string(levels, ']') + "}]";
    };
    EXPECT_EQ(files_of(nested(max_file_depth - 1)).size(), 1u);
    EXPECT_THAT(fault(nested(max_file_depth)), HasSubstr("nested deeper"));
}

// ---- in their message

Malformed malformed(const std::string& line) {
    const Decoded decoded = decode_from_connector(line);
    const auto* bad = std::get_if<Malformed>(&decoded);
    if (bad == nullptr) ADD_FAILURE() << line;
    return bad ? *bad : Malformed{};
}

TEST(ResultFiles, StandBeforeOrBehindTheResultInItsMessage) {
    for (
        const char* line : {
            R"({"type":"result","job_id":"j","files":[{"path":"a"}],"result":{"a":1.10,"f":{"$file":0}}})",
            R"({"result":{"a":1.10,"f":{"$file":0}},"files": [{"path":"a"}] ,"job_id":"j","type":"result"})",
            R"({"type":"result","files":7,"result":[],"job_id":"j","result":{"a":1.10,"f":{"$file":0}},"files":[{"path":"a"}]})",
        }) {
        const Decoded decoded = decode_from_connector(line);
        const auto* message = std::get_if<FromConnector>(&decoded);
        ASSERT_NE(message, nullptr) << line;
        const auto& result = std::get<JobResult>(*message);
        EXPECT_EQ(result.result.text(), R"({"a":1.10,"f":{"$file":0}})");
        ASSERT_EQ(result.files.size(), 1u);
        EXPECT_EQ(
            encode(*message),
            R"({"type":"result","job_id":"j","files":[{"name":"a","path":"a"}],"result":{"a":1.10,"f":{"$file":0}}})"
            "\n");
    }
}

TEST(ResultFiles, ABrokenOneBreaksTheMessageOfItsJob) {
    const auto bad =
        malformed(R"({"type":"result","job_id":"j","result":{},"files":[{"path":"a"},{"path":"../b"}]})");
    EXPECT_EQ(bad.job_id, "j");
    EXPECT_TRUE(bad.ends_job());
    EXPECT_THAT(bad.reason, HasSubstr("files[1].path \"../b\""));
    EXPECT_THAT(malformed(R"({"type":"result","job_id":"j","result":{},"files":true})").reason,
                HasSubstr("\"files\""));
}

TEST(ResultFiles, AreNotLimitedByWhatMayStandBesideTheResult) {
    std::string list = R"([{"path":"a","note":")" + std::string(600'000, 'x') + "\"}]";
    const Decoded decoded =
        decode_from_connector(R"({"type":"result","job_id":"j","files":)" + list + R"(,"result":{}})");
    EXPECT_TRUE(std::holds_alternative<FromConnector>(decoded));
}

TEST(ResultFiles, InOtherLinesTheMemberMeansNothing) {
    const Decoded pong = decode_from_connector(R"({"type":"pong","id":3,"files":"many"})");
    EXPECT_TRUE(std::holds_alternative<FromConnector>(pong));
    const Decoded log = decode_from_connector(R"({"level":30,"time":1,"msg":"saved","files":3})");
    const auto* stray = std::get_if<Stray>(&log);
    ASSERT_TRUE(stray != nullptr && stray->log);
    EXPECT_EQ(stray->log->fields["files"], 3) << "a logger's line keeps it";
}

TEST(ResultFiles, WhatIsUnknownOfOneNeverReplacesWhatIsKnown) {
    ResultFile file;
    file.path = file.name = "a";
    file.more = {{"path", "b"}, {"deliver", "c"}, {"x", 1}};
    EXPECT_EQ(to_json(file), (Json{{"path", "a"}, {"name", "a"}, {"x", 1}}));
    file.more = Json::array();
    EXPECT_EQ(to_json(file), (Json{{"path", "a"}, {"name", "a"}}));
}

// ---- the other messages about files

TEST(Released, IsReadAndWritten) {
    const Decoded decoded = decode_from_connector(R"({"type":"released","job_id":"j\u00e4"})");
    const auto* message = std::get_if<FromConnector>(&decoded);
    ASSERT_NE(message, nullptr);
    EXPECT_EQ(std::get<Released>(*message).job_id, "j\xc3\xa4");
    EXPECT_EQ(*job_id_of(*message), "j\xc3\xa4");
    EXPECT_EQ(encode(*message), "{\"type\":\"released\",\"job_id\":\"j\xc3\xa4\"}\n");
}

TEST(Released, WithoutItsJobItIsStrayAndBrokenItConcernsItsJob) {
    const Decoded nameless = decode_from_connector(R"({"type":"released"})");
    ASSERT_TRUE(std::holds_alternative<Stray>(nameless));
    EXPECT_THAT(std::get<Stray>(nameless).hint, HasSubstr("\"job_id\""));
    EXPECT_EQ(malformed(R"({"type":"released","job_id":"j",})").job_id, "j");
    const Decoded behind = decode_from_connector(R"(Saving... {"type":"released","job_id":"j"})");
    ASSERT_TRUE(std::holds_alternative<Behind>(behind));
    EXPECT_EQ(std::get<Behind>(behind).type, "released");
}

TEST(FilesOffer, TravelsInHello) {
    Hello hello;
    EXPECT_THAT(encode(ToConnector{hello}), Not(HasSubstr("files")));
    hello.files = FilesOffer{{"s3", "inline"}, 100, 3, 5'000'000'000, {"s3", "inline"}, {"s3"}};
    const auto back = decode_to_connector(encode(ToConnector{hello}));
    ASSERT_TRUE(back.ok() && back->has_value());
    EXPECT_EQ(std::get<Hello>(**back).files, hello.files);
    const auto bare = decode_to_connector(R"({"type":"hello","protocol_versions":[1],"files":{}})");
    ASSERT_TRUE(bare.ok());
    EXPECT_EQ(std::get<Hello>(**bare).files, FilesOffer{});
    for (const char* wrong :
         {"[]", "5", R"({"stores":"s3"})", R"({"released":"2"})", R"({"max_files":-1})", R"({"jobs":true})"})
        EXPECT_FALSE(decode_to_connector(R"({"type":"hello","protocol_versions":[1],"files":)" +
                                         std::string(wrong) + "}")
                         .ok())
            << wrong;
}

TEST(FilesOffer, AConnectorDeclaresThatItsFilesMayBeDirected) {
    const Decoded decoded = decode_from_connector(R"({"type":"ready","protocol":1,"features":["files"]})");
    const auto& ready = std::get<Ready>(std::get<FromConnector>(decoded));
    EXPECT_TRUE(ready.features.files);
    EXPECT_TRUE(ready.unknown_features.empty());
    EXPECT_THAT(encode(FromConnector{ready}), HasSubstr(R"("features":["files"])"));
}

}  // namespace
}  // namespace emprops::ipc
