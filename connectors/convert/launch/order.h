#pragma once
// What the program emprops-convert is asked for and what it answers: one JSON text each way, between two programs of one
// build. Plain values; pure.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ipc/convert_wish.h"
#include "ipc/result.h"

namespace emprops::convert {

using Json = nlohmann::json;

/// One of the three is wanted.
struct Order {
    std::optional<ipc::ImageWish> image{};  ///< the picture in another form
    bool strip = false;                     ///< the file without its metadata, not encoded anew
    std::string name{};                     ///< of the file, for strip: tells formats apart that have no mark
    std::vector<std::string> command{};     ///< to become this program, without network
    std::string link{};                     ///< for it: becomes a link to the file
    std::uint64_t seconds = 0;              ///< of one processor
    std::int64_t parent = 0;                ///< process id of the courier
};

/// What became of the file: `done`, `same` (there is nothing to do), or why it is left.
struct Reply {
    enum class End { done, same, left, failed };
    End end = End::failed;
    std::string why{};        ///< left: about the file; failed: about this machine
    std::string format{};     ///< of what was made
    std::string unguarded{};  ///< why calls are not filtered; empty: they are
};

std::string text_of(const Order& order);
Result<Order> read_order(const std::string& text);
std::string text_of(const Reply& reply);
/// Error: it is none.
Result<Reply> read_reply(const std::string& text);

/// Descriptors of the program.
inline constexpr int order_in = 0, reply_out = 1, file_in = 3, file_out = 4;

}  // namespace emprops::convert
