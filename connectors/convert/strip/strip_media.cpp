// Sound and video. Where a format has offsets into itself, what goes is overwritten by its own filler.

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "connectors/convert/strip/strip_formats.h"

namespace emprops::convert::strip {
namespace {

/// Bytes of the ID3v2 tags at the front.
std::size_t id3_size(Bytes file) {
    std::size_t at = 0;
    while (file.size() - at >= 10 && text(file, at, 3) == "ID3") {
        std::size_t size = 0;
        for (std::size_t i = 6; i < 10; ++i) {
            size = (size << 7) | (static_cast<unsigned char>(file[at + i]) & 0x7FU);
        }
        size += (static_cast<unsigned char>(file[at + 5]) & 0x10U) != 0 ? 20 : 10;  // with a footer
        if (size > file.size() - at) return file.size();
        at += size;
    }
    return at;
}

void zero(Bytes file, std::size_t at, std::size_t size) {
    std::memset(file.data() + at, 0, size);
}

}  // namespace

Stripped wav(Bytes file) {
    Keeper out(file);
    if (file.size() < 12) return broken("WAV");
    out.keep(0, 12);
    bool data = false;
    for (std::size_t at = 12; file.size() - at >= 8;) {
        const auto size = static_cast<std::size_t>(number(file, at + 4, 4, false));
        const std::string type(text(file, at, 4));
        // A stream that nobody went back in has no length for its sound.
        const std::size_t whole = std::min(8 + size + (size & 1U), file.size() - at);
        if (type == "fmt " || type == "fact" || type == "data") out.keep(at, whole);
        data = data || type == "data";
        at += whole;
    }
    if (!data) return broken("WAV");
    put_number(file, 4, 4, false, std::min<std::size_t>(out.size() - 8, 0xFFFFFFFFU));
    return out.size();
}

Stripped flac(Bytes file) {
    const std::size_t start = id3_size(file);
    if (file.size() - start < 8 || text(file, start, 4) != "fLaC") return broken("FLAC");
    for (std::size_t at = start + 4; file.size() - at >= 4;) {
        const auto head = static_cast<unsigned char>(file[at]);
        const auto size = static_cast<std::size_t>(number(file, at + 1, 3, true));
        if (size > file.size() - at - 4) break;
        if ((head & 0x7FU) != 0 && (head & 0x7FU) != 3) {  // neither STREAMINFO nor SEEKTABLE: now PADDING
            file[at] = static_cast<char>((head & 0x80U) | 1U);
            zero(file, at + 4, size);
        }
        at += size + 4;
        if ((head & 0x80U) == 0) continue;
        Keeper out(file);
        out.keep(start, file.size() - start);
        return out.size();
    }
    return broken("FLAC");
}

Stripped mp3(Bytes file) {
    const std::size_t start = id3_size(file);
    std::size_t end = file.size();
    while (true) {
        if (end - start >= 128 && text(file, end - 128, 3) == "TAG") {
            end -= 128;
        } else if (end - start >= 32 && text(file, end - 32, 8) == "APETAGEX") {
            const bool with_header = (number(file, end - 32 + 20, 4, false) & 0x80000000U) != 0;
            const auto size =
                static_cast<std::size_t>(number(file, end - 32 + 12, 4, false)) + (with_header ? 32 : 0);
            if (size < 32 || size > end - start) return broken("MP3");
            end -= size;
        } else {
            break;
        }
    }
    const bool sync = end - start >= 4 && file[start] == '\xFF' &&
                      (static_cast<unsigned char>(file[start + 1]) & 0xE0U) == 0xE0U;
    if (!sync) return broken("MP3");
    Keeper out(file);
    out.keep(start, end - start);
    return out.size();
}

namespace {

struct OggPage {
    std::size_t at, table, data, end;
};

void set_ogg_checksum(Bytes file, const OggPage& page) {
    static const auto table = [] {
        std::array<std::uint32_t, 256> out{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t value = i << 24;
            for (int bit = 0; bit < 8; ++bit) {
                value = (value << 1) ^ ((value & 0x80000000U) != 0 ? 0x04C11DB7U : 0U);
            }
            out[i] = value;
        }
        return out;
    }();
    zero(file, page.at + 22, 4);
    std::uint32_t sum = 0;
    for (std::size_t i = page.at; i < page.end; ++i) {
        sum = (sum << 8) ^ table[((sum >> 24) ^ static_cast<unsigned char>(file[i])) & 255U];
    }
    put_number(file, page.at + 22, 4, false, sum);
}

}  // namespace

Stripped ogg(Bytes file) {
    // The second packet holds the comments. It keeps its length: what follows the last comment is ignored.
    constexpr std::size_t max_comment = std::size_t{16} << 20;
    std::vector<OggPage> touched;
    std::vector<std::size_t> comment;  // where its bytes are
    int packet = 0;
    int streams = 0;
    for (std::size_t at = 0; at < file.size();) {
        if (file.size() - at < 27 || text(file, at, 4) != "OggS") return broken("Ogg");
        const auto segments = static_cast<std::size_t>(static_cast<unsigned char>(file[at + 26]));
        OggPage page{at, at + 27, at + 27 + segments, at + 27 + segments};
        if (page.data > file.size()) return broken("Ogg");
        streams += (static_cast<unsigned char>(file[at + 5]) & 2U) != 0 ? 1 : 0;
        bool here = false;
        for (std::size_t i = 0; i < segments; ++i) {
            const auto size = static_cast<std::size_t>(static_cast<unsigned char>(file[page.table + i]));
            if (size > file.size() - page.end) return broken("Ogg");
            if (packet == 1) {
                here = here || size > 0;
                for (std::size_t byte = page.end; byte < page.end + size; ++byte) {
                    comment.push_back(byte);
                }
            }
            page.end += size;
            if (size < 255 && packet < 2) ++packet;
        }
        if (here) touched.push_back(page);
        if (comment.size() > max_comment) return unknown("its comments have more than 16 MiB");
        at = page.end;
    }
    if (streams != 1) return unknown("it holds more than one stream");
    std::string head;
    for (std::size_t i = 0; i < std::min<std::size_t>(comment.size(), 8); ++i) {
        head += file[comment[i]];
    }
    std::string now;
    if (head == "OpusTags") {
        now = head + std::string(8, '\0');  // no vendor, no comment
    } else if (head.substr(0, 7) == "\x03vorbis") {
        now = head.substr(0, 7) + std::string(8, '\0') + '\1';
    } else {
        return unknown("it is an Ogg file, but neither Opus nor Vorbis");
    }
    if (packet < 2 || comment.size() < now.size()) return broken("Ogg");
    now.resize(comment.size(), '\0');
    for (std::size_t i = 0; i < comment.size(); ++i) {
        file[comment[i]] = now[i];
    }
    for (const OggPage& page : touched) {
        set_ogg_checksum(file, page);
    }
    return file.size();
}

namespace {

/// The boxes in [at, end); false: not well-formed.
bool mp4_boxes(Bytes file, std::size_t at, std::size_t end, int depth) {
    constexpr int deepest = 4;
    while (at < end) {
        if (end - at < 8) return depth == 0 && at > 0;  // a few bytes behind the last box are no box
        std::uint64_t size = number(file, at, 4, true);
        std::size_t head = 8;
        if (size == 1) {
            if (end - at < 16) return false;
            size = number(file, at + 8, 8, true);
            head = 16;
        } else if (size == 0) {
            size = end - at;
        }
        if (size < head || size > end - at) return false;
        const auto whole = static_cast<std::size_t>(size);
        const std::string type(text(file, at + 4, 4));
        if (type == "udta" || type == "meta" || type == "uuid" || type == "free" || type == "skip") {
            std::memcpy(file.data() + at + 4, "free", 4);
            zero(file, at + head, whole - head);
        } else if (type == "moov" || type == "trak" || type == "moof" || type == "traf") {
            if (depth >= deepest || !mp4_boxes(file, at + head, at + whole, depth + 1)) return false;
        }
        at += whole;
    }
    return true;
}

}  // namespace

Stripped mp4(Bytes file) {
    if (!mp4_boxes(file, 0, file.size(), 0)) return broken("MP4");
    return file.size();
}

namespace {

struct Element {
    std::uint64_t id = 0;
    std::size_t data = 0, end = 0;
    bool endless = false;
};

bool read_element(Bytes file, std::size_t at, std::size_t end, Element& out) {
    const auto length_of = [&](std::size_t where) {
        std::size_t length = 1;
        for (auto first = static_cast<unsigned char>(file[where]); length <= 8 && (first & 0x80U) == 0;
             first = static_cast<unsigned char>(first << 1)) {
            ++length;
        }
        return length;
    };
    const std::size_t id_length = length_of(at);
    if (id_length > 4 || end - at <= id_length) return false;
    out.id = number(file, at, static_cast<int>(id_length), true);
    const std::size_t size_at = at + id_length;
    const std::size_t size_length = length_of(size_at);
    if (size_length > 8 || end - size_at < size_length) return false;
    const std::uint64_t mask = (std::uint64_t{1} << (7 * size_length)) - 1;
    const std::uint64_t size = number(file, size_at, static_cast<int>(size_length), true) & mask;
    out.data = size_at + size_length;
    out.endless = size == mask;
    if (!out.endless && size > end - out.data) return false;
    out.end = out.endless ? end : out.data + static_cast<std::size_t>(size);
    return true;
}

/// An element of the same length that says nothing.
bool make_void(Bytes file, std::size_t at, std::size_t end) {
    const std::size_t size = end - at;
    if (size < 2) return false;
    zero(file, at, size);
    file[at] = '\xEC';
    if (size >= 9) {
        put_number(file, at + 1, 8, true, (std::uint64_t{1} << 56) | (size - 9));
    } else {
        file[at + 1] = static_cast<char>(0x80U | (size - 2));
    }
    return true;
}

bool matroska_level(Bytes file, std::size_t at, std::size_t end, std::uint64_t parent) {
    constexpr std::uint64_t segment = 0x18538067, info = 0x1549A966, cluster = 0x1F43B675;
    static const std::set<std::uint64_t> goes{0x1254C367, 0x1941A469,
                                              0x1043A770,  // Tags, Attachments, Chapters
                                              0xEC,        // Void, which may hold what stood there before
                                              0x7BA9,     0x7384};  // the Info's Title and SegmentFilename
    for (Element element; at < end; at = element.end) {
        if (!read_element(file, at, end, element)) return false;
        const bool checksum_of_info = parent == info && element.id == 0xBF;
        if (goes.count(element.id) > 0 || checksum_of_info) {
            if (element.endless || !make_void(file, at, element.end)) return false;
        } else if ((element.id == segment && parent == 0) || (element.id == info && parent == segment)) {
            if (!matroska_level(file, element.data, element.end, element.id)) return false;
        } else if (element.endless && element.id == cluster) {
            return false;  // a live stream: what stands behind is not found this way
        }
    }
    return true;
}

}  // namespace

Stripped matroska(Bytes file) {
    if (!matroska_level(file, 0, file.size(), 0))
        return unknown("it is no well-formed WebM or Matroska file with lengths");
    return file.size();
}

}  // namespace emprops::convert::strip
