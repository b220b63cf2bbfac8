// Pictures into other forms: what they look like afterwards, what goes with them, what is left as it is.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "connectors/convert/convert.h"
#include "connectors/convert/picture/exif.h"
#include "connectors/convert/picture/formats.h"
#include "connectors/convert/picture/header.h"
#include "tests/support/pictures/picture_files.h"

namespace emprops::convert {
namespace {

using namespace emprops::test;
using End = Reply::End;
using testing::HasSubstr;

struct Made {
    Reply reply;
    std::string file;
};
Made make(const std::string& file, const ipc::ImageWish& wish, bool strip = false) {
    const int output = ::memfd_create("output", MFD_CLOEXEC);
    Sink sink(output);
    Made made{convert_image(bytes_of(file), wish, strip, sink), {}};
    made.file.resize(static_cast<std::size_t>(::lseek(output, 0, SEEK_END)));
    EXPECT_EQ(::pread(output, made.file.data(), made.file.size(), 0), static_cast<ssize_t>(made.file.size()));
    ::close(output);
    return made;
}
Picture read(const std::string& file) {
    const auto header = read_header(bytes_of(file));
    EXPECT_TRUE(header.ok()) << header.error().message;
    auto picture = header->format == Format::png    ? read_png(bytes_of(file))
                   : header->format == Format::jpeg ? read_jpeg(bytes_of(file))
                                                    : read_webp(bytes_of(file));
    EXPECT_TRUE(picture.ok()) << picture.error().message;
    return picture.ok() ? std::move(*picture) : Picture();
}
ipc::ImageWish to(const std::string& format) {
    return {format, {}, {}, {}};
}

TEST(Images, EachFormatBecomesEachOtherAndLooksAlike) {
    const Picture original = gradient(64, 48);
    const std::string files[] = {png_file(original), jpeg_file(original), webp_file(original)};
    const char* const formats[] = {"png", "jpeg", "webp"};
    for (std::size_t from = 0; from < 3; ++from) {
        for (std::size_t into = 0; into < 3; ++into) {
            const Made made = make(files[from], to(formats[into]));
            if (from == into) {
                EXPECT_EQ(made.reply.end, End::same) << formats[from];
                continue;
            }
            ASSERT_EQ(made.reply.end, End::done) << made.reply.why;
            EXPECT_EQ(made.reply.format, formats[into]);
            EXPECT_EQ(name_of(read_header(bytes_of(made.file))->format), std::string(formats[into]));
            EXPECT_LE(distance(read(made.file), original), 6) << formats[from] << " to " << formats[into];
        }
    }
    EXPECT_EQ(distance(read(make(files[2], to("png")).file), read(files[2])), 0) << "png loses nothing";
}

TEST(Images, LargeOnesAreMadeSmallerAndSmallOnesStay) {
    const std::string file = png_file(gradient(120, 60, true));
    ipc::ImageWish wish{"webp", 90, 40, {}};
    const Picture small = read(make(file, wish).file);
    EXPECT_EQ(small.width, 40u);
    EXPECT_EQ(small.height, 20u);
    EXPECT_TRUE(small.alpha);
    EXPECT_LE(distance(small, gradient(40, 20, true)), 8) << "edges are soft";
    wish = {"", {}, 40, {}};
    const Made same_format = make(file, wish);
    ASSERT_EQ(same_format.reply.end, End::done);
    EXPECT_EQ(read(same_format.file).width, 40u);
    wish.max_side = 120;
    EXPECT_EQ(make(file, wish).reply.end, End::same);
    const Picture line = read(make(png_file(gradient(300, 1)), {"png", {}, 10, {}}).file);
    EXPECT_EQ(line.height, 1u) << "never nothing";
}

TEST(Images, QualityAloneMakesASmallerFileOrNone) {
    const std::string file = jpeg_file(gradient(64, 64), 100);
    const Made made = make(file, {"jpeg", 40, {}, {}});
    ASSERT_EQ(made.reply.end, End::done);
    EXPECT_LT(made.file.size(), file.size());
    EXPECT_EQ(make(made.file, {"jpeg", 100, {}, {}}).reply.end, End::same) << "it would have been larger";
    EXPECT_EQ(make(png_file(gradient(8, 8)), {"png", 40, {}, {}}).reply.end, End::same);
}

TEST(Images, TransparencyStaysAndIsWhiteInAJpeg) {
    const std::string file = png_file(gradient(32, 32, true));
    EXPECT_LE(distance(read(make(file, {"webp", 100, {}, {}}).file), gradient(32, 32, true)), 6);
    const Picture flat = read(make(file, {"jpeg", 100, {}, {}}).file);
    EXPECT_FALSE(flat.alpha);
    EXPECT_GE(flat.pixels[31] & 255U, 250u);
    EXPECT_LE(flat.pixels[20 * 32 + 2] & 255U, 200u);
    Picture half{1, 1, {0x80000000U}, true, {}};
    flatten(half);
    EXPECT_EQ(half.pixels[0], 0xFF7F7F7FU);
}

TEST(Images, PalettesAndGreyPicturesBecomeColours) {
    const Picture picture = read(palette_png());
    EXPECT_EQ(picture.pixels[0], 0xFFFF0000U);
    EXPECT_EQ(picture.pixels[2], 0xFF0000FFU);
    EXPECT_EQ(picture.pixels[3] >> 24U, 0u);
    EXPECT_EQ(make(palette_png(), to("webp")).reply.end, End::done);
    const Made grey = make(grey_jpeg(), to("webp"));
    ASSERT_EQ(grey.reply.end, End::done) << grey.reply.why;
    EXPECT_NEAR(static_cast<int>(read(grey.file).pixels[9] & 255U), 100, 6);
}

TEST(Images, WhatCannotBeConvertedWithoutLossIsLeftWithTheReason) {
    const auto why = [](const std::string& file) {
        const Made made = make(file, to("webp"));
        EXPECT_EQ(made.reply.end, End::left);
        EXPECT_EQ(made.file, "");
        return made.reply.why;
    };
    EXPECT_EQ(why(animated_png()), "it is animated");
    EXPECT_EQ(why("GIF89a\x01\x00\x01\x00"), "it is a GIF");
    EXPECT_THAT(why(deep_png()), HasSubstr("16 bits"));
    EXPECT_THAT(why(cmyk_jpeg()), HasSubstr("CMYK"));
    EXPECT_THAT(why(jpeg_of_scans(101)), HasSubstr("more than 100 scans"));
    EXPECT_EQ(make(jpeg_of_scans(100), to("webp")).reply.end, End::done);
    EXPECT_THAT(why(bomb_png()), HasSubstr("60000x60000 pixels, and 100 million are the limit"));
    EXPECT_THAT(why(png_file(gradient(17000, 1))), HasSubstr("too long for webp"));
    EXPECT_THAT(why("BM and more"), HasSubstr("none that is converted"));
    EXPECT_THAT(why(""), HasSubstr("none that is converted"));
    EXPECT_EQ(make(animated_webp(), to("png")).reply.why, "it is animated");
    EXPECT_EQ(make(animated_webp(), to("webp")).reply.end, End::same) << "nothing is asked of it";
}

// Some cuts leave a whole picture behind, and only there it is converted.
TEST(Images, OfAFileThatIsCutOffNoPictureIsMade) {
    const Picture original = gradient(24, 24);
    for (const std::string& file : {png_file(original), jpeg_file(original), webp_file(original)}) {
        for (std::size_t size = 0; size < file.size(); ++size) {
            const std::string cut = file.substr(0, size);
            for (const char* format : {"png", "jpeg", "webp"}) {
                const Made made = make(cut, to(format));
                EXPECT_TRUE(made.reply.end == End::left || made.reply.end == End::same)
                    << size << " of " << file.size() << " to " << format;
            }
        }
    }
}

TEST(Images, OfADamagedFileAPictureIsMadeOrNone) {
    const Picture original = gradient(24, 24, true);
    for (const std::string& file : {png_file(original), jpeg_file(gradient(24, 24)), webp_file(original)}) {
        for (std::size_t at = 0; at < file.size(); ++at) {
            std::string damaged = file;
            damaged[at] = static_cast<char>(~damaged[at]);
            make(damaged, {"png", {}, 16, {}});
        }
    }
}

std::string exif_with_orientation(char orientation) {
    return std::string("MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0", 19) + orientation + std::string(6, '\0');
}

TEST(Images, AnEXIFOrientationIsCarriedOut) {
    const Picture original = gradient(16, 8);
    for (int orientation = 1; orientation <= 8; ++orientation) {
        Picture stored = original;
        // The orientation that undoes this one.
        turn(stored, orientation == 6 ? 8 : orientation == 8 ? 6 : orientation);
        stored.about.exif = exif_with_orientation(static_cast<char>(orientation));
        const Picture upright = read(make(webp_file(stored, 100), to("png")).file);
        EXPECT_LE(distance(upright, original), 6) << orientation;
        EXPECT_EQ(orientation_of(upright.about.exif), 1) << orientation;
    }
    // As the standard has it for 6: the first row of the file is the right side.
    Picture stored{3, 2, {1, 2, 3, 4, 5, 6}, false, {}};
    turn(stored, 6);
    EXPECT_THAT(stored.pixels, testing::ElementsAre(4, 1, 5, 2, 6, 3));
}

}  // namespace
}  // namespace emprops::convert
