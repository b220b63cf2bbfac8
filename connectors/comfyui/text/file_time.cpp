#include "connectors/comfyui/text/file_time.h"

#include <charconv>
#include <cstdio>

namespace emprops::comfyui {
namespace {

/// Of 2001 and of 2099: any other number is no time.
constexpr std::uint64_t earliest_ns = 1'000'000'000'000'000'000, latest_ns = 4'100'000'000'000'000'000;

}  // namespace

std::optional<std::int64_t> file_time_of(std::string_view etag) {
    if (etag.size() < 2 || etag.front() != '"' || etag.back() != '"') return {};
    etag = etag.substr(1, etag.size() - 2);
    std::uint64_t time_ns = 0, bytes = 0;
    const char* const end = etag.data() + etag.size();
    const auto time = std::from_chars(etag.data(), end, time_ns, 16);
    if (time.ec != std::errc{} || time.ptr == end || *time.ptr != '-') return {};
    const auto size = std::from_chars(time.ptr + 1, end, bytes, 16);
    if (size.ec != std::errc{} || size.ptr != end) return {};
    if (time_ns < earliest_ns || time_ns > latest_ns) return {};
    return static_cast<std::int64_t>(time_ns / 1'000'000);
}

std::string etag_of(std::int64_t written_ns, std::uint64_t bytes) {
    char text[40];
    std::snprintf(text, sizeof text, "\"%llx-%llx\"", static_cast<unsigned long long>(written_ns),
                  static_cast<unsigned long long>(bytes));
    return text;
}

}  // namespace emprops::comfyui
