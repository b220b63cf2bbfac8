#include "supervisor/files/inline_room.h"
#include "ipc/text/values.h"

#include <algorithm>

namespace emprops::files {
namespace {

/// What an entry has beside base64 of the file.
constexpr std::uint64_t beside_data = 1024;
constexpr std::uint64_t small_file = 48u << 10;

std::uint64_t as_base64(std::uint64_t bytes) {
    return (bytes + 2) / 3 * 4;
}

std::uint64_t most_bytes(const Delivery& delivery, std::size_t index) {
    const FileOnWay& each = delivery.files[index];
    return delivery.changes(each) ? 2 * each.bytes + small_file : each.bytes;
}

}  // namespace

std::uint64_t inline_room(const Delivery& delivery, const std::vector<std::size_t>& mentions,
                          const std::set<std::size_t>& waiting, std::size_t index,
                          std::uint64_t frame_bytes) {
    const auto needs = [&](std::size_t i) {
        return (as_base64(most_bytes(delivery, i)) + beside_data) * mentions[i];
    };
    std::uint64_t taken = beside_result + delivery.result.text().size();
    for (std::size_t i = 0; i < delivery.files.size(); ++i) {
        const FileOnWay& each = delivery.files[i];
        const bool under_way = i != index && !each.ended() && !waiting.contains(i);
        const bool may = text::has_item(each.stores, "inline");
        if (each.entry) taken += (each.entry->size() + beside_data) * mentions[i];
        if (under_way && may && taken + needs(i) <= frame_bytes) taken += needs(i);
    }
    const std::uint64_t room = frame_bytes - std::min(frame_bytes, taken);
    const std::uint64_t each = room / std::max<std::size_t>(1, mentions[index]);
    const std::uint64_t bytes = (each - std::min(each, beside_data)) / 4 * 3;
    return delivery.changes(delivery.files[index]) ? std::min(bytes, most_bytes(delivery, index)) : bytes;
}

}  // namespace emprops::files
