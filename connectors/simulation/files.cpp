#include "connectors/simulation/files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "emprops/environment.h"

namespace emprops::simulation {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t max_file_bytes = std::int64_t{64} << 30;
constexpr double max_grow_seconds = 600;

constexpr std::array known{"path",    "url",   "name",    "mime_type", "kind",        "node",
                           "deliver", "bytes", "missing", "link",      "grow_seconds"};

PlannedFile plan_file(const Json& entry) {
    if (!entry.is_object()) throw ConfigurationError("it must be an object");
    PlannedFile planned;
    OutputFile& file = planned.file;
    file.name = setting_string(entry, "name", "");
    file.url = setting_string(entry, "url", "");
    file.path = setting_string(entry, "path", file.url.empty() ? file.name : "");
    file.mime_type = setting_string(entry, "mime_type", "");
    file.kind = setting_string(entry, "kind", "");
    file.node = setting_string(entry, "node", "");
    if (entry.contains("deliver")) {
        try {
            entry["deliver"].get_to(file.deliver);
        } catch (const Json::exception&) {
            throw ConfigurationError("\"deliver\" must be a list of texts");
        }
    }
    planned.bytes = static_cast<std::uint64_t>(setting_int(entry, "bytes", 1000, {0, max_file_bytes}));
    planned.missing = setting_bool(entry, "missing", false);
    planned.link = setting_string(entry, "link", "");
    planned.grow_seconds = setting_double(entry, "grow_seconds", 0, {0, max_grow_seconds});
    for (const auto& [name, value] : entry.items())
        if (std::find(known.begin(), known.end(), name) == known.end()) file.more[name] = value;
    return planned;
}

void write_content(std::ofstream& out, const std::string& name, std::uint64_t bytes) {
    const std::string line = name + "\n";
    std::string block;
    while (block.size() < 64 * 1024)
        block += line;
    for (std::uint64_t left = bytes; left > 0;) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, block.size()));
        out.write(block.data(), static_cast<std::streamsize>(size));
        left -= size;
    }
}

bool leads_into(const fs::path& folder, const fs::path& path) {
    std::error_code error;
    const fs::path base = fs::canonical(folder, error);
    const fs::path place = fs::weakly_canonical(path, error);
    return !error && std::mismatch(base.begin(), base.end(), place.begin(), place.end()).first == base.end();
}

/// A disobedient writer, which has the file open and goes on when it is somebody else's.
void grow(std::ofstream out, double seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < end) {
        out << "more\n" << std::flush;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

}  // namespace

std::vector<PlannedFile> plan_files(const Json& payload) {
    std::vector<PlannedFile> files;
    const auto found = payload.find("files");
    if (found == payload.end() || found->is_null()) return files;
    if (!found->is_array()) throw ConfigurationError("\"files\" must be a list of objects");
    for (const Json& entry : *found) {
        try {
            files.push_back(plan_file(entry));
        } catch (const ConfigurationError& wrong) {
            throw ConfigurationError("files[" + std::to_string(files.size()) + "]: " + wrong.what());
        }
    }
    return files;
}

void make_file(const std::string& work_dir, const PlannedFile& planned) {
    if (planned.missing || planned.file.path.empty()) return;
    const fs::path path = fs::path(work_dir) / planned.file.path;
    if (!leads_into(work_dir, path.parent_path())) return;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    fs::remove(path, error);  // a link in its place is not followed
    if (!planned.link.empty()) {
        fs::create_symlink(planned.link, path, error);
        if (error) throw std::runtime_error("cannot link " + path.string() + ": " + error.message());
        return;
    }
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    const std::string name = planned.file.name.empty() ? path.filename().string() : planned.file.name;
    write_content(out, name, planned.bytes);
    out.flush();
    if (!out) throw std::runtime_error("cannot write " + path.string() + ": " + std::strerror(errno));
    if (planned.grow_seconds > 0) std::thread(grow, std::move(out), planned.grow_seconds).detach();
}

}  // namespace emprops::simulation
