// One delivery as a value: where its files lie, what the ledger and the courier are told, what the result gets.

#include "supervisor/files/delivery.h"

#include <gtest/gtest.h>

namespace emprops::files {
namespace {

ipc::ResultFile file(const std::string& path, const std::string& name = "a.png") {
    ipc::ResultFile one;
    one.path = path;
    one.name = name;
    return one;
}

Delivery example() {
    Delivery delivery;
    delivery.number = 7;
    delivery.job_id = "j/1";
    delivery.job_type = "t";
    delivery.connector = "c";
    delivery.folder = "7";
    delivery.date = "2026-11-30";
    delivery.result =
        ipc::RawJson(R"({"seed":18446744073709551616,"image":{"$file":0},"all":[{"$file":1},{"$file":0}]})");
    for (const char* name : {"a.png", "b.png"}) {
        FileOnWay& one = delivery.files.emplace_back();
        one.file = file(name, name);
        one.place = name;
        one.bytes = 10;
        one.stores = {"results", "inline"};
    }
    delivery.files[0].file.mime_type = "image/png";
    delivery.files[0].file.node = "9";
    delivery.files[0].file.more = {{"subfolder", "x"}, {"url", "http://evil"}, {"sha256", "0"}};
    return delivery;
}

TEST(Delivery, AFileLiesInItsJobsFolderHoweverItIsNamed) {
    const std::string folder = "/var/work/c-0/jobs/ab";
    EXPECT_EQ(*place_of(file("a.png"), 0, folder), "a.png");
    EXPECT_EQ(*place_of(file("out/./a.png"), 0, folder), "out/a.png");
    EXPECT_EQ(*place_of(file(folder + "/out/a.png"), 0, folder), "out/a.png");
    EXPECT_EQ(*place_of(file(folder + "/a.png"), 0, folder + "/"), "a.png");
    EXPECT_EQ(*place_of(file(""), 0, folder), "") << "it lies at its url";
}

TEST(Delivery, APathOutOfTheJobsFolderIsRefusedByItsName) {
    const std::string folder = "/var/work/c-0/jobs/ab";
    for (const char* path : {"../b/a.png", "x/../../a.png", "/etc/passwd", "/var/work/c-0/jobs/abc/a.png",
                             ".", "x/..", "/var/work/c-0/jobs/ab", "out/"}) {
        const auto place = place_of(file(path), 2, folder);
        ASSERT_FALSE(place) << path;
        EXPECT_EQ(place.error().code, "protocol_error");
        EXPECT_NE(place.error().message.find("files[2] \"a.png\""), std::string::npos)
            << place.error().message;
    }
}

TEST(Delivery, NoTwoFilesHaveOneName) {
    Delivery delivery;
    for (const char* name : {"a.png", "A.png", "a.png", "a-2.png", "noext", "noext", "x\\b.png", "x_b.png"})
        delivery.files.emplace_back().file.name = name;
    make_names_unique(delivery.files);
    std::vector<std::string> names;
    for (const FileOnWay& one : delivery.files)
        names.push_back(one.file.name);
    EXPECT_EQ(names, (std::vector<std::string>{"a.png", "A-2.png", "a-3.png", "a-2-2.png", "noext", "noext-2",
                                               "x\\b.png", "x_b-2.png"}));
}

TEST(Delivery, ANameMadeUniqueIsNoLongerThanANameMayBe) {
    const std::string longest = std::string(251, 'a') + ".png";
    Delivery delivery;
    for (int i = 0; i < 2; ++i)
        delivery.files.emplace_back().file.name = longest;
    make_names_unique(delivery.files);
    EXPECT_EQ(delivery.files[0].file.name, longest);
    EXPECT_EQ(delivery.files[1].file.name, std::string(249, 'a') + "-2.png");
}

TEST(Delivery, WhatTheLedgerNotesIsReadBack) {
    Delivery before = example();
    before.files[0].file.deliver = {"results"};
    before.files[0].entry = R"({"url":"https://s/a.png","seed":1})";
    before.from = "c-0/jobs/ab";
    before.user = 1000;
    before.payload = {12, 4294967295};
    before.files[1].deaths = 2;
    before.files[1].passed_over = {"results: it died"};
    before.files[1].stores = {"inline"};
    const auto after = read_state(state_text(before));
    ASSERT_TRUE(after);
    EXPECT_EQ(after->connector, "c");
    EXPECT_EQ(after->folder, "7");
    EXPECT_EQ(after->date, "2026-11-30");
    EXPECT_EQ(after->from, "c-0/jobs/ab");
    EXPECT_EQ(after->user, 1000u);
    EXPECT_EQ(after->payload, before.payload);
    EXPECT_EQ(read_state(state_text(example()))->user, std::nullopt);
    ASSERT_EQ(after->files.size(), 2u);
    EXPECT_EQ(after->files[0].file, before.files[0].file);
    EXPECT_EQ(after->files[0].file.url, "") << "what the connector added is not the file's own address";
    EXPECT_EQ(after->files[0].place, "a.png");
    EXPECT_EQ(after->files[0].bytes, 10u);
    EXPECT_TRUE(after->files[0].ended());
    EXPECT_EQ(after->files[1].deaths, 2);
    EXPECT_EQ(after->files[1].stores, before.files[1].stores);
    EXPECT_EQ(after->files[1].passed_over, before.files[1].passed_over);
    EXPECT_FALSE(after->files[1].ended());
}

TEST(Delivery, AFormThatIsWantedIsNotedAndHeardByTheCourier) {
    Delivery before = example();
    before.files[0].file.strip_metadata = true;
    choose_forms(before, {ipc::ImageWish{"webp", 80, {}, {}}, "web", 1000}, "mp4");
    EXPECT_EQ(before.files[0].image_name, "a.webp");
    EXPECT_EQ(before.files[1].video_name, "b.mp4");
    const auto after = read_state(state_text(before));
    ASSERT_TRUE(after);
    EXPECT_EQ(after->convert, before.convert);
    EXPECT_EQ(after->files[0].image_name, "a.webp");
    EXPECT_TRUE(after->files[0].file.strip_metadata);
    auto payload = ipc::Json::parse(courier_payload(*after, 0, 10, false, false).text());
    EXPECT_EQ(payload.at("convert"), ipc::to_json(before.convert));
    EXPECT_EQ(payload.at("image_name"), "a.webp");
    EXPECT_EQ(payload.at("strip"), true);
    EXPECT_FALSE(payload.contains("unconverted"));
    payload = ipc::Json::parse(courier_payload(*after, 1, 10, false, true).text());
    EXPECT_EQ(payload.at("unconverted"), "the courier ended more than once with it in hand");
    EXPECT_FALSE(payload.contains("strip"));
}

TEST(Delivery, NoTwoFilesHaveOneNameAfterwardsEither) {
    Delivery delivery = example();
    for (const char* name : {"a.jpeg", "a.webp", "A.gif"})
        delivery.files.emplace_back().file = file(name, name);
    choose_forms(delivery, {ipc::ImageWish{"webp", {}, {}, {}}, {}, {}}, "");
    EXPECT_EQ(delivery.files[0].image_name, "a-2.webp") << "one has that name already";
    EXPECT_EQ(delivery.files[1].image_name, "b.webp");
    EXPECT_EQ(delivery.files[2].image_name, "a-3.webp");
    EXPECT_EQ(delivery.files[3].image_name, "") << "it keeps its own";
    EXPECT_EQ(delivery.files[4].image_name, "A-4.webp");
    EXPECT_EQ(delivery.files[4].video_name, "");
}

TEST(Delivery, AConvertedFileIsInTheResultAsItArrived) {
    Delivery delivery = example();
    ASSERT_TRUE(
        take_answer(delivery.files[0], ipc::RawJson(R"({"entry":{"url":"u","converted_from":{"size":10}},)"
                                                    R"("file":{"name":"a.webp","mime_type":"image/webp"},)"
                                                    R"("detours":["x: no"]})")));
    EXPECT_FALSE(take_answer(delivery.files[1], ipc::RawJson("{}")));
    EXPECT_EQ(delivery.files[0].passed_over, std::vector<std::string>{"x: no"});
    delivery.files[0].file.more = {{"conversion", "a lie"}, {"filename", "a.png"}};
    const auto read = read_state(state_text(delivery));
    ASSERT_TRUE(read);
    delivery.files[0] = read->files[0];
    const auto result = ipc::Json::parse(finished_result(delivery));
    EXPECT_EQ(result.at("image"),
              ipc::Json::parse(R"({"name":"a.webp","mime_type":"image/webp","node":"9","filename":"a.png",
                                   "url":"u","converted_from":{"size":10}})"));
    EXPECT_EQ(delivery.files[0].file.name, "a.png") << "if it is delivered again it is converted again";
}

TEST(Delivery, AnInlineFileIsReadAgainAfterARestart) {
    Delivery before = example();
    before.files[0].entry = R"({"data":"AAAA"})";
    before.files[0].keeps_entry = false;
    EXPECT_FALSE(read_state(state_text(before))->files[0].ended());
}

TEST(Delivery, ANoteThatIsDamagedOrLeadsOutOfTheSpoolIsRefused) {
    const std::string good = R"({"folder":"7","files":[{"file":{"path":"a"},"place":"a"}]})";
    ASSERT_TRUE(read_state(good));
    for (const char* text :
         {"", "[]", "{}", R"({"folder":"7","files":[]})", R"({"folder":"7","files":[1]})",
          R"({"folder":"7","files":[{"place":"a"}]})", R"({"folder":"7","files":[{"file":{"name":"a"}}]})",
          R"({"folder":"7","files":[{"file":{"path":"a","name":"../a"}}]})",
          R"({"folder":"7","files":[{"file":{"path":"a"},"place":"../a"}]})",
          R"({"folder":"7","files":[{"file":{"path":"a"},"place":"/a"}]})",
          R"({"folder":"7","files":[{"file":{"path":"a"},"bytes":"many"}]})",
          R"({"folder":"7","files":[{"file":{"path":"a"},"deaths":[]}]})",
          R"({"folder":"7","from":"../../etc","files":[{"file":{"path":"a"}}]})",
          R"({"folder":"7","from":"/etc","files":[{"file":{"path":"a"}}]})",
          R"({"folder":"7","user":"root","files":[{"file":{"path":"a"}}]})",
          R"({"folder":"../x","files":[{"file":{"path":"a"}}]})", R"({"files":[{"file":{"path":"a"}}]})"})
        EXPECT_FALSE(read_state(ipc::RawJson(text))) << text;
}

TEST(Delivery, TheCourierHearsAllThatANameIsMadeOf) {
    EXPECT_EQ(
        courier_payload(example(), 0, 10, true, false).text(),
        R"({"file":{"path":"7/a.png","name":"a.png","mime_type":"image/png","size":10},)"
        R"("values":{"job_id":"j/1","job_type":"t","connector":"c","node":"9","kind":"","index":"0","date":"2026-11-30"},)"
        R"("stores":["results","inline"],"inline_max_bytes":10,"repeat":true})");
}

TEST(Delivery, AnEntrySaysWhatTheConnectorSaidButNeverWhereTheFileIs) {
    EXPECT_EQ(entry_text(example().files[0].file, R"({"url":"https://s/a.png","size":10,"sha256":"ab"})"),
              R"({"name":"a.png","mime_type":"image/png","node":"9","subfolder":"x",)"
              R"("url":"https://s/a.png","size":10,"sha256":"ab"})");
    EXPECT_EQ(entry_text(file("a", "b"), "{}"), R"({"name":"b"})");
    EXPECT_EQ(entry_text(file("a", "b"), "{ }"), R"({"name":"b"})");
}

TEST(Delivery, TheResultGetsTheEntriesAndKeepsEveryOtherByte) {
    Delivery delivery = example();
    delivery.files[0].file.more = ipc::Json::object();
    delivery.files[0].entry = R"({"url":"u0"})";
    delivery.files[1].entry = R"({"url":"u1"})";
    const std::string a = R"({"name":"a.png","mime_type":"image/png","node":"9","url":"u0"})";
    EXPECT_EQ(finished_result(delivery), R"({"seed":18446744073709551616,"image":)" + a +
                                             R"(,"all":[{"name":"b.png","url":"u1"},)" + a + "]}");
}

}  // namespace
}  // namespace emprops::files
