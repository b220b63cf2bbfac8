// Metadata: what is taken out of each format, and that the rest is as it was.

#include "connectors/convert/strip/strip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::convert {
namespace {

using testing::HasSubstr;
using testing::Not;

/// The stripped file, or "!" and why not.
std::string stripped(std::string file, const std::string& name) {
    const auto size = strip_metadata(file, name);
    if (!size.ok()) return "!" + size.error().message;
    file.resize(*size);
    return file;
}

std::string big(std::uint64_t value, int size) {
    std::string out;
    for (int i = size - 1; i >= 0; --i) {
        out += static_cast<char>((value >> (8 * i)) & 255);
    }
    return out;
}
std::string little(std::uint64_t value, int size) {
    std::string out = big(value, size);
    return {out.rbegin(), out.rend()};
}
std::string bytes(const char* text, std::size_t size) {
    return {text, size};
}

std::string chunk(const std::string& type, const std::string& data) {
    return big(data.size(), 4) + type + data + "CRC!";
}
const std::string png_head("\x89PNG\r\n\x1a\n", 8);

TEST(Strip, APngKeepsWhatIsListedAndLosesTheRest) {
    const std::string png = png_head + chunk("IHDR", "0123456789abc") + chunk("tEXt", "prompt{...}") +
                            chunk("acTL", "12345678") + chunk("IDAT", "data") + chunk("comf", "prompt{...}") +
                            chunk("fdAT", "more") + chunk("eXIf", "x") + chunk("myOw", "y") +
                            chunk("IEND", "");
    EXPECT_EQ(stripped(png + "trailing", "a.png"), png_head + chunk("IHDR", "0123456789abc") +
                                                       chunk("acTL", "12345678") + chunk("IDAT", "data") +
                                                       chunk("fdAT", "more") + chunk("IEND", ""));
    EXPECT_EQ(stripped(png.substr(0, png.size() - 3), "a.png").front(), '!');
}

std::string segment(char marker, const std::string& data) {
    return std::string("\xFF") + marker + big(data.size() + 2, 2) + data;
}

TEST(Strip, AJpegLosesApplicationDataAndComments) {
    const std::string soi("\xFF\xD8"), eoi("\xFF\xD9");
    const std::string jfif = segment('\xE0', bytes("JFIF\0x", 6)), icc = segment('\xE2', "ICC_PROFILE!");
    const std::string scan = segment('\xDA', "head") + bytes("sc\xFF\0an\xFF\xD0more", 12);
    const std::string jpeg = soi + jfif + segment('\xE1', "Exif prompt") + icc + segment('\xFE', "comment") +
                             segment('\xDB', "tables") + scan + segment('\xED', "Photoshop") + scan + eoi +
                             "x";
    EXPECT_EQ(stripped(jpeg, "a.jpg"), soi + jfif + icc + segment('\xDB', "tables") + scan + scan + eoi);
    EXPECT_EQ(stripped(jpeg.substr(0, 60), "a.jpg").front(), '!');
}

TEST(Strip, AWebpLosesExifAndXmpAndTheFlagsForThem) {
    const auto riff = [](const std::string& type, const std::string& data) {
        return type + little(data.size(), 4) + data + (data.size() % 2 == 1 ? std::string(1, '\0') : "");
    };
    const auto file = [](const std::string& chunks) {
        return "RIFF" + little(chunks.size() + 4, 4) + "WEBP" + chunks;
    };
    const std::string webp = file(riff("VP8X", "\x1F" + std::string(9, 'x')) + riff("VP8 ", "pix") +
                                  riff("EXIF", "prompt") + riff("XMP ", "xml"));
    EXPECT_EQ(stripped(webp, "a.webp"),
              file(riff("VP8X", "\x13" + std::string(9, 'x')) + riff("VP8 ", "pix")));
    EXPECT_EQ(stripped(webp.substr(0, webp.size() - 4), "a.webp").front(), '!');
}

TEST(Strip, AGifLosesCommentsAndKeepsItsLoop) {
    const std::string head = "GIF89a" + bytes("\4\0\4\0\0\0\0", 7);
    const std::string loop = bytes("\x21\xFF\x0BNETSCAPE2.0\3\1\0\0\0", 19);
    const std::string comment = bytes("\x21\xFE\6prompt\0", 10);
    const std::string picture = bytes("\x2C\0\0\0\0\4\0\4\0\0\2\2xy\0", 15);
    EXPECT_EQ(stripped(head + loop + comment + picture + ";", "a.gif"), head + loop + picture + ";");
}

TEST(Strip, AnSvgLosesItsMetadataWhateverStandsInIt) {
    EXPECT_EQ(
        stripped("<svg><!-- made by --><metadata><![CDATA[{\"a\":\"</metadata>\"}]]></metadata><g><![CDATA["
                 "<metadata>]]></g><svg:metadata/></svg>",
                 "a.svg"),
        "<svg><g><![CDATA[<metadata>]]></g></svg>");
    EXPECT_EQ(stripped("<svg><metadata>", "a.svg").front(), '!');
}

TEST(Strip, AnSvgsMetadataGoWithTheirChildren) {
    for (const std::string inside :
         {"<rdf:RDF><dc:type rdf:resource=\"x\"/><dc:title>a secret</dc:title></rdf:RDF>",
          "<metadata>a</metadata>a secret<m:metadata/>", "<!-- </metadata> -->a secret",
          "<?xpacket </metadata> ?>a secret", "<a b='</metadata>'/>a secret",
          "<metadatas/></a:metadatas>a secret"}) {
        EXPECT_EQ(stripped("<svg><metadata id=\"/>\">" + inside + "</metadata\n><g/></svg>", "a.svg"),
                  "<svg><g/></svg>")
            << inside;
    }
    EXPECT_EQ(stripped("<svg><metadata><metadata></metadata></svg>", "a.svg").front(), '!');
}

TEST(Strip, AFlacsCommentsBecomePaddingOfTheSameLength) {
    const auto block = [](int type, const std::string& data) {
        return big(type, 1) + big(data.size(), 3) + data;
    };
    const std::string info = block(0, "info"), frames = "frames";
    EXPECT_EQ(stripped("fLaC" + info + block(4, "prompt=x") + block(0x86, "picture") + frames, "a.flac"),
              "fLaC" + info + block(1, std::string(8, '\0')) + block(0x81, std::string(7, '\0')) + frames);
    EXPECT_EQ(stripped("fLaC" + block(0, "info"), "a.flac").front(), '!');
}

TEST(Strip, AnMp3LosesTheTagsOfBothEnds) {
    const std::string frames = "\xFF\xFB" + std::string(200, 'f');
    const std::string id3 = bytes("ID3\4\0\0\0\0\0\6prompt", 16);
    const std::string ape =
        "APETAGEX" + little(2000, 4) + little(38, 4) + little(1, 4) + little(0, 4) + std::string(8, '\0');
    const std::string id1 = "TAG" + std::string(125, 't');
    EXPECT_EQ(stripped(id3 + frames + "prompt" + ape + id1, "a.mp3"), frames);
    EXPECT_EQ(stripped(id3 + "no frames", "a.mp3").front(), '!');
}

std::string page(const std::string& packet, int sequence, bool first) {
    std::string table(packet.size() / 255, '\xFF');
    table += static_cast<char>(packet.size() % 255);
    return "OggS" + std::string(1, '\0') + (first ? "\2" : std::string(1, '\0')) + std::string(8, '\0') +
           "serl" + little(static_cast<unsigned>(sequence), 4) + "CRC?" + big(table.size(), 1) + table +
           packet;
}

TEST(Strip, OpusLosesItsCommentsInPlaceAndGetsTheRightChecksum) {
    const std::string tags =
        "OpusTags" + little(4, 4) + "Lavf" + little(1, 4) + little(300, 4) + std::string(300, 'p');
    const std::string file = page("OpusHead", 0, true) + page(tags, 1, false) + page("sound", 2, false);
    const std::string out = stripped(file, "a.opus");
    ASSERT_EQ(out.size(), file.size());
    EXPECT_THAT(out, Not(HasSubstr("ppp")));
    EXPECT_THAT(out, HasSubstr("OpusTags" + std::string(8, '\0')));
    EXPECT_EQ(out.substr(0, page("OpusHead", 0, true).size()), page("OpusHead", 0, true));
    // The checksum of that page, computed bit by bit.
    const std::size_t at = page("OpusHead", 0, true).size();
    std::string second = out.substr(at, page(tags, 1, false).size());
    const std::string stored = second.substr(22, 4);
    second.replace(22, 4, 4, '\0');
    std::uint32_t sum = 0;
    for (const char c : second) {
        sum ^= static_cast<std::uint32_t>(static_cast<unsigned char>(c)) << 24;
        for (int bit = 0; bit < 8; ++bit) {
            sum = (sum & 0x80000000U) != 0 ? (sum << 1) ^ 0x04C11DB7U : sum << 1;
        }
    }
    EXPECT_EQ(stored, little(sum, 4));
    EXPECT_THAT(stripped(page("FLAC", 0, true) + page("other", 1, false), "a.ogg"),
                HasSubstr("neither Opus"));
    EXPECT_THAT(stripped(file + file, "a.opus"), HasSubstr("more than one stream"));
}

TEST(Strip, AnMp4sTagsBecomeFreeSpaceSoThatItsOffsetsHold) {
    const auto box = [](const std::string& type, const std::string& data) {
        return big(data.size() + 8, 4) + type + data;
    };
    const auto file = [&](const std::string& meta, const std::string& udta, const std::string& old) {
        return box("ftyp", "isom....") + old +
               box("moov", box("mvhd", "h") + box("trak", box("tkhd", "t") + udta) + meta) +
               box("mdat", "data");
    };
    const auto zeros = [&](std::size_t size) { return box("free", std::string(size, '\0')); };
    EXPECT_EQ(
        stripped(file(box("meta", "mdta prompt"), box("udta", "prompt"), box("free", "old prompt")), "a.mp4"),
        file(zeros(11), zeros(6), zeros(10)));
    EXPECT_EQ(stripped(box("ftyp", "isom....") + big(100, 4) + "moov", "a.mp4").front(), '!');
    EXPECT_THAT(stripped(box("ftyp", "avif...."), "a.avif"), HasSubstr("format"));
}

TEST(Strip, AWebmsTagsBecomeVoidOfTheSameLength) {
    const auto element = [](const std::string& id, const std::string& data) {
        return id + big(0x40000000U + data.size() - 0x40000000U + (std::uint64_t{1} << 56), 8) + data;
    };
    const std::string head = element("\x1A\x45\xDF\xA3", "webm"),
                      cluster = element("\x1F\x43\xB6\x75", "frames");
    const std::string info =
        element("\x15\x49\xA9\x66", element("\x7B\xA9", "prompt") + element("\x2A\xD7\xB1", "x"));
    const std::string tags = element("\x12\x54\xC3\x67", "prompt");
    const std::string file = head + element("\x18\x53\x80\x67", info + tags + cluster);
    const std::string out = stripped(file, "a.webm");
    EXPECT_EQ(out.size(), file.size());
    EXPECT_THAT(out, Not(HasSubstr("prompt")));
    EXPECT_THAT(out, testing::EndsWith(cluster));
    EXPECT_THAT(out, HasSubstr("\xEC" + big((std::uint64_t{1} << 56) | (tags.size() - 9), 8)));
}

TEST(Strip, ALatentAndAModelLoseTheMetadataOfTheirHeaders) {
    const std::string header = R"({"__metadata__":{"prompt":"p"},"t":{"dtype":"F32"}})";
    const std::string latent = stripped(little(header.size(), 8) + header + "tensor", "a.latent");
    const std::string now = R"({"t":{"dtype":"F32"}})";
    EXPECT_EQ(latent,
              little(header.size(), 8) + now + std::string(header.size() - now.size(), ' ') + "tensor");
    const std::string json = R"({"asset":{"version":"2.0","extras":{"prompt":"p"}},"meshes":[]} )";
    const std::string glb =
        "glTF" + little(2, 4) + little(20 + json.size(), 4) + little(json.size(), 4) + "JSON" + json;
    EXPECT_THAT(stripped(glb, "a.glb"), testing::AllOf(testing::SizeIs(glb.size()), Not(HasSubstr("prompt")),
                                                       HasSubstr(R"("meshes":[])")));
    EXPECT_EQ(stripped("12345678{}", "a.safetensors").front(), '!');
}

TEST(Strip, AWavKeepsItsSound) {
    const auto riff = [](const std::string& type, const std::string& data) {
        return type + little(data.size(), 4) + data;
    };
    const std::string sound = riff("fmt ", "ff") + riff("data", "dddd");
    EXPECT_EQ(stripped("RIFF" + little(99, 4) + "WAVE" + riff("LIST", "INFO..") + sound, "a.wav"),
              "RIFF" + little(sound.size() + 4, 4) + "WAVE" + sound);
}

TEST(Strip, WhatItDoesNotKnowIsRefusedWithTheReasonAndPlainTextsPass) {
    for (const char* name : {"a.exr", "a.tiff", "a.zip", "a", "a.obj"}) {
        EXPECT_THAT(stripped("anything", name), HasSubstr("png, apng, jpeg")) << name;
    }
    EXPECT_EQ(stripped("a caption", "a.TXT"), "a caption");
    for (const char* name : {"a.png", "a.mp3", "a.latent", "a.flac"}) {
        EXPECT_EQ(stripped("anything", name).front(), '!') << name;
    }
}

}  // namespace
}  // namespace emprops::convert
