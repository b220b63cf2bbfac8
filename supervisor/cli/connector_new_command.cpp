// `connector new`: a connector to begin with, which the doctor finds healthy as it is.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "ipc/text/values.h"
#include "supervisor/base/exit_codes.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/connector_parts.h"

namespace emprops::cli {
namespace {

namespace fs = std::filesystem;

// @NAME@ is the connector, and its job type.

constexpr const char* python_program = R"(#!/usr/bin/env python3
"""Connector @NAME@: jobs of type "@NAME@", payload {"text": "...", "seconds": 0.1}."""
from emprops_connector import Connector, JobFailure, run_connector


class Mine(Connector):
    name, version = "@NAME@", "0.1.0"
    job_types = ["@NAME@"]
    concurrency = 2

    def process_job(self, job, context):
        text = job.members.string("text", "")
        seconds = job.members.number("seconds", 0.1)
        context.progress(10, "working")
        if context.wait_cancelled(seconds):
            raise JobFailure("cancelled", context.cancel_reason)
        return {"status": "success", "text": text.upper()}


if __name__ == "__main__":
    raise SystemExit(run_connector(Mine()))
)";

constexpr const char* node_program =
    R"(// Connector @NAME@: jobs of type "@NAME@", payload {"text": "...", "seconds": 0.1}.
import { JobFailure, runConnector } from './emprops-connector/index.js';

class Mine {
    name = '@NAME@';
    version = '0.1.0';
    jobTypes = ['@NAME@'];
    concurrency = 2;

    async processJob(job, context) {
        const text = job.members.string('text', '');
        const seconds = job.members.number('seconds', 0.1);
        context.progress(10, 'working');
        if (await context.waitCancelled(seconds * 1000)) throw new JobFailure('cancelled', context.cancelReason());
        return { status: 'success', text: text.toUpperCase() };
    }
}

await runConnector(new Mine());
)";

constexpr const char* cpp_program =
    R"(// Connector @NAME@: jobs of type "@NAME@", payload {"text": "...", "seconds": 0.1}.
#include <emprops/connector.h>

#include <chrono>

class Mine : public emprops::Connector {
  public:
    std::string name() const override { return "@NAME@"; }
    std::string version() const override { return "0.1.0"; }
    std::vector<std::string> job_types() const override { return {"@NAME@"}; }
    int concurrency() const override { return 2; }

    emprops::Json process_job(const emprops::Job& job, emprops::JobContext& context) override {
        const emprops::Json payload = job.payload();
        const auto text = payload.find("text");
        const auto seconds = payload.find("seconds");
        context.progress(10, "working");
        const double wait = seconds != payload.end() && seconds->is_number() ? seconds->get<double>() : 0.1;
        if (context.wait_cancelled(std::chrono::milliseconds(static_cast<long long>(wait * 1000))))
            throw emprops::JobFailure("cancelled", context.cancel_reason());
        return {{"status", "success"}, {"text", text != payload.end() ? *text : emprops::Json("")}};
    }
};

int main() {
    Mine mine;
    return emprops::run_connector(mine);
}
)";

constexpr const char* cpp_cmake = R"(cmake_minimum_required(VERSION 3.25)
project(@NAME@ LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 20)
find_package(emprops-connector-sdk REQUIRED)
add_executable(@NAME@ main.cpp)
target_link_libraries(@NAME@ PRIVATE emprops::connector-sdk)
)";

constexpr const char* bash_program = R"(#!/bin/bash
# Connector @NAME@: jobs of type "@NAME@" get their payload back. One job at a time; programs that you start here need
# </dev/null and >&2 or a pipe, so that they do not touch the protocol.
job='^\{"type":"job",("job_id":"([^"\\]|\\.)*")'
echo '{"type":"ready","protocol":1,"name":"@NAME@","version":"0.1.0","job_types":["@NAME@"]}'
while IFS= read -r line; do
    [[ $line =~ $job ]] || continue
    id=${BASH_REMATCH[1]} payload=${line#*,\"payload\":}
    printf '%s\n' "{\"type\":\"progress\",$id,\"progress\":50}"
    printf '%s\n' "{\"type\":\"result\",$id,\"result\":{\"status\":\"success\",\"echo\":${payload%\}}}}"
done
)";

constexpr const char* stanza = R"(# Into emprops-worker.toml; add @NAME@ to `connectors` if that is set.
[connectors.@NAME@]
command = [@COMMAND@]

[connectors.@NAME@.settings]
)";

constexpr const char* test_script = R"sh(#!/bin/sh
# Is the connector right? Says what is wrong, and the cure.
cd "$(dirname "$0")" || exit 1
exec "${EMPROPS_WORKER:-emprops-worker}" connector doctor --payload @payload.json@SLOW@ "$@" -- @RUN@
)sh";

struct Language {
    std::map<std::string, const char*> files;
    std::string program;  ///< of files, that is to be executable
    std::string run;      ///< words of a shell, from the folder
    bool slow = true;     ///< its job takes `seconds`
    std::string sdk;      ///< folder of the installed data that it needs
    std::string sdk_in;   ///< where to in the new folder
};

std::map<std::string, Language> languages() {
    return {
        {"python", {{{"@NAME@.py", python_program}}, "@NAME@.py", "python3 @NAME@.py", true, "python", ""}},
        {"node",
         {{{"@NAME@.mjs", node_program}},
          "@NAME@.mjs",
          "node @NAME@.mjs",
          true,
          "node",
          "emprops-connector"}},
        {"cpp",
         {{{"main.cpp", cpp_program}, {"CMakeLists.txt", cpp_cmake}}, "", "build/@NAME@", true, "", ""}},
        {"bash", {{{"@NAME@.sh", bash_program}}, "@NAME@.sh", "bash @NAME@.sh", false, "", ""}},
    };
}

bool is_name(const std::string& name) {
    return !name.empty() && name.size() <= 64 &&
           std::all_of(name.begin(), name.end(),
                       [](char c) {
                           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
                       }) &&
           name.front() >= 'a' && name.front() <= 'z';
}

/// False: it could not be written, and that was said.
bool write(const fs::path& file, const std::string& text, bool executable) {
    std::ofstream out(file, std::ios::binary);
    if (!(out << text).flush()) {
        complain("cannot write " + file.string());
        return false;
    }
    std::error_code unused;
    using fs::perms;
    if (executable)
        fs::permissions(file, perms::owner_exec | perms::group_exec | perms::others_exec,
                        fs::perm_options::add, unused);
    return true;
}

/// The SDK comes along, so that what is made runs on any machine that has the language.
bool copy_sdk(const Language& language, const fs::path& folder) {
    if (language.sdk.empty()) return true;
    const fs::path from = own_directory() / "../share/emprops-worker" / language.sdk;
    const fs::path to = folder / language.sdk_in;
    std::error_code failed;
    fs::create_directories(to, failed);
    for (const char* part : {"emprops_connector.py", "index.js", "index.d.ts", "testing.js", "testing.d.ts",
                             "package.json", "src"}) {
        if (fs::exists(from / part, failed))
            fs::copy(from / part, to / part, fs::copy_options::recursive, failed);
        if (failed) break;
    }
    if (failed || fs::is_empty(to, failed)) {
        complain("the SDK is not there: " + from.string() + (failed ? " (" + failed.message() + ")" : ""));
        return false;
    }
    return true;
}

}  // namespace

int new_connector(const ConnectorOptions& options) {
    if (!is_name(options.name)) {
        complain("a connector's name begins with a letter and has a-z, 0-9, `_` and `-`");
        return exit_usage;
    }
    const auto known = languages();
    const Language& language = known.at(options.language);
    const fs::path folder = options.name;
    std::error_code failed;
    if (!fs::create_directory(folder, failed)) {
        complain("cannot make the folder " + folder.string() + ": " +
                 (failed ? failed.message() : "it is there already"));
        return exit_usage;
    }
    const auto fill = [&](std::string text) {
        return text::replaced(std::move(text), "@NAME@", options.name);
    };
    std::string command = fill(language.run);
    const std::size_t space = command.find(' ');
    const std::string place = fs::absolute(folder, failed).lexically_normal().string() + "/";
    command = space == std::string::npos
                  ? "\"" + place + command + "\""
                  : "\"" + command.substr(0, space) + "\", \"" + place + command.substr(space + 1) + "\"";
    std::string test = text::replaced(test_script, "@RUN@", fill(language.run));
    test = text::replaced(std::move(test), "@SLOW@", language.slow ? " --slow-payload @slow.json" : "");
    bool good = copy_sdk(language, folder);
    for (const auto& [name, text] : language.files)
        good = good && write(folder / fill(name), fill(text), name == language.program);
    good =
        good && write(folder / "connector.toml", text::replaced(fill(stanza), "@COMMAND@", command), false) &&
        write(folder / "payload.json", "{\"text\": \"hello\"}\n", false) &&
        (!language.slow || write(folder / "slow.json", "{\"text\": \"hello\", \"seconds\": 4}\n", false)) &&
        write(folder / "test.sh", test, true);
    if (!good) return exit_usage;
    std::printf("%s/ is there: %s%s/test.sh examines it, connector.toml goes into emprops-worker.toml\n",
                options.name.c_str(),
                options.language == "cpp" ? ("`cmake -S " + options.name + " -B " + options.name +
                                             "/build && cmake --build " + options.name + "/build`, then ")
                                                .c_str()
                                          : "",
                options.name.c_str());
    return exit_ok;
}

}  // namespace emprops::cli
