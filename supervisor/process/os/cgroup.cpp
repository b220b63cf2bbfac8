#include "supervisor/process/os/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

#include "ipc/unique_fd.h"

namespace emprops::process {

namespace fs = std::filesystem;

namespace {

Error unavailable(const std::string& why) {
    return {"cgroup_unavailable", "no memory limit by cgroup (cgroup_memory_max): " + why};
}

std::string read_text(const fs::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

/// cgroup files take one value per write; the error of a refused value comes from that write.
Result<> write_value(const fs::path& path, const std::string& value) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd || ::write(fd.get(), value.data(), value.size()) < 0)
        return unavailable("cannot write " + path.string() + ": " + std::strerror(errno));
    return Ok{};
}

bool has_word(const std::string& text, const std::string& word) {
    std::istringstream stream(text);
    for (std::string each; stream >> each;) {
        if (each == word) return true;
    }
    return false;
}

/// Where the v2 hierarchy is mounted; empty: nowhere.
std::string mount_point() {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string device, where, type, rest;
         mounts >> device >> where >> type && std::getline(mounts, rest);) {
        if (type == "cgroup2") return where;
    }
    return {};
}

}  // namespace

Result<CgroupParent> CgroupParent::open() {
    const std::string mount = mount_point();
    if (mount.empty()) return unavailable("cgroup v2 is not mounted");
    std::ifstream own("/proc/self/cgroup");
    for (std::string line; std::getline(own, line);) {
        if (line.rfind("0::", 0) == 0) return open(fs::path(mount + line.substr(3)));
    }
    return unavailable("this process is in no cgroup v2");
}

Result<CgroupParent> CgroupParent::open(const fs::path& directory) {
    if (!has_word(read_text(directory / "cgroup.controllers"), "memory"))
        return unavailable("the memory controller is not available in " + directory.string());
    std::error_code error;
    const fs::path ours = directory / "supervisor";
    fs::create_directory(ours, error);
    if (error) return unavailable("cannot create " + ours.string() + ": " + error.message());
    std::istringstream processes(read_text(directory / "cgroup.procs"));
    for (std::string pid; processes >> pid;) {
        // One that has just ended cannot be moved; it does not matter.
        (void)write_value(ours / "cgroup.procs", pid);
    }
    const Result<> enabled = write_value(directory / "cgroup.subtree_control", "+memory");
    if (!enabled) return enabled.error();
    return CgroupParent(directory);
}

Result<fs::path> CgroupParent::make(const std::string& name, std::uint64_t memory_max_bytes) const {
    const fs::path group = directory_ / name;
    std::error_code error;
    fs::create_directory(group, error);
    if (error) return unavailable("cannot create " + group.string() + ": " + error.message());
    const Result<> limited = write_value(group / "memory.max", std::to_string(memory_max_bytes));
    if (!limited) return limited.error();
    return group / "cgroup.procs";
}

void CgroupParent::remove(const std::string& name) const {
    const fs::path group = directory_ / name;
    std::error_code error;
    if (!fs::exists(group, error)) return;
    (void)write_value(group / "cgroup.kill", "1");
    ::rmdir(group.c_str());
}

}  // namespace emprops::process
