#include "ipc/text/encoding.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace emprops::text {

Result<std::string_view> utf8_of(std::string_view bytes) {
    using namespace std::string_view_literals;
    if (bytes.starts_with("\xef\xbb\xbf"sv)) return bytes.substr(3);
    static constexpr std::array<std::pair<std::string_view, const char*>, 4> marks = {{
        {"\xff\xfe\0\0"sv, "UTF-32"},
        {"\0\0\xfe\xff"sv, "UTF-32"},
        {"\xff\xfe"sv, "UTF-16"},
        {"\xfe\xff"sv, "UTF-16"},
    }};
    const auto wrong = [](const std::string& encoding) {
        return Error{"encoding",
                     "is " + encoding +
                         " (as some editors and `>` of PowerShell on Windows write it); save it as UTF-8"};
    };
    for (const auto& [mark, name] : marks) {
        if (bytes.starts_with(mark)) return wrong(name);
    }
    // Without a mark: ASCII in it has a zero as every other byte.
    const std::string_view head = bytes.substr(0, 512);
    const auto zeros = static_cast<std::size_t>(std::count(head.begin(), head.end(), '\0'));
    if (head.size() >= 4 && zeros * 3 >= head.size())
        return wrong(zeros * 8 >= head.size() * 5 ? "UTF-32" : "UTF-16");
    return bytes;
}

}  // namespace emprops::text
