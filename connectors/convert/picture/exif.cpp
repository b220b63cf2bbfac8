#include "connectors/convert/picture/exif.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

namespace emprops::convert {
namespace {

constexpr std::size_t entry_bytes = 12;
constexpr std::uint32_t orientation_tag = 0x0112, model_tag = 0x0110, maker_tag = 0x010F, lowest_tag = 0x0107;
constexpr std::uint32_t of_text = 2, of_short = 3;

/// The first folder of a TIFF text, in its byte order.
class Tiff {
  public:
    explicit Tiff(std::string& text) : text_(text) {
        if (text.size() < 8) return;
        little_ = text.starts_with("II");
        if (!little_ && !text.starts_with("MM")) return;
        if (number(2, 2) != 42) return;
        const std::size_t at = number(4, 4);
        if (at < 8 || at > text.size() || text.size() - at < 2) return;
        const std::size_t count = number(at, 2);
        if (count * entry_bytes + 2 > text.size() - at) return;
        folder_ = at;
        count_ = count;
    }
    bool ok() const { return folder_ != 0; }
    std::size_t count() const { return count_; }
    std::size_t entry(std::size_t index) const { return folder_ + 2 + index * entry_bytes; }
    std::size_t end() const { return entry(count_); }

    std::uint32_t number(std::size_t at, std::size_t bytes) const {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i) {
            const std::size_t where = at + (little_ ? bytes - 1 - i : i);
            value = (value << 8U) | static_cast<unsigned char>(text_[where]);
        }
        return value;
    }
    std::string written(std::uint32_t value, std::size_t bytes) const {
        std::string out(bytes, '\0');
        for (std::size_t i = 0; i < bytes; ++i)
            out[little_ ? i : bytes - 1 - i] = static_cast<char>((value >> (8 * i)) & 255U);
        return out;
    }
    std::optional<std::size_t> orientation() const {
        for (std::size_t i = 0; i < count_; ++i)
            if (number(entry(i), 2) == orientation_tag && number(entry(i) + 2, 2) == of_short)
                return entry(i) + 8;
        return {};
    }

  private:
    std::string& text_;
    bool little_ = true;
    std::size_t folder_ = 0, count_ = 0;
};

}  // namespace

int orientation_of(const std::string& exif) {
    std::string text = exif.substr(0, 65536);
    const Tiff tiff(text);
    const auto at = tiff.ok() ? tiff.orientation() : std::nullopt;
    const auto value = at ? tiff.number(*at, 2) : 1U;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

void set_upright(std::string& exif) {
    const Tiff tiff(exif);
    if (const auto at = tiff.ok() ? tiff.orientation() : std::nullopt)
        exif.replace(*at, 2, tiff.written(1, 2));
}

void add_texts(std::string& exif, const std::vector<std::pair<std::string, std::string>>& texts) {
    if (texts.empty()) return;
    std::string whole = exif;
    if (!Tiff(whole).ok()) whole = std::string("II*\0\x08\0\0\0\0\0\0\0\0\0", 14);
    const Tiff tiff(whole);
    // A folder may lie anywhere: a new one with the old entries goes behind all that is there, which stays where it is.
    std::map<std::uint32_t, std::string> entries;
    for (std::size_t i = 0; i < tiff.count(); ++i)
        entries.emplace(tiff.number(tiff.entry(i), 2), whole.substr(tiff.entry(i), entry_bytes));
    const std::string next =
        tiff.end() + 4 <= whole.size() ? whole.substr(tiff.end(), 4) : std::string(4, '\0');
    std::string behind;
    const std::size_t begin = (whole.size() + 1) / 2 * 2;
    std::uint32_t free_tag = maker_tag;
    for (const auto& [keyword, text] : texts) {
        std::uint32_t tag = model_tag;
        if (keyword != "prompt" || entries.contains(tag)) {
            while (free_tag >= lowest_tag && entries.contains(free_tag))
                --free_tag;
            if (free_tag < lowest_tag) break;
            tag = free_tag;
        }
        const std::string value = keyword + ":" + text + std::string(1, '\0');
        // Small ones would stand in the entry itself; a few zeros more and they need not.
        const std::string stored = value + std::string(value.size() < 5 ? 5 - value.size() : 0, '\0');
        entries[tag] = tiff.written(tag, 2) + tiff.written(of_text, 2) +
                       tiff.written(static_cast<std::uint32_t>(stored.size()), 4) +
                       tiff.written(static_cast<std::uint32_t>(begin + behind.size()), 4);
        behind += stored;
        if (behind.size() % 2 == 1) behind += '\0';
    }
    std::string folder = tiff.written(static_cast<std::uint32_t>(entries.size()), 2);
    for (const auto& [tag, entry] : entries)
        folder += entry;
    const std::string at = tiff.written(static_cast<std::uint32_t>(begin + behind.size()), 4);
    whole.resize(begin, '\0');
    whole += behind + folder + next;
    whole.replace(4, 4, at);
    exif = std::move(whole);
}

}  // namespace emprops::convert
