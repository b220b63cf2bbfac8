// What does a file cost the courier, beside `curl -T` of the same file to the same server in the same round? The courier
// reads it twice: once for its SHA-256, which stands in the result, and once while it sends. bin/courier_bench [ROUNDS] [MB]

#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/benchmarks/process_cost.h"
#include "tests/benchmarks/report.h"
#include "tests/support/courier_process.h"
#include "tests/support/s3_double.h"

namespace emprops::bench {
namespace {

using Json = nlohmann::json;

struct Cost {
    double cpu_ms = 0;
    double peak_kib = 0;
};

double ms_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
}

Cost run_curl(const std::string& file, const std::string& url) {
    std::vector<std::string> words{"curl", "-s", "-f", "-o", "/dev/null", "-T", file, url};
    std::vector<char*> argv;
    for (std::string& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t pid = 0;
    if (::posix_spawnp(&pid, "curl", nullptr, nullptr, argv.data(), environ) != 0)
        throw std::runtime_error("there is no curl to compare with: apt install curl");
    Cost cost;
    rusage usage{};
    int status = 0;
    // The kernel's figure at its end has the memory of whoever started it in it.
    while (::wait4(pid, &status, WNOHANG, &usage) == 0) {
        cost.peak_kib = std::max(cost.peak_kib, static_cast<double>(peak_kib(pid)));
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("curl failed: " + url);
    cost.cpu_ms = ms_of(usage.ru_utime) + ms_of(usage.ru_stime);
    return cost;
}

Cost run_courier(test::CourierProcess& courier, const std::string& id, const std::string& path,
                 const std::string& store) {
    const pid_t pid = courier.child().pid();
    reset_peak(pid);
    const double before = cpu_ms(pid);
    courier.deliver(id, {{"file", {{"path", path}}},
                         {"values", {{"job_id", store == "folder" ? id : store}}},
                         {"stores", {store}}});
    const Json outcome = courier.outcome(id, test::Ms(120'000));
    if (outcome.at("type") != "result") throw std::runtime_error(outcome.dump());
    return {cpu_ms(pid) - before, static_cast<double>(peak_kib(pid))};
}

void add(Report& report, const std::string& row, const Cost& cost, const Cost& curl) {
    report.add(row, "CPU, ms", cost.cpu_ms);
    report.add(row, "CPU, curl = 1", cost.cpu_ms / curl.cpu_ms);
    report.add(row, "peak memory, KiB", cost.peak_kib);
    report.add(row, "memory, curl = 1", cost.peak_kib / curl.peak_kib);
}

int run(int rounds, std::size_t megabytes) {
    test::S3Options any;
    any.check_signatures = false;
    test::S3Double server(any);
    const Json s3 = {{"type", "s3"},
                     {"endpoint", server.endpoint()},
                     {"bucket", "results"},
                     {"access_key", "AK"},
                     {"secret_key", "secret"}};
    const Json put = {{"type", "http_put"}, {"url", server.endpoint() + "/put/{key}"}};
    test::TempDir kept;
    const Json folder = {{"type", "directory"}, {"path", kept.path().string()}};
    const Json settings = {{"stores", {{"s3", s3}, {"put", put}, {"folder", folder}}}};
    test::CourierProcess courier(settings);
    std::string content(megabytes * 1'000'000, '\0');
    unsigned state = 1;
    for (char& c : content)
        c = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
    courier.put("17/file.bin", content);
    courier.put("17/small.bin", "x");
    content = {};
    run_courier(courier, "warm", "17/small.bin", "put");

    Report report("a file of " + std::to_string(megabytes) +
                  " MB to a server on loopback, rounds: " + std::to_string(rounds));
    const std::string file = (courier.spool() / "17/file.bin").string();
    for (int round = 0; round < rounds; ++round) {
        const std::string n = std::to_string(round);
        const Cost curl = run_curl(file, server.endpoint() + "/put/curl");
        add(report, "curl -T", curl, curl);
        add(report, "courier, http_put", run_courier(courier, "p" + n, "17/file.bin", "put"), curl);
        add(report, "courier, s3", run_courier(courier, "s" + n, "17/file.bin", "s3"), curl);
        add(report, "courier, directory", run_courier(courier, "d" + n, "17/file.bin", "folder"), curl);
    }
    report.print();
    return 0;
}

}  // namespace
}  // namespace emprops::bench

int main(int argc, char** argv) {
    try {
        const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
        const int megabytes = argc > 2 ? std::atoi(argv[2]) : 100;
        return emprops::bench::run(std::max(1, rounds), static_cast<std::size_t>(std::max(1, megabytes)));
    } catch (const std::exception& failed) {
        std::fprintf(stderr, "courier_bench: %s\n", failed.what());
        return 1;
    }
}
