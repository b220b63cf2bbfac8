// What does the job ledger cost the event loop, and for how long can a disk that somebody else saturates hold it up? Three
// records a job (begun, ended, removed), at a steady pace. The figure is the time of the calls, in which the loop does
// nothing else; beside it the time until an outcome may be sent. Not a test: it asserts nothing.
// bin/ledger_bench FOLDER [JOBS] [JOBS_PER_SECOND]: the folder is on the disk in question.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "supervisor/jobs/ledger.h"

namespace emprops::jobs {
namespace {

namespace fs = std::filesystem;

/// Writes and syncs as fast as it goes, until it is told to stop.
class Saturation {
  public:
    explicit Saturation(const fs::path& folder) : file_(folder / "saturation") {
        thread_ = std::thread([this] { run(); });
    }
    ~Saturation() {
        stop_ = true;
        thread_.join();
        fs::remove(file_);
    }
    std::uint64_t mib() const { return written_; }

  private:
    void run() {
        const std::string block(1 << 20, 'x');
        const int fd = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        for (std::uint64_t at = 0; !stop_; at = (at + 1) % 1024) {
            if (::pwrite(fd, block.data(), block.size(), static_cast<off_t>(at << 20)) < 0) break;
            ++written_;
            if (at % 64 == 63) ::fdatasync(fd);
        }
        ::close(fd);
    }

    const fs::path file_;
    std::atomic<bool> stop_ = false;
    std::atomic<std::uint64_t> written_ = 0;
    std::thread thread_;
};

double microseconds(Clock::duration time) {
    return std::chrono::duration<double, std::micro>(time).count();
}

struct Figures {
    std::vector<double> calls_us, outcomes_us;
    double of(std::vector<double>& all, double share) const {
        std::sort(all.begin(), all.end());
        return all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
    }
};

Figures run(const fs::path& folder, Durability durability, int jobs, int per_second) {
    boost::asio::io_context io;
    LedgerOptions options;
    options.state_dir = folder / "state";
    options.hub_url = "ws://hub";
    options.durability = durability;
    auto ledger = Ledger::open(options, io.get_executor());
    if (!ledger.ok()) {
        std::fprintf(stderr, "%s\n", ledger.error().message.c_str());
        std::exit(1);
    }
    Figures figures;
    const auto call = [&](const auto& work) {
        const TimePoint begin = Clock::now();
        work();
        figures.calls_us.push_back(microseconds(Clock::now() - begin));
    };
    TimePoint next = Clock::now();
    for (int i = 0; i < jobs; ++i) {
        const std::uint64_t number = (*ledger)->first_number() + static_cast<std::uint64_t>(i);
        const std::string job_id = "job-" + std::to_string(number);
        call([&] {
            (*ledger)->record_assignment({job_id, "simulation", 0, {R"({"steps":5})"}, number},
                                         {{"worker-1a2b3c4d"}, "simulation", 1, false},
                                         [](const Result<>&) {});
        });
        const TimePoint ended = Clock::now();
        bool sent = false;
        call([&] {
            (*ledger)->record_outcome(
                {job_id, number, Completed{{R"({"status":"success","output":{"a":1}})"}}},
                [&](const Result<>&, const Outcome&) {
                    figures.outcomes_us.push_back(microseconds(Clock::now() - ended));
                    sent = true;
                });
        });
        while (!sent) {
            io.restart();
            io.run_one_for(std::chrono::seconds(1));
        }
        call([&] { (*ledger)->remove(number, {}); });
        next += std::chrono::microseconds(1'000'000 / per_second);
        io.restart();
        io.run_until(next);
    }
    return figures;
}

void show(const char* name, const fs::path& folder, Durability durability, int jobs, int per_second) {
    Figures figures = run(folder, durability, jobs, per_second);
    std::printf(
        "%-22s calls p50 %6.1f us p99 %7.1f us longest %9.1f us | outcome may be sent after p50 %7.1f us p99 %9.1f us\n",
        name, figures.of(figures.calls_us, 0.5), figures.of(figures.calls_us, 0.99),
        figures.of(figures.calls_us, 1), figures.of(figures.outcomes_us, 0.5),
        figures.of(figures.outcomes_us, 0.99));
    std::fflush(stdout);
    fs::remove_all(folder / "state");
}

}  // namespace
}  // namespace emprops::jobs

int main(int argc, char** argv) {
    using namespace emprops::jobs;
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s FOLDER [JOBS] [JOBS_PER_SECOND]\n", argv[0]);
        return 64;
    }
    const std::filesystem::path folder = std::filesystem::path(argv[1]) / "ledger-bench";
    const int jobs = argc > 2 ? std::atoi(argv[2]) : 2000;
    const int per_second = argc > 3 ? std::atoi(argv[3]) : 200;
    std::filesystem::create_directories(folder);
    show("process", folder, Durability::process, jobs, per_second);
    show("disk", folder, Durability::disk, jobs, per_second);
    {
        Saturation saturation(folder);
        std::this_thread::sleep_for(std::chrono::seconds(2));
        show("process, disk is busy", folder, Durability::process, jobs, per_second);
        show("disk, disk is busy", folder, Durability::disk, jobs, per_second);
        std::printf("(meanwhile somebody else wrote %llu MiB)\n",
                    static_cast<unsigned long long>(saturation.mib()));
    }
    std::filesystem::remove_all(folder);
    return 0;
}
