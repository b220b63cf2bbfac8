#include "supervisor/process/os/listen_port.h"

#include <algorithm>
#include <charconv>

#include "ipc/text/utf8.h"

namespace emprops::process {

namespace {

constexpr std::string_view listen_state = "0A";

/// The next word of `line`, which loses it.
std::string_view take_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    return word;
}

template <class Number>
std::optional<Number> whole_number(std::string_view text, int base) {
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

}  // namespace

std::string PortOwner::text() const {
    if (pid == 0) return "a process that we may not look into (of another user or container)";
    return "pid " + std::to_string(pid) + (command.empty() ? "" : " (" + command + ")");
}

std::vector<std::uint64_t> listening_inodes(std::string_view table, std::uint16_t port) {
    std::vector<std::uint64_t> inodes;
    while (!table.empty()) {
        std::string_view line = table.substr(0, table.find('\n'));
        table.remove_prefix(std::min(table.size(), line.size() + 1));
        // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...
        take_word(line);
        const std::string_view local = take_word(line);
        take_word(line);
        if (take_word(line) != listen_state) continue;
        const std::size_t colon = local.rfind(':');
        if (colon == std::string_view::npos) continue;
        if (whole_number<std::uint16_t>(local.substr(colon + 1), 16) != port) continue;
        for (int skipped = 0; skipped < 5; ++skipped)
            take_word(line);
        if (const auto inode = whole_number<std::uint64_t>(take_word(line), 10); inode && *inode != 0)
            inodes.push_back(*inode);
    }
    return inodes;
}

std::optional<std::uint64_t> socket_inode(std::string_view link) {
    constexpr std::string_view before = "socket:[";
    if (!link.starts_with(before) || !link.ends_with(']')) return std::nullopt;
    link.remove_prefix(before.size());
    link.remove_suffix(1);
    return whole_number<std::uint64_t>(link, 10);
}

std::string shown_command(std::string_view cmdline) {
    constexpr std::size_t longest = 200;
    cmdline = cmdline.substr(0, cmdline.find_last_not_of('\0') + 1);
    std::string text = text::shortened(cmdline, longest);
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < ' ') c = ' ';
    }
    return text;
}

}  // namespace emprops::process
