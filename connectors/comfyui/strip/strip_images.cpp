// Pictures: chunks, segments and blocks that are no part of the picture are cut.

#include <algorithm>

#include "connectors/comfyui/strip/strip_formats.h"

namespace emprops::comfyui::strip {
namespace {

template <std::size_t N>
bool is_one_of(std::string_view word, const std::string_view (&list)[N]) {
    return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

/// The end of a GIF's row of sub-blocks; 0: there is none.
std::size_t blocks_end(Bytes file, std::size_t at) {
    while (at < file.size()) {
        const auto size = static_cast<unsigned char>(file[at]);
        at += std::size_t{size} + 1;
        if (size == 0) return at;
    }
    return 0;
}

/// What begins with a "<": a tag, a comment, a section that is no markup, an instruction.
struct Markup {
    std::size_t end = std::string_view::npos;  ///< npos: it has none
    bool is_comment = false;
    bool opens = false, closes = false;  ///< a "metadata", of whatever name space; both: <metadata/>
};

Markup markup_at(std::string_view all, std::size_t at) {
    Markup found;
    const std::string_view rest = all.substr(at);
    const auto ends_with = [&](std::string_view mark) {
        const auto where = all.find(mark, at);
        found.end = where == std::string_view::npos ? where : where + mark.size();
    };
    found.is_comment = rest.starts_with("<!--");
    if (found.is_comment) {
        ends_with("-->");
    } else if (rest.starts_with("<![CDATA[")) {
        ends_with("]]>");
    } else if (rest.starts_with("<?")) {
        ends_with("?>");
    } else if (rest.starts_with("<!")) {
        ends_with(">");
    } else {
        // The values of a tag may hold what looks like its end.
        std::size_t end = all.find_first_of("\"'>", at);
        while (end != std::string_view::npos && all[end] != '>') {
            end = all.find(all[end], end + 1);
            if (end != std::string_view::npos) end = all.find_first_of("\"'>", end + 1);
        }
        if (end == std::string_view::npos) return found;
        found.end = end + 1;
        const std::string_view tag = all.substr(at + 1, end - at - 1);
        const bool is_end = tag.starts_with("/");
        std::string_view name = tag.substr(is_end ? 1 : 0);
        name = name.substr(0, name.find_first_of(" \t\r\n/"));
        name.remove_prefix(name.find(':') == std::string_view::npos ? 0 : name.find(':') + 1);
        if (name != "metadata") return found;
        found.opens = !is_end;
        found.closes = is_end || tag.ends_with("/");
    }
    return found;
}

}  // namespace

Stripped png(Bytes file) {
    // Chunks stay byte for byte, so that their checksums stay right. The text of an animated one stands in
    // `comf` (ComfyUI's own), of others in tEXt, zTXt, iTXt and eXIf.
    static constexpr std::string_view kept[] = {"IHDR", "PLTE", "IDAT", "IEND", "tRNS", "cHRM", "gAMA",
                                                "iCCP", "sBIT", "sRGB", "cICP", "mDCV", "cLLI", "bKGD",
                                                "hIST", "pHYs", "acTL", "fcTL", "fdAT"};
    Keeper out(file);
    out.keep(0, 8);
    std::size_t at = 8;
    while (file.size() - at >= 12) {
        const std::size_t size = static_cast<std::size_t>(number(file, at, 4, true)) + 12;
        if (size > file.size() - at) break;
        const std::string type(text(file, at + 4, 4));
        if (is_one_of(type, kept)) out.keep(at, size);
        at += size;
        if (type == "IEND") return out.size();
    }
    return broken("PNG");
}

Stripped jpeg(Bytes file) {
    Keeper out(file);
    out.keep(0, 2);
    std::size_t at = 2;
    while (at + 2 <= file.size()) {
        if (file[at] != '\xFF') break;
        const auto marker = static_cast<unsigned char>(file[at + 1]);
        if (marker == 0xFF) {  // a filler
            ++at;
            continue;
        }
        if (marker == 0xD9) {
            out.keep(at, 2);
            return out.size();
        }
        if (file.size() - at < 4) break;
        const std::size_t size = static_cast<std::size_t>(number(file, at + 2, 2, true)) + 2;
        if (size < 4 || size > file.size() - at) break;
        const bool application = (marker & 0xF0U) == 0xE0U;
        const bool of_the_picture =
            (marker == 0xE0 && text(file, at + 4, 5) == std::string_view("JFIF\0", 5)) ||
            (marker == 0xE2 && text(file, at + 4, 11) == "ICC_PROFILE") ||
            (marker == 0xEE && text(file, at + 4, 5) == "Adobe");
        if (application ? of_the_picture : marker != 0xFE) out.keep(at, size);
        at += size;
        if (marker != 0xDA) continue;
        // The scan goes to the next marker that is neither a stuffed byte nor a restart.
        const std::size_t scan = at;
        while (at + 1 < file.size()) {
            const auto next = static_cast<unsigned char>(file[at + 1]);
            if (file[at] == '\xFF' && next != 0 && (next < 0xD0 || next > 0xD7)) break;
            ++at;
        }
        out.keep(scan, at - scan);
    }
    return broken("JPEG");
}

Stripped gif(Bytes file) {
    const auto table = [&](std::size_t flags_at) -> std::size_t {
        const auto flags = static_cast<unsigned char>(file[flags_at]);
        return (flags & 0x80U) != 0 ? std::size_t{3} << ((flags & 7U) + 1) : 0;
    };
    if (file.size() < 13) return broken("GIF");
    Keeper out(file);
    std::size_t at = 13 + table(10);
    if (at > file.size()) return broken("GIF");
    out.keep(0, at);
    while (at < file.size()) {
        const auto kind = static_cast<unsigned char>(file[at]);
        if (kind == 0x3B) {
            out.keep(at, 1);
            return out.size();
        }
        std::size_t blocks = 0;
        bool keep = true;
        if (kind == 0x2C && at + 10 < file.size()) {
            blocks = at + 10 + table(at + 9) + 1;
        } else if (kind == 0x21 && at + 2 < file.size()) {
            const auto label = static_cast<unsigned char>(file[at + 1]);
            static constexpr std::string_view kept[] = {"NETSCAPE2.0", "ANIMEXTS1.0", "ICCRGBG1012"};
            blocks = at + 2;
            keep =
                label == 0xF9 || label == 0x01 || (label == 0xFF && is_one_of(text(file, at + 3, 11), kept));
        }
        const std::size_t end = blocks == 0 ? 0 : blocks_end(file, blocks);
        if (end == 0 || end > file.size()) break;
        if (keep) out.keep(at, end - at);
        at = end;
    }
    return broken("GIF");
}

Stripped webp(Bytes file) {
    static constexpr std::string_view kept[] = {"VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "ICCP"};
    const std::size_t end = static_cast<std::size_t>(number(file, 4, 4, false)) + 8;
    if (end > file.size() || end < 12) return broken("WebP");
    Keeper out(file);
    out.keep(0, 12);
    for (std::size_t at = 12; at < end;) {
        if (end - at < 8) return broken("WebP");
        const auto size = static_cast<std::size_t>(number(file, at + 4, 4, false));
        const std::size_t whole = std::min(8 + size + (size & 1U), end - at);
        if (size > end - at - 8) return broken("WebP");
        const std::string type(text(file, at, 4));
        if (type == "VP8X" && size > 0) file[at + 8] = static_cast<char>(file[at + 8] & ~0x0C);  // EXIF, XMP
        if (is_one_of(type, kept)) out.keep(at, whole);
        at += whole;
    }
    put_number(file, 4, 4, false, out.size() - 8);
    return out.size();
}

Stripped svg(Bytes file) {
    const std::string_view all = text(file, 0, file.size());
    Keeper out(file);
    std::size_t depth = 0;  // of elements "metadata" around us
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t next = std::min(all.find('<', at), all.size());
        if (depth == 0) out.keep(at, next - at);
        at = next;
        if (at == all.size()) break;
        const Markup markup = markup_at(all, at);
        if (markup.end == std::string_view::npos) return broken("SVG");
        if (markup.opens) ++depth;
        if (depth == 0 && !markup.is_comment) out.keep(at, markup.end - at);
        if (markup.closes && depth > 0) --depth;
        at = markup.end;
    }
    if (depth > 0) return broken("SVG");
    return out.size();
}

}  // namespace emprops::comfyui::strip
