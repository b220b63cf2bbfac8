#include "connectors/simulation/faults.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "connector-sdk/cpp/src/raw_line.h"
#include "ipc/json_text.h"

namespace emprops::simulation {
namespace {

namespace raw = sdk::raw;

std::size_t bytes_of(const Plan& plan, std::size_t fallback) {
    return plan.bytes ? static_cast<std::size_t>(*plan.bytes) : fallback;
}

constexpr std::size_t mib = std::size_t{1} << 20;

std::string quoted(const std::string& text) {
    return ipc::dump(Json(text));
}

std::string result_line(const std::string& job_id, const std::string& result) {
    return R"({"type":"result","job_id":)" + quoted(job_id) + R"(,"result":)" + result + "}\n";
}

/// In one piece: messages of other threads must not come in between.
std::string overlong_line(const std::string& job_id, std::size_t bytes) {
    std::string line = R"({"type":"result","job_id":)" + quoted(job_id) + R"(,"result":{"data":")";
    line.reserve(line.size() + bytes + 4);
    line.append(bytes, 'x').append("\"}}\n");
    return line;
}

/// Neither reads nor writes; `seconds` unset: until it is killed.
void sleep_deaf(std::optional<double> seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds.value_or(1e9));
    while (std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

/// Ends the process by a signal whatever handlers (of a sanitizer, say) are installed.
[[noreturn]] void die_by(int number) {
    ::signal(number, SIG_DFL);
    ::kill(::getpid(), number);
    sleep_deaf(std::nullopt);
    ::_exit(70);
}

/// A child that outlives us if nobody takes care: it holds copies of all our descriptors and waits.
pid_t leave_child_behind(bool own_session, double seconds) {
    const pid_t pid = ::fork();
    if (pid < 0) throw std::runtime_error("fork failed");
    if (pid > 0) return pid;
    // Only async-signal-safe calls here: other threads existed.
    ::signal(SIGTERM, SIG_DFL);
    if (own_session) ::setsid();
    ::alarm(static_cast<unsigned>(seconds) + 1);  // so that a failed test does not leave it forever
    while (true)
        ::pause();
}

void flood_progress(const std::string& job_id, std::size_t bytes) {
    // One block again and again: a gigabyte must cost the reader time, not this process.
    constexpr std::size_t block = 256 * 1024;
    std::string lines;
    for (std::size_t n = 0; lines.size() < block; ++n)
        lines += R"({"type":"progress","job_id":)" + quoted(job_id) + R"(,"progress":)" +
                 std::to_string(n % 101) + R"(,"message":"flood )" + std::to_string(n) + "\"}\n";
    for (std::size_t written = 0; written < bytes; written += lines.size())
        raw::write(lines);
}

void flood_stderr(std::size_t bytes) {
    const std::string line = "simulation: " + std::string(100, '!') + "\n";
    std::string block;
    while (block.size() < 64 * 1024)
        block += line;
    for (std::size_t written = 0; written < bytes; written += block.size())
        std::fwrite(block.data(), 1, block.size(), stderr);
}

void stray_prints(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
        std::cout << "stray print by std::cout " << i << std::endl;
        std::printf("{\"type\":\"progress\",\"stray\":\"by printf %lld\"}\n", static_cast<long long>(i));
        std::fflush(stdout);
        const std::string text = "stray print by write " + std::to_string(i) + "\n";
        [[maybe_unused]] const auto n = ::write(STDOUT_FILENO, text.data(), text.size());
    }
}

std::string rubbish(std::int64_t count) {
    std::string lines;
    for (std::int64_t i = 0; i < count; ++i)
        lines += "rubbish " + std::to_string(i) + std::string(" \xff\xfe\0 \x1b[31m", 10) + "\n";
    return lines;
}

void leak(std::size_t bytes) {
    static std::vector<std::unique_ptr<char[]>> kept;
    for (std::size_t taken = 0; taken < bytes; taken += mib) {
        kept.push_back(std::make_unique<char[]>(mib));
        for (std::size_t page = 0; page < mib; page += 4096)
            kept.back()[page] = 1;
    }
}

void outage(ConnectorContext& connector, JobContext& job, double seconds) {
    connector.set_status(false, false, "simulated outage", "simulation");
    job.wait_cancelled(std::chrono::milliseconds(static_cast<long>(seconds * 1000)));
    connector.set_status(true, true, "the simulated outage is over", "simulation");
}

}  // namespace

FaultNotes break_in_mid_job(const Plan& plan, FaultTools tools) {
    FaultNotes notes;
    switch (plan.fault) {
        case Fault::fail:
            throw JobFailure(plan.code, "the job asked to fail", plan.retryable, {{"fault", "fail"}});
        case Fault::throw_exception:
            throw std::runtime_error("the job asked for an exception");
        case Fault::exit:
            ::_exit(static_cast<int>(plan.exit_code));
        case Fault::segv:
            die_by(SIGSEGV);
        case Fault::signal:
            die_by(static_cast<int>(plan.signal_number));
        case Fault::hang:
            sleep_deaf(plan.seconds);
            break;
        case Fault::stop:
            ::kill(::getpid(), SIGSTOP);
            break;
        case Fault::ignore_cancel:
            notes.deaf = true;
            break;
        case Fault::ignore_term:
            raw::refuse_to_leave();
            sleep_deaf(plan.seconds);
            break;
        case Fault::slow_shutdown:
            tools.shutdown_seconds = plan.seconds.value_or(3600);
            break;
        case Fault::leak:
            leak(bytes_of(plan, 256 * mib));
            break;
        case Fault::fork_child:
        case Fault::setsid_child:
            notes.output["child_pid"] =
                leave_child_behind(plan.fault == Fault::setsid_child, plan.seconds.value_or(600));
            break;
        case Fault::flood_progress:
            flood_progress(tools.job.job_id, bytes_of(plan, 10 * mib));
            break;
        case Fault::stray_print:
            stray_prints(plan.count);
            break;
        case Fault::stray_stdout:
            raw::write(rubbish(plan.count));
            break;
        case Fault::stderr_flood:
            flood_stderr(bytes_of(plan, 10 * mib));
            break;
        case Fault::close_stdout:
            raw::flush();
            raw::close_stdout();
            break;
        case Fault::unavailable:
            outage(tools.connector_context, tools.job_context, plan.seconds.value_or(5));
            break;
        case Fault::restart_service:
            tools.connector_context.restart_service("the job asked for it");
            break;
        case Fault::overlong_line:
            raw::write(overlong_line(tools.job.job_id, bytes_of(plan, 200 * mib)));
            break;
        case Fault::foreign_result:
            raw::write(result_line(plan.foreign_job_id, R"({"status":"success","output":"stolen"})"));
            break;
        default:
            break;
    }
    return notes;
}

std::optional<RawResult> break_result(const Plan& plan, const Job& job, const std::string& result) {
    switch (plan.fault) {
        case Fault::big_result:
            return RawResult{R"({"status":"success","output":{"data":")" +
                             std::string(bytes_of(plan, mib), 'x') + R"("}})"};
        case Fault::deep_result: {
            const auto depth = static_cast<std::size_t>(plan.depth);
            raw::write(result_line(job.job_id,
                                   R"({"x":)" + std::string(depth, '[') + std::string(depth, ']') + "}"));
            break;
        }
        case Fault::nan_result:
            raw::write(result_line(job.job_id, R"({"status":"success","value":NaN})"));
            break;
        case Fault::two_results:
            raw::write(result_line(job.job_id, result));
            break;
        case Fault::half_result: {
            const std::string line = result_line(job.job_id, result);
            raw::write(line.substr(0, line.size() / 2));
            die_by(static_cast<int>(plan.signal_number));
        }
        case Fault::result_then_die:
            raw::write(result_line(job.job_id, result));
            die_by(static_cast<int>(plan.signal_number));
        default:
            break;
    }
    return std::nullopt;
}

void break_start(const Settings& settings) {
    const std::string& fault = settings.start_fault;
    if (fault.empty()) return;
    if (!settings.start_fault_file.empty() && !std::filesystem::exists(settings.start_fault_file)) return;
    if (fault == "hang") {
        sleep_deaf(std::nullopt);
    } else if (fault == "exit") {
        ::_exit(3);
    } else if (fault == "segv") {
        die_by(SIGSEGV);
    } else if (fault == "throw") {
        throw std::runtime_error("the settings asked for a failing start");
    } else if (fault == "configuration") {
        throw ConfigurationError("the settings asked for a configuration error");
    } else if (fault == "ready_twice") {
        raw::write(R"({"type":"ready","protocol":1,"job_types":[)" + quoted(settings.job_type) + "]}\n");
    } else if (fault == "foreign_version") {
        raw::write("{\"type\":\"ready\",\"protocol\":99}\n");
    } else if (fault == "rubbish") {
        raw::write(rubbish(100));
    } else {
        throw ConfigurationError("SIMULATION_START_FAULT is \"" + fault +
                                 "\"; there are hang, exit, segv, throw, configuration, ready_twice, "
                                 "foreign_version, rubbish");
    }
}

}  // namespace emprops::simulation
