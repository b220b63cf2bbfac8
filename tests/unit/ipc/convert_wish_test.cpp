// In which form files are wanted: read, refused with the member's name, merged, and what a file is called then.

#include "ipc/convert_wish.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::ipc {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string why(const char* text) {
    const auto read = read_convert_wish(json::parse(text), "outputs.convert");
    if (read.ok()) return "";
    EXPECT_EQ(read.error().code, "invalid_payload");
    return read.error().message;
}

TEST(ConvertWish, IsReadAsItIsWritten) {
    const json given = json::parse(
        R"({"image": {"format": "webp", "quality": 80, "max_side": 1024, "metadata": "strip"},
            "video": {"command": "web"}, "if_larger_than": "1MB"})");
    const auto wish = read_convert_wish(given, "x");
    ASSERT_TRUE(wish.ok()) << wish.error().message;
    EXPECT_EQ(wish->image, (ImageWish{"webp", 80, 1024, false}));
    EXPECT_EQ(wish->video, "web");
    EXPECT_EQ(wish->if_larger_than, 1'000'000u);
    EXPECT_EQ(*read_convert_wish(to_json(*wish), "x"), *wish);
    EXPECT_EQ(*read_convert_wish(json::parse(R"({"image": null, "if_larger_than": null})"), "x"),
              ConvertWish{});
    EXPECT_EQ(read_convert_wish(json::parse(R"({"image": {}})"), "x")->image, ImageWish{});
}

TEST(ConvertWish, WhatIsWrongIsNamed) {
    EXPECT_EQ(why("[]"), "outputs.convert must be an object");
    EXPECT_EQ(why(R"({"image": 1})"), "outputs.convert.image must be an object");
    EXPECT_EQ(why(R"({"image": {"format": "gif"}})"),
              "outputs.convert.image.format must be \"webp\", \"jpeg\" or \"png\"");
    for (const char* quality : {"0", "101", "\"80\"", "80.5", "-1", "[]", "true"})
        EXPECT_THAT(why((R"({"image": {"quality": )" + std::string(quality) + "}}").c_str()),
                    HasSubstr("outputs.convert.image.quality must be a whole number from 1 to 100"));
    EXPECT_THAT(why(R"({"image": {"max_side": 0}})"), HasSubstr("outputs.convert.image.max_side"));
    EXPECT_THAT(why(R"({"image": {"metadata": "no"}})"), HasSubstr("must be \"keep\" or \"strip\""));
    EXPECT_EQ(why(R"({"image": {"qualty": 80}})"),
              "outputs.convert.image.qualty is unknown; did you mean quality?");
    EXPECT_THAT(why(R"({"audio": {}})"), HasSubstr("known are image, video, if_larger_than"));
    EXPECT_THAT(why(R"({"video": {"command": ["ffmpeg"]}})"),
                HasSubstr("outputs.convert.video.command must be"));
    EXPECT_THAT(why(R"({"video": {"command": "web", "arguments": []}})"),
                HasSubstr("video.arguments is unknown"));
    EXPECT_THAT(why(R"({"video": {}})"), HasSubstr("video.command must be the name"));
    for (const char* size : {"\"much\"", "-1", "1.5", "{}"})
        EXPECT_THAT(why((R"({"if_larger_than": )" + std::string(size) + "}").c_str()),
                    HasSubstr("outputs.convert.if_larger_than must be a size"));
}

TEST(ConvertWish, TheNearerOneWinsMemberByMember) {
    const ConvertWish general{ImageWish{"webp", 80, {}, {}}, "web", 1000};
    const ConvertWish merged_one = merged({ImageWish{"png", {}, {}, {}}, {}, {}}, general);
    EXPECT_EQ(merged_one.image, (ImageWish{"png", {}, {}, {}})) << "a quality belongs to its format";
    const ConvertWish strip{ImageWish{"webp", 80, 512, false}, {}, {}};
    EXPECT_EQ(merged({ImageWish{}, {}, {}}, strip).image, (ImageWish{"", {}, {}, false}))
        << "as they are, without their metadata";
    EXPECT_EQ(merged_one.video, "web");
    EXPECT_EQ(merged_one.if_larger_than, 1000u);
    EXPECT_EQ(merged({}, general), general);
}

TEST(ConvertWish, ANameGetsTheExtensionOfItsFormat) {
    EXPECT_EQ(name_in_format("a.png", "webp"), "a.webp");
    EXPECT_EQ(name_in_format("a.b.png", "jpeg"), "a.b.jpg");
    EXPECT_EQ(name_in_format("a.JPEG", "jpeg"), "a.JPEG");
    EXPECT_EQ(name_in_format("a.jpg", "jpeg"), "a.jpg");
    EXPECT_EQ(name_in_format("a", "png"), "a.png");
    EXPECT_EQ(name_in_format(".png", "webp"), ".png.webp");
    EXPECT_EQ(name_in_format("a.png", ""), "a.png");
    EXPECT_EQ(with_extension("film.webm", "mp4"), "film.mp4");
    EXPECT_EQ(with_extension(std::string(300, 'a'), "mp4").size(), 255u);
}

}  // namespace
}  // namespace emprops::ipc
