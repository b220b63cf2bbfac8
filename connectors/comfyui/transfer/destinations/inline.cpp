#include "connectors/comfyui/transfer/destinations/inline.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "ipc/text/people.h"
#include "ipc/web/base64.h"

namespace emprops::comfyui {
namespace {

std::optional<std::string> whole_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    if (!file) {
        std::error_code error;
        if (std::filesystem::file_size(path, error) != 0 || error) return {};
    }
    return bytes.str();
}

}  // namespace

Destination make_inline(std::uint64_t budget, std::uint64_t used) {
    return [budget, used](const Cargo& cargo) mutable -> Placement {
        if (used > budget || cargo.size > budget - used) {
            return Spilled{"it has " + exact_bytes(cargo.size) + ", and of inline_max_bytes (" +
                               exact_bytes(budget) + ", for all files and texts of a job together) " +
                               (used == 0 ? "nothing is" : exact_bytes(used) + " are") + " taken",
                           "raise inline_max_bytes (up to 11.5 MiB, as the Hub takes 16 MiB of base64)"};
        }
        const auto bytes = whole_file(cargo.path);
        if (!bytes) return Setback{failure_of(Cause::disk, "cannot read " + cargo.path + " again")};
        used += cargo.size;
        return Placed{{{"data", web::base64_encode(*bytes)}}};
    };
}

}  // namespace emprops::comfyui
