#include "supervisor/cli/settings_check.h"

#include <poll.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <csignal>

#include "ipc/codec.h"
#include "ipc/json_text.h"
#include "supervisor/base/time.h"
#include "supervisor/cli/common.h"
#include "supervisor/files/courier.h"
#include "supervisor/process/child_environment.h"
#include "supervisor/process/os/process_host.h"

namespace emprops::cli {
namespace {

using config::Problem;
using config::Severity;

constexpr Ms longest_check{10'000};
constexpr std::size_t longest_answer = 1 << 20;

/// The first line of what it prints, until it ends or takes too long.
std::string read_line(int fd) {
    std::string text;
    const TimePoint until = Clock::now() + longest_check;
    while (text.find('\n') == std::string::npos && text.size() < longest_answer) {
        const auto left = std::chrono::duration_cast<Ms>(until - Clock::now()).count();
        pollfd waited{fd, POLLIN, 0};
        if (left <= 0 || ::poll(&waited, 1, static_cast<int>(left)) <= 0) break;
        char bytes[4096];
        const ssize_t count = ::read(fd, bytes, sizeof bytes);
        if (count <= 0) break;
        text.append(bytes, static_cast<std::size_t>(count));
    }
    return text.substr(0, text.find('\n'));
}

/// Null: it says nothing that we understand (an older one, or somebody else's of the same name).
ipc::Json ask(process::ProcessHost& host, const process::ProgramSearch& search,
              const process::FoundProgram& program, const config::ConnectorSettings& settings) {
    process::LaunchSpec spec;
    spec.executable = program.path;
    spec.arguments = program.arguments;
    spec.arguments.push_back("--check-settings");
    spec.env = search.environment;
    std::error_code unused;
    spec.working_dir = std::filesystem::current_path(unused);
    spec.marker = settings.name + "/0/check";
    const auto started = host.start(spec, [](const process::ExitStatus&) {});
    if (!started) return {};
    ipc::Hello hello;
    hello.connector = settings.name;
    hello.settings = process::settings_for_connector(settings, 0);
    if (settings.concurrency) hello.concurrency = static_cast<int>(*settings.concurrency);
    const std::string line = ipc::encode(hello);
    // Settings are shorter than a pipe is long.
    const bool written =
        ::write(started->stdin_fd.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
    ipc::Json answer =
        written ? ipc::Json::parse(read_line(started->stdout_fd.get()), nullptr, false) : ipc::Json();
    host.signal_group(started->pid, SIGKILL);
    const bool known = answer.is_object() && ipc::text_or_empty(answer, "type") == "settings_checked";
    return known ? answer : ipc::Json();
}

class Checker {
  public:
    explicit Checker(std::filesystem::path bin_dir) : bin_dir_(std::move(bin_dir)) {}

    void look(const config::ConnectorSettings& connector, const config::Settings& settings) {
        const auto own = process::own_environment();
        if (!connector.attach) {
            const auto search = process::connector_search(connector, 0, own);
            const auto program = find(search, settings);
            const bool ours = program.path.filename().string().starts_with("emprops-connector-");
            if (ours) judge(ask(*host_, search, program, connector), connector.name);
        }
        if (connector.service.enabled()) find(process::service_search(connector, 0, own), settings);
    }

    std::vector<Problem> take() { return std::move(problems_); }

  private:
    process::FoundProgram find(const process::ProgramSearch& search, const config::Settings& settings) {
        const auto found = process::find_executable(search, bin_dir_, settings.connector_dirs);
        if (found) return *found;
        problems_.push_back({Severity::error, "connectors." + search.connector, found.error().message});
        return {};
    }

    void judge(const ipc::Json& answer, const std::string& connector) {
        if (!answer.is_object()) return;
        // The courier's settings are made of other tables, which its errors name.
        const std::string where =
            connector == config::courier_name ? "stores" : "connectors." + connector + ".settings";
        if (const std::string error = ipc::text_or_empty(answer, "error"); !error.empty())
            problems_.push_back({Severity::error, where, error});
        for (const ipc::Json& warning : answer.value("warnings", ipc::Json::array()))
            if (warning.is_string())
                problems_.push_back({Severity::warning, where, warning.get<std::string>()});
    }

    std::filesystem::path bin_dir_;
    std::unique_ptr<process::ProcessHost> host_ = process::make_process_host(process_loop().get_executor());
    std::vector<Problem> problems_;
};

}  // namespace

std::vector<Problem> check_programs(const config::Settings& settings, const std::filesystem::path& bin_dir) {
    Checker checker(bin_dir);
    for (const config::ConnectorSettings& connector : settings.connectors)
        checker.look(connector, settings);
    if (!settings.stores.empty()) checker.look(files::courier_settings(settings, "/"), settings);
    return checker.take();
}

}  // namespace emprops::cli
