#include "supervisor/process/os/proc_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>

#include "ipc/unique_fd.h"
#include "supervisor/process/os/listen_port.h"

namespace emprops::process {

namespace {

/// A whole file of /proc; nullopt when it cannot be opened (the process is gone, or not ours).
std::optional<std::string> read_proc(const std::string& path, std::size_t limit = std::size_t{4} << 20) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::nullopt;
    std::string text;
    char block[4096];
    while (text.size() < limit) {
        const ssize_t count = ::read(fd.get(), block, sizeof block);
        if (count <= 0) break;
        text.append(block, static_cast<std::size_t>(count));
    }
    return text;
}

std::string proc_path(pid_t pid, const char* what) {
    return "/proc/" + std::to_string(pid) + "/" + what;
}

/// The numeric names in a directory.
std::optional<std::vector<pid_t>> numbers_in(const std::string& directory) {
    const auto close = [](DIR* handle) { ::closedir(handle); };
    const std::unique_ptr<DIR, decltype(close)> handle(::opendir(directory.c_str()), close);
    if (!handle) return std::nullopt;
    std::vector<pid_t> numbers;
    while (const dirent* entry = ::readdir(handle.get())) {
        const std::string_view name = entry->d_name;
        pid_t number = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (error == std::errc{} && end == name.data() + name.size()) numbers.push_back(number);
    }
    return numbers;
}

/// Kernels without CONFIG_PROC_CHILDREN: who names whom as its parent.
std::vector<pid_t> children_by_scan(pid_t parent) {
    std::vector<pid_t> children;
    for (const pid_t pid : numbers_in("/proc").value_or(std::vector<pid_t>{})) {
        const auto stat = proc_stat(pid);
        if (stat && stat->parent == parent) children.push_back(pid);
    }
    return children;
}

}  // namespace

std::optional<ProcStat> proc_stat(pid_t pid) {
    const auto text = read_proc(proc_path(pid, "stat"));
    if (!text) return std::nullopt;
    // The command in parentheses may itself hold spaces and parentheses: the last one closes it.
    const std::size_t close = text->rfind(')');
    if (close == std::string::npos) return std::nullopt;
    std::istringstream rest(text->substr(close + 1));
    ProcStat stat;
    rest >> stat.state >> stat.parent >> stat.group;
    std::string skipped;  // fields 6 (session) to 21 (itrealvalue)
    for (int field = 6; field <= 21; ++field)
        rest >> skipped;
    rest >> stat.started;
    if (!rest) return std::nullopt;
    return stat;
}

std::vector<pid_t> children_of(pid_t pid) {
    const auto threads = numbers_in(proc_path(pid, "task"));
    if (!threads) return {};
    std::vector<pid_t> children;
    bool listed = false;
    for (const pid_t thread : *threads) {
        const auto text =
            read_proc(proc_path(pid, "task/") + std::to_string(thread) + "/children", std::size_t{16} << 20);
        if (!text) continue;
        listed = true;
        std::istringstream stream(*text);
        for (pid_t child = 0; stream >> child;)
            children.push_back(child);
    }
    return listed ? children : children_by_scan(pid);
}

std::vector<pid_t> descendants_of(pid_t pid) {
    std::vector<pid_t> all = children_of(pid);
    for (std::size_t next = 0; next < all.size(); ++next) {
        const std::vector<pid_t> more = children_of(all[next]);
        all.insert(all.end(), more.begin(), more.end());
    }
    return all;
}

bool environment_has(pid_t pid, std::string_view name, const std::set<std::string>& values) {
    const auto text = read_proc(proc_path(pid, "environ"));
    if (!text) return false;
    const std::string begin = std::string(name) + "=";
    std::string_view rest = *text;
    while (!rest.empty()) {
        const std::string_view entry = rest.substr(0, rest.find('\0'));
        if (entry.substr(0, begin.size()) == begin &&
            values.count(std::string(entry.substr(begin.size()))) > 0)
            return true;
        rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    }
    return false;
}

std::uint64_t resident_bytes(pid_t pid) {
    const auto text = read_proc(proc_path(pid, "statm"));
    if (!text) return 0;
    std::istringstream stream(*text);
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    stream >> total >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::string command_line(pid_t pid) {
    return read_proc(proc_path(pid, "cmdline"), std::size_t{64} << 10).value_or("");
}

std::string program_name(pid_t pid) {
    const std::string command = command_line(pid);
    return std::filesystem::path(command.c_str()).filename().string();
}

std::optional<std::chrono::milliseconds> age_of(pid_t pid) {
    const auto stat = proc_stat(pid);
    timespec now{};
    if (!stat || ::clock_gettime(CLOCK_BOOTTIME, &now) != 0) return std::nullopt;
    const auto started = static_cast<std::int64_t>(stat->started) * 1000 / ::sysconf(_SC_CLK_TCK);
    return std::chrono::milliseconds(now.tv_sec * 1000 + now.tv_nsec / 1'000'000 - started);
}

std::string open_file(pid_t pid, int fd) {
    char link[64];
    const ssize_t size =
        ::readlink(proc_path(pid, ("fd/" + std::to_string(fd)).c_str()).c_str(), link, sizeof link);
    return size > 0 ? std::string(link, static_cast<std::size_t>(size)) : "";
}

std::vector<pid_t> all_processes() {
    return numbers_in("/proc").value_or(std::vector<pid_t>{});
}

std::set<std::uint64_t> listening_sockets(std::uint16_t port) {
    std::set<std::uint64_t> inodes;
    for (const char* table : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
        const auto text = read_proc(table, std::size_t{16} << 20);
        if (!text) continue;
        for (const std::uint64_t inode : listening_inodes(*text, port))
            inodes.insert(inode);
    }
    return inodes;
}

bool holds_socket(pid_t pid, const std::set<std::uint64_t>& inodes) {
    const std::string folder = proc_path(pid, "fd");
    for (const pid_t fd : numbers_in(folder).value_or(std::vector<pid_t>{})) {
        const auto inode = socket_inode(open_file(pid, fd));
        if (inode && inodes.count(*inode) > 0) return true;
    }
    return false;
}

}  // namespace emprops::process
