// `emprops-worker files`: what no store took and is kept in the spool. Reads the folder itself, so that it works beside a
// worker that has ended; only a retry needs one that runs.

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "ipc/text/people.h"
#include "supervisor/base/exit_codes.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/table.h"
#include "supervisor/files/kept.h"

namespace emprops::cli {
namespace {

namespace fs = std::filesystem;
using files::Kept;
using ipc::Json;

std::string age_of(const Kept& kept) {
    return human_duration(
        std::chrono::duration_cast<std::chrono::milliseconds>(fs::file_time_type::clock::now() - kept.since));
}

Json to_json(const Kept& kept, const fs::path& spool) {
    Json paths = Json::array();
    for (const files::FileOnWay& each : kept.delivery.files)
        if (!each.place.empty() && !each.entry)
            paths.push_back((spool / kept.delivery.folder / each.place).string());
    return {{"name", kept.delivery.folder},       {"job_id", kept.delivery.job_id},
            {"job_type", kept.delivery.job_type}, {"error", kept.error},
            {"bytes", kept.delivery.bytes()},     {"paths", std::move(paths)}};
}

int list(const fs::path& spool, bool json) {
    const auto all = files::all_kept(spool);
    if (json) {
        Json list = Json::array();
        for (const Kept& each : all)
            list.push_back(to_json(each, spool));
        std::puts(json_text(Json{{"kept", std::move(list)}}, 2).c_str());
        return exit_ok;
    }
    if (all.empty()) {
        std::puts(fmt::format("no files are kept in {}", spool.string()).c_str());
        return exit_ok;
    }
    Table table({"NAME", "JOB", "FILES", "SIZE", "AGE", "WHY"});
    for (const Kept& each : all)
        table.add({each.delivery.folder, each.delivery.job_id, std::to_string(each.delivery.files.size()),
                   human_bytes(each.delivery.bytes()), age_of(each), each.error});
    std::fputs(table.print(terminal_width()).c_str(), stdout);
    return exit_ok;
}

/// The files that were not delivered, by their names in the result. Nothing that is there is replaced.
int export_files(const Kept& kept, const fs::path& spool, const fs::path& target) {
    std::error_code error;
    fs::create_directories(target, error);
    for (const files::FileOnWay& each : kept.delivery.files) {
        if (each.place.empty() || each.entry) continue;
        const fs::path to = target / each.file.name;
        if (!fs::copy_file(spool / kept.delivery.folder / each.place, to, error)) {
            complain(fmt::format("cannot copy {} to {}: {}",
                                 (spool / kept.delivery.folder / each.place).string(), to.string(),
                                 error.message()));
            return exit_job_failed;
        }
        std::puts(to.c_str());
    }
    return exit_ok;
}

}  // namespace

int manage_files(const Common& common, const FilesOptions& options) {
    if (options.retry) return operate(common, "retry", options.control);
    const auto loaded = load_or_complain(request_for(common), false);
    if (!loaded) return exit_config;
    const fs::path spool = fs::absolute(loaded->settings.worker.state_dir / "spool");
    if (options.control.name.empty()) return list(spool, options.control.json);
    const auto kept = files::find_kept(spool, options.control.name);
    if (!kept) {
        complain(kept.error().message);
        return exit_usage;
    }
    if (!options.export_to.empty()) {
        if (const int failed = export_files(*kept, spool, options.export_to); failed != exit_ok)
            return failed;
    }
    if (options.remove) {
        std::error_code error;
        fs::remove_all(spool / kept->delivery.folder, error);
        if (error) {
            complain(fmt::format("cannot remove {}: {}", (spool / kept->delivery.folder).string(),
                                 error.message()));
            return exit_job_failed;
        }
    } else if (options.export_to.empty()) {
        std::puts(json_text(to_json(*kept, spool), 2).c_str());
    }
    return exit_ok;
}

}  // namespace emprops::cli
