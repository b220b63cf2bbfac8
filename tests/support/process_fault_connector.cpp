#include "tests/support/process_fault_connector.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace emprops::test {

namespace {

constexpr const char* switch_word = "--fault-connector";

std::vector<std::string> arguments_of_this_process() {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    std::vector<std::string> arguments;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\0', at);
        arguments.push_back(text.substr(at, end - at));
        if (end == std::string::npos) break;
        at = end + 1;
    }
    return arguments;
}

void put(const std::string& line) {
    std::string text = line + "\n";
    for (std::size_t sent = 0; sent < text.size();) {
        const ssize_t count = ::write(1, text.data() + sent, text.size() - sent);
        if (count <= 0) ::_exit(0);
        sent += static_cast<std::size_t>(count);
    }
}

/// One line from stdin; false at its end.
bool take(std::string& line) {
    static char* buffer = nullptr;
    static std::size_t size = 0;
    const ssize_t count = ::getline(&buffer, &size, stdin);
    if (count <= 0) return false;
    line.assign(buffer, static_cast<std::size_t>(count));
    return true;
}

bool is(const std::string& line, const char* type) {
    return line.rfind("{\"type\":\"" + std::string(type) + "\"", 0) == 0;
}

std::string text_of(const std::string& line, const std::string& key) {
    const std::string mark = "\"" + key + "\":\"";
    const std::size_t at = line.find(mark);
    if (at == std::string::npos) return {};
    const std::size_t begin = at + mark.size();
    return line.substr(begin, line.find('"', begin) - begin);
}

void put_ready(const std::string& more = R"("features":["cancel","ping"])") {
    put(R"({"type":"ready","protocol":1,"job_types":["t"],)" + more + "}");
}
void put_result(const std::string& job_id, const std::string& result = R"({"ok":true})") {
    put(R"({"type":"result","job_id":")" + job_id + R"(","result":)" + result + "}");
}
void put_progress(const std::string& job_id, int percent) {
    put(R"({"type":"progress","job_id":")" + job_id + R"(","progress":)" + std::to_string(percent) + "}");
}
void answer_ping(const std::string& line) {
    const std::size_t at = line.find("\"id\":");
    if (at != std::string::npos)
        put(R"({"type":"pong","id":)" + std::to_string(std::atoll(&line[at + 5])) + "}");
}

std::string json_list(const std::vector<std::string>& items) {
    std::string text = "[";
    for (const std::string& item : items)
        text += (text.size() > 1 ? ",\"" : "\"") + item + "\"";
    return text + "]";
}

std::string open_descriptors() {
    std::vector<std::string> open;
    for (int fd = 0; fd < 1024; ++fd) {
        if (::fcntl(fd, F_GETFD) != -1) open.push_back(std::to_string(fd));
    }
    return json_list(open);
}

std::string environment_names() {
    std::vector<std::string> names;
    for (char** entry = environ; *entry != nullptr; ++entry)
        names.emplace_back(*entry, static_cast<std::size_t>(std::strchr(*entry, '=') - *entry));
    return json_list(names);
}

std::string odd_signals() {
    std::vector<std::string> odd;
    // SIGSEGV and the like are left out: a sanitizer handles them.
    for (const int signal : {SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD, SIGTTOU, SIGTSTP}) {
        struct sigaction action {};
        if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_DFL)
            odd.push_back(std::to_string(signal));
    }
    sigset_t mask;
    ::sigprocmask(SIG_BLOCK, nullptr, &mask);
    for (int signal = 1; signal < 32; ++signal) {
        if (::sigismember(&mask, signal)) odd.push_back("blocked " + std::to_string(signal));
    }
    return json_list(odd);
}

std::string self_report() {
    char folder[4096];
    const char* variable = std::getenv("GPU");
    return R"({"fds":)" + open_descriptors() + R"(,"env":)" + environment_names() + R"(,"signals":)" +
           odd_signals() + R"(,"cwd":")" + (::getcwd(folder, sizeof folder) != nullptr ? folder : "") +
           R"(","group_leader":)" + (::getpgrp() == ::getpid() ? "true" : "false") + R"(,"no_new_privs":)" +
           std::to_string(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)) + R"(,"gpu":")" +
           (variable != nullptr ? variable : "") + "\"}";
}

/// Appends the id of this process to a file.
void note_pid(const std::string& file) {
    const std::string line = std::to_string(::getpid()) + "\n";
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || ::write(fd, line.data(), line.size()) < 0) ::_exit(3);
    ::close(fd);
}

[[noreturn]] void sleep_for_ever() {
    for (;;)
        ::pause();
}

/// A child in our group, one that leaves the session and is orphaned, and a child of that one.
void make_grandchildren(const std::string& file) {
    if (::fork() == 0) {
        note_pid(file);
        ::signal(SIGTERM, SIG_IGN);
        sleep_for_ever();
    }
    const pid_t middle = ::fork();
    if (middle == 0) {
        if (::fork() == 0) {
            ::setsid();
            ::signal(SIGTERM, SIG_IGN);
            note_pid(file);
            if (::fork() == 0) note_pid(file);
            sleep_for_ever();
        }
        ::_exit(0);
    }
    ::waitpid(middle, nullptr, 0);
}

/// A child of a session and an environment of its own: neither group nor marker tells whose it is.
void escape_without_a_trace(const std::string& file) {
    if (::fork() != 0) {
        while (!std::filesystem::exists(file))
            ::usleep(1000);
        return;
    }
    ::setsid();
    note_pid(file);
    char name[] = "sleep";
    char time[] = "60";
    char* const arguments[] = {name, time, nullptr};
    char* const nothing[] = {nullptr};
    ::execve("/bin/sleep", arguments, nothing);
    ::_exit(3);
}

/// 20 000 changes of one offer, and as many requests.
void flood_status(const std::string& job_id) {
    for (int count = 1; count <= 20'000; ++count) {
        put(R"({"type":"status","connected":true,"available":)" + std::string(count % 2 ? "false" : "true") +
            R"(,"details":{"n":)" + std::to_string(count) + "}}");
        put(R"({"type":"capabilities","capabilities":{"n":)" + std::to_string(count) + "}}");
        put(R"({"type":"service_request","job_id":")" + job_id + R"(","service":"s","request_type":"r"})");
        put(R"({"type":"accepted","job_id":")" + job_id + "\"}");
    }
}

/// Reads messages and answers each job with `on_job`; returns at the end of stdin or at `shutdown`.
template <class OnJob>
void serve(OnJob on_job) {
    for (std::string line; take(line);) {
        if (is(line, "ping")) answer_ping(line);
        if (is(line, "job")) on_job(text_of(line, "job_id"), line);
        if (is(line, "shutdown")) return;
    }
}

void run(const std::string& mode, const std::vector<std::string>& extra) {
    const auto argument = [&](std::size_t index) {
        return index < extra.size() ? extra[index] : std::string();
    };
    using Id = const std::string&;
    if (mode == "exit_at_start") ::_exit(std::atoi(argument(0).c_str()));
    if (mode == "never_ready") return serve([](Id, Id) {});
    if (mode == "wrong_protocol") {
        put(R"({"type":"ready","protocol":7,"job_types":["t"]})");
        return serve([](Id, Id) {});
    }
    if (mode == "init_failed") {
        put(R"({"type":"init_failed","error":{"code":"x.no_gpu","message":"no GPU here","retryable":)" +
            (argument(0).empty() ? "false" : argument(0)) + "}}");
        ::_exit(1);
    }
    if (mode == "broken_when_file_exists" && std::filesystem::exists(argument(0))) ::_exit(9);
    if (mode == "grandchildren") make_grandchildren(argument(0));
    if (mode == "ignore_term") ::signal(SIGTERM, SIG_IGN);
    if (mode == "escape") escape_without_a_trace(argument(0));
    if (mode == "status") {
        put_ready(R"("features":["status"])");
        std::string hello;
        take(hello);
        put(R"({"type":"status","connected":true,"service":"s"})");
        return serve([](Id id, Id) { put_result(id); });
    }
    if (mode == "resume") {
        put_ready(R"("features":["resume"])");
        return serve([](Id id, Id line) {
            // The first process dies with the job, the second one finds what it left behind.
            const std::string file = text_of(line, "work_dir") + "/checkpoint";
            if (line.find("\"resume\":true") == std::string::npos) {
                std::ofstream(file) << "x";
                ::_exit(1);
            }
            put_result(id, std::filesystem::exists(file) ? R"({"found":true})" : R"({"found":false})");
        });
    }
    if (mode == "allocate") {
        const std::size_t bytes = std::size_t{64} << 20;
        std::memset(std::malloc(bytes), 1, bytes);
    }
    put_ready(mode == "no_ping" ? R"("features":[])" : R"("features":["cancel","ping"],"concurrency":4)");
    if (mode == "ready_twice") put_ready(R"("features":["cancel","ping"],"concurrency":9)");
    if (mode == "sigstop") ::raise(SIGSTOP);
    if (mode == "close_stdout") {
        ::close(1);
        sleep_for_ever();
    }
    if (mode == "not_reading" || mode == "ignore_term") sleep_for_ever();
    if (mode == "hang") {
        std::string line;
        while (take(line)) {
        }
        sleep_for_ever();
    }
    if (mode == "stderr_flood") {
        const std::string line(99, 'e');
        for (int count = 0; count < 400'000; ++count)
            std::fprintf(stderr, "%s\n", line.c_str());
    }
    serve([&](Id id, Id line) {
        if (mode == "segv_on_job") {
            std::fprintf(stderr, "about to crash\n");
            ::signal(SIGSEGV, SIG_DFL);  // a sanitizer would turn it into an exit
            ::raise(SIGSEGV);
        }
        if (mode == "exit_on_job") ::_exit(5);
        if (mode == "result_then_die") {
            put_progress(id, 50);
            put_progress(id, 99);
            put_result(id, R"({"last":"words"})");
            ::kill(::getpid(), SIGKILL);
        }
        if (mode == "progress_flood") {
            const int rounds = std::atoi(argument(0).c_str());
            std::string block;
            for (int step = 0; step < 1000; ++step)
                block += R"({"type":"progress","job_id":")" + id + R"(","progress":)" +
                         std::to_string(step / 10) + "}\n";
            block.pop_back();
            for (int round = 0; round < rounds; ++round)
                put(block);
        }
        if (mode == "overlong") {
            const std::string part(std::size_t{1} << 20, 'x');
            std::string head = R"({"type":"result","job_id":")" + id + R"(","result":{"data":")";
            if (::write(1, head.data(), head.size()) < 0) ::_exit(1);
            for (int count = 0; count < 199; ++count) {
                for (std::size_t sent = 0; sent < part.size();) {
                    const ssize_t written = ::write(1, part.data() + sent, part.size() - sent);
                    if (written <= 0) ::_exit(1);
                    sent += static_cast<std::size_t>(written);
                }
            }
            put(part + "\"}}");
            return;
        }
        if (mode == "nested") {
            put_result(id, R"({"x":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}");
            return;
        }
        if (mode == "foreign") put_result("somebody-elses");
        if (mode == "log") put(R"({"type": "log", "level": "info", "message": "as Python writes it"})");
        if (mode == "stray") put("loading model... 42%");
        if (mode == "status_flood") flood_status(id);
        if (mode == "overlong_stray") put(std::string(3'000'000, 'x'));
        if (mode == "overlong_unnamed") put(R"({"type":"x","x":")" + std::string(3'000'000, 'x') + "\"}");
        if (mode == "overlong_foreign")
            put(R"({"type":"result","job_id":"somebody-elses","x":")" + std::string(3'000'000, 'x') + "\"}");
        if (mode == "broken_foreign") put(R"({"type":"result","job_id":"somebody-elses","result":NaN})");
        if (mode == "broken_secret") {
            put(R"({"type":"result","job_id":")" + id + R"(","result":{"key":"secret"},})");
            return;
        }
        if (mode == "last_words") {
            for (int line_number = 0; line_number < 500; ++line_number)
                std::fprintf(stderr, "chatter %d\n", line_number);
            std::fprintf(stderr, "the reason of my death\n");
            ::_exit(5);
        }
        if (mode == "two_results") put_result(id, R"({"n":1})");
        if (mode == "slow") ::usleep(static_cast<useconds_t>(std::atoi(argument(0).c_str())) * 1000);
        if (mode == "self_report") return put_result(id, self_report());
        if (mode == "work_dir") {
            std::ofstream(text_of(line, "work_dir") + "/file") << "x";
            return put_result(id, R"({"dir":")" + text_of(line, "work_dir") + "\"}");
        }
        if (mode == "hold") return;
        put_result(id);
    });
}

/// Runs before main(): a test program that was started as a connector never becomes a test program.
const bool checked = [] {
    const std::vector<std::string> arguments = arguments_of_this_process();
    if (arguments.size() < 3 || arguments[1] != switch_word) return false;
    run(arguments[2], {arguments.begin() + 3, arguments.end()});
    ::_exit(0);
}();

}  // namespace

std::vector<std::string> fault_connector(const std::string& mode, std::vector<std::string> arguments) {
    (void)checked;
    std::vector<std::string> command{std::filesystem::read_symlink("/proc/self/exe").string(), switch_word,
                                     mode};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
}

}  // namespace emprops::test
