// What a picture's file says beside the picture: kept from format to format as ComfyUI writes it, or gone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "connectors/convert/convert.h"
#include "connectors/convert/picture/exif.h"
#include "connectors/convert/picture/formats.h"
#include "tests/support/pictures/picture_files.h"

namespace emprops::convert {
namespace {

using namespace emprops::test;
using End = Reply::End;
using testing::HasSubstr;
using testing::Not;

const std::string prompt = R"({"3": {"class_type": "KSampler"}})", workflow = R"({"nodes": []})";

Reply make(const std::string& file, const std::string& format, bool strip, std::string& into,
           std::optional<int> max_side = {}) {
    const int output = ::memfd_create("output", MFD_CLOEXEC);
    Sink sink(output);
    const Reply reply = convert_image(bytes_of(file), {format, {}, max_side, {}}, strip, sink);
    into.resize(static_cast<std::size_t>(::lseek(output, 0, SEEK_END)));
    EXPECT_EQ(::pread(output, into.data(), into.size(), 0), static_cast<ssize_t>(into.size()));
    ::close(output);
    return reply;
}
Picture of_comfyui() {
    Picture picture = gradient(32, 32);
    picture.about.texts = {{"prompt", prompt}, {"workflow", workflow}, {"note", "gr\xC3\xBC\xC3\x9F"}};
    picture.about.icc = profile("RGB ");
    return picture;
}

TEST(Metadata, ComfyUIsTextsGoIntoEXIFAsComfyUIWritesThem) {
    std::string webp, jpeg;
    ASSERT_EQ(make(png_file(of_comfyui()), "webp", false, webp).end, End::done);
    ASSERT_EQ(make(png_file(of_comfyui()), "jpeg", false, jpeg).end, End::done);
    const auto read = read_webp(bytes_of(webp));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->about.icc, profile("RGB "));
    const std::string& exif = read->about.exif;
    EXPECT_EQ(exif, read_jpeg(bytes_of(jpeg))->about.exif);
    EXPECT_TRUE(exif.starts_with(std::string("II*\0", 4)));
    // A folder of three, sorted by their numbers: 0x010e, 0x010f, 0x0110, each a text.
    const auto at = static_cast<unsigned char>(exif[4]) + 256u * static_cast<unsigned char>(exif[5]);
    EXPECT_EQ(exif.substr(at, 6), std::string("\x03\0\x0e\x01\x02\0", 6));
    EXPECT_EQ(exif.substr(at + 2 + 12, 4), std::string("\x0f\x01\x02\0", 4));
    EXPECT_EQ(exif.substr(at + 2 + 24, 4), std::string("\x10\x01\x02\0", 4));
    EXPECT_THAT(exif, HasSubstr("prompt:" + prompt + std::string(1, '\0')));
    EXPECT_THAT(exif, HasSubstr("workflow:" + workflow + std::string(1, '\0')));
    EXPECT_THAT(exif, HasSubstr("note:gr\xC3\xBC\xC3\x9F"));
}

TEST(Metadata, APngThatIsMadeSmallerKeepsItsTexts) {
    std::string small;
    Picture picture = of_comfyui();
    picture.about.xmp = "<x:xmpmeta/>";
    ASSERT_EQ(make(png_file(picture), "", false, small, 16).end, End::done);
    const auto read = read_png(bytes_of(small));
    EXPECT_EQ(read->about.texts, picture.about.texts);
    EXPECT_EQ(read->about.xmp, picture.about.xmp);
    EXPECT_EQ(read->about.icc, picture.about.icc);
}

TEST(Metadata, EXIFAndXMPGoFromFormatToFormat) {
    Picture picture = gradient(16, 16);
    picture.about.exif = std::string("MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\1\0\0\0\0\0\0", 26);
    picture.about.xmp = "<x:xmpmeta/>";
    std::string webp, png, jpeg;
    ASSERT_EQ(make(jpeg_file(picture), "webp", false, webp).end, End::done);
    ASSERT_EQ(make(webp, "png", false, png).end, End::done);
    ASSERT_EQ(make(png, "jpeg", false, jpeg).end, End::done);
    const auto read = read_jpeg(bytes_of(jpeg));
    EXPECT_EQ(read->about.exif, picture.about.exif);
    EXPECT_EQ(read->about.xmp, picture.about.xmp);
}

TEST(Metadata, AskedToGoTheyGoButTheColoursStay) {
    Picture picture = of_comfyui();
    picture.about.xmp = "<x:xmpmeta/>";
    for (const char* format : {"webp", "jpeg"}) {
        std::string made;
        ASSERT_EQ(make(png_file(picture), format, true, made).end, End::done);
        for (const char* word : {"prompt", "workflow", "xmpmeta", "Exif", "EXIF"})
            EXPECT_THAT(made, Not(HasSubstr(word))) << format;
        EXPECT_THAT(made, HasSubstr(profile("RGB "))) << format;
    }
}

TEST(Metadata, AProfileOfAnotherSpaceIsLeftOut) {
    Picture picture = gradient(8, 8);
    picture.about.icc = profile("GRAY");
    std::string made;
    ASSERT_EQ(make(jpeg_file(picture), "webp", false, made).end, End::done);
    EXPECT_EQ(read_webp(bytes_of(made))->about.icc, "");
}

TEST(Metadata, WhatIsTooLongForAJpegLeavesTheFileAsItIs) {
    Picture picture = gradient(8, 8);
    picture.about.texts = {{"workflow", std::string(70'000, 'x')}};
    std::string made;
    const Reply reply = make(png_file(picture), "jpeg", false, made);
    EXPECT_EQ(reply.end, End::left);
    EXPECT_THAT(reply.why, HasSubstr("64 KiB"));
    EXPECT_EQ(make(png_file(picture), "jpeg", true, made).end, End::done);
    EXPECT_EQ(make(png_file(picture), "webp", false, made).end, End::done);
}

TEST(Exif, TextsGoBehindWhatIsThere) {
    std::string exif("MM\0*\0\0\0\x08\0\1\1\x0f\0\2\0\0\0\5\0\0\0\x1a\0\0\0\0Acme\0", 31);
    add_texts(exif, {{"workflow", "{}"}, {"prompt", "{}"}});
    EXPECT_THAT(exif, HasSubstr("Acme"));
    EXPECT_EQ(exif.substr(0, 4), std::string("MM\0*", 4));
    const auto at = static_cast<unsigned char>(exif[7]);
    EXPECT_EQ(exif.substr(at, 4), std::string("\0\3\1\x0e", 4)) << "the maker's is taken";
    EXPECT_EQ(exif.substr(at + 2 + 12, 12), std::string("\1\x0f\0\2\0\0\0\5\0\0\0\x1a", 12));
}

TEST(Exif, WhatIsNoneIsLeftAlone) {
    for (std::string text :
         {std::string(), std::string("II*"), std::string("II*\0\xff\xff\xff\xff", 8),
          std::string("XX*\0\x08\0\0\0\1\0", 10), std::string("II*\0\x08\0\0\0\xff\xff", 10)}) {
        EXPECT_EQ(orientation_of(text), 1);
        const std::string before = text;
        set_upright(text);
        EXPECT_EQ(text, before);
        add_texts(text, {{"prompt", "{}"}});
        EXPECT_THAT(text, HasSubstr("prompt:{}"));
    }
}

}  // namespace
}  // namespace emprops::convert
