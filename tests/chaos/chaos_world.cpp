#include "tests/chaos/chaos_world.h"

#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <iterator>
#include <thread>

#include "ipc/web/digest.h"

namespace emprops::test {
namespace {

/// Never gives up on a job: what fails at the end of chaos has failed for a reason of its own.
const std::vector<std::string> hub_settings{"local_hub.max_attempts=1000", "local_hub.requeue_after=3s"};

/// A connector, its job type of the same name, and what its jobs do to it, each with a chance in percent.
struct Temper {
    const char* type;
    int concurrency;
    const char* settings;
    const char* env;
    struct Fate {
        int percent;
        const char* payload;
    };
    std::vector<Fate> fates;
};

const std::vector<Temper>& tempers() {
    static const std::vector<Temper> all{
        {"plain",
         1,
         "",
         ", SIMULATION_PREPARE = \"1\"",
         {{3, R"({"fault":"segv","on_attempt":1})"}, {3, R"({"fault":"fail","on_attempt":1})"}}},
        {"wide",
         6,
         "",
         "",
         {{2, R"({"fault":"segv","on_attempt":1})"}, {3, R"({"fault":"result_then_die","on_attempt":1})"}}},
        {"pair",
         2,
         "instances = 2",
         ", SIMULATION_PREPARE = \"1\"",
         {{3, R"({"fault":"exit","on_attempt":1})"}}},
        {"resumes",
         3,
         "",
         ", SIMULATION_RESUME = \"1\", SIMULATION_PREPARE = \"1\"",
         {{6, R"({"fault":"segv","on_attempt":1})"}}},
        {"crashes",
         2,
         "",
         ", SIMULATION_PREPARE = \"1\"",
         {{10, R"({"fault":"segv","on_attempt":1})"},
          {5, R"({"fault":"signal","signal":9,"on_attempt":1})"},
          {5, R"({"fault":"half_result","on_attempt":1})"},
          {5, R"({"fault":"nan_result","on_attempt":1})"}}},
        {"hangs",
         2,
         "no_progress_timeout = \"3s\"",
         "",
         {{4, R"({"fault":"hang","on_attempt":1})"},
          {2, R"({"fault":"stop","on_attempt":1})"},
          {2, R"({"fault":"ignore_term","on_attempt":1})"}}},
        {"deaf", 2, "", ", SIMULATION_PREPARE = \"1\"", {{40, R"({"fault":"ignore_cancel"})"}}},
        {"floods",
         2,
         "",
         "",
         {{10, R"({"fault":"flood_progress","bytes":4000000})"},
          {10, R"({"fault":"stderr_flood","bytes":2000000})"},
          {5, R"({"fault":"stray_stdout"})"},
          {5, R"({"fault":"two_results"})"},
          {5, R"({"fault":"foreign_result"})"}}},
    };
    return all;
}

std::string connector(const Temper& temper, const std::filesystem::path& journal) {
    return std::string("[connectors.") + temper.type + "]\ncommand = [\"emprops-connector-simulation\"]\n" +
           temper.settings + "\nconcurrency = " + std::to_string(temper.concurrency) +
           "\nenv = {SIMULATION_JOB_TYPE = \"" + temper.type + "\", SIMULATION_JOURNAL = \"" +
           journal.string() + "\"" + temper.env + "}\n\n";
}

std::string configuration(const std::filesystem::path& journal) {
    std::string text = R"([hub]
reconnect_min = "100ms"
reconnect_max = "1s"
idle_timeout = "6s"
cancel_poll = "500ms"

[supervision]
poison_deaths = 0
breaker_deaths = 0
backoff_initial = "100ms"
backoff_max = "500ms"
ping_interval = "1s"
cancel_timeout = "1s"
stop_shutdown = "500ms"
stop_term = "300ms"

)";
    for (const Temper& temper : tempers())
        text += connector(temper, journal);
    return text;
}

bool is_final(const std::string& status) {
    return status == "completed" || status == "failed" || status == "cancelled";
}

}  // namespace

ChaosWorld::ChaosWorld(std::uint64_t seed) : random_(seed), hub_(hub_settings), proxy_(hub_.port()) {
    worker_ =
        std::make_unique<TestWorker>(TestWorkerOptions{proxy_.url(), configuration(journal()), {}, {}, {}});
    for (const Temper& temper : tempers())
        worker_->wait_state(temper.type, "ready", Ms(60'000));
}

Json ChaosWorld::at_hub(const std::string& job_id) const {
    try {
        const auto answer = http_get(hub_.port(), "/api/jobs/" + job_id);
        return answer.status == 200 ? answer.json() : Json();
    } catch (const std::runtime_error&) {
        return {};
    }
}

bool ChaosWorld::right_result(const ChaosJob& job, const Json& result) {
    const auto echo = result.value(Json::json_pointer("/output/echo"), Json());
    return echo == job.payload && md5_hex(echo.value("data", "")) == job.checksum;
}

void ChaosWorld::submit_up_to(std::size_t on_their_way) {
    while (open_.size() < on_their_way && submit_one()) {
    }
}

bool ChaosWorld::submit_one() {
    const Temper& temper =
        tempers()[static_cast<std::size_t>(random(0, static_cast<int>(tempers().size()) - 1))];
    ChaosJob job;
    job.type = temper.type;
    std::string data = "job " + std::to_string(jobs_.size()) + " \xc3\xa4 ";
    for (int n = random(0, 200); n > 0; --n)
        data += static_cast<char>(random('!', '~'));
    job.checksum = md5_hex(data);
    job.payload = {{"echo", true},
                   {"data", data},
                   {"checksum", job.checksum},
                   {"processing_time", std::pow(random(0, 30), 2) / 1000.0},  // mostly short
                   {"steps", random(1, 6)}};
    int dice = random(0, 99);
    for (const Temper::Fate& fate : temper.fates) {
        if (dice >= 0 && dice < fate.percent) {
            job.payload.update(Json::parse(fate.payload));
            job.payload["at_step"] = random(1, 3);
            ++faults_[std::string(temper.type) + ": " + job.payload["fault"].get<std::string>()];
        }
        dice -= fate.percent;
    }
    const std::string id = "chaos-" + std::to_string(jobs_.size());
    const Json request{
        {"job_id", id}, {"job_type", job.type}, {"priority", random(0, 3)}, {"payload", job.payload}};
    bool there = false;
    try {
        const auto answer = http_post(hub_.port(), "/api/jobs", request.dump());
        there = answer.status == 200;
        if (!there) ADD_FAILURE() << "the hub refuses a job: " << answer.body;
    } catch (const std::runtime_error&) {
        return false;  // it is away; the same job is tried again
    }
    if (!there) return false;
    jobs_.emplace(id, std::move(job));
    open_.insert(id);
    return true;
}

bool ChaosWorld::look() {
    for (auto it = open_.begin(); it != open_.end();) {
        const auto shown = at_hub(*it);
        if (shown.is_null()) return false;
        const auto status = shown.at("status").get<std::string>();
        if (is_final(status)) jobs_.at(*it).final_status = status;
        it = is_final(status) ? open_.erase(it) : std::next(it);
    }
    return true;
}

bool ChaosWorld::all_final() const {
    return open_.empty();
}

const std::string& ChaosWorld::random_open_job() {
    return *std::next(open_.begin(), random(0, static_cast<int>(open_.size()) - 1));
}

std::optional<Json> ChaosWorld::status_now() const {
    const auto output = worker_->cli({"status", "--json"});
    if (output.exit_code != 0) return std::nullopt;  // it is starting
    return Json::parse(output.out, nullptr, false);
}

void ChaosWorld::damage() {
    const int dice = random(0, 99);
    if (dice < 25) return kill_connector(SIGKILL, "connectors killed");
    if (dice < 30) return kill_connector(SIGSTOP, "connectors stopped (SIGSTOP)");
    if (dice < 37) return restart_connector();
    if (dice < 55) return cancel_job();
    if (dice < 75) return cut_link();
    if (dice < 83) return stall_link();
    if (dice < 93) return kill_supervisor();
    return kill_hub();
}

void ChaosWorld::kill_connector(int signal, const char* what) {
    const int which = random(0, 99);
    const auto status = status_now();
    if (!status) return;
    const auto& connectors = status->at("connectors");
    const int pid = connectors.at(static_cast<std::size_t>(which) % connectors.size()).at("pid");
    if (pid <= 0) return;
    ::kill(pid, signal);
    count(what);
}

/// The new process comes first, the old one finishes its jobs.
void ChaosWorld::restart_connector() {
    const auto& temper =
        tempers()[static_cast<std::size_t>(random(0, static_cast<int>(tempers().size()) - 1))];
    if (worker_->cli({"restart", temper.type}).exit_code == 0) count("connectors restarted by an operator");
}

void ChaosWorld::kill_supervisor() {
    const auto status = status_now();
    if (!status) return;
    ::kill(status->at("worker").at("pid").get<int>(), SIGKILL);
    ASSERT_TRUE(worker_->process().wait(Ms(20'000))) << "the guardian does not end";
    old_logs_ += worker_->log();
    worker_->start();
    count("supervisor killed");
}

void ChaosWorld::kill_hub() {
    hub_.kill();
    std::this_thread::sleep_for(Ms(random(0, 1500)));  // how long it is away is part of the damage
    hub_.start();
    count("hub killed");
}

void ChaosWorld::cut_link() {
    FaultProxy::Faults faults;
    if (random(0, 1) == 0) {
        faults.cut_after_bytes = static_cast<std::uint64_t>(random(1, 20'000));  // in the middle of a frame
    } else {
        proxy_.cut();
    }
    proxy_.set(faults);
    count("links cut");
}

/// Half-open, or slow: nothing is closed.
void ChaosWorld::stall_link() {
    FaultProxy::Faults faults;
    if (random(0, 1) == 0) {
        faults.blackhole = true;
    } else {
        faults.delay = Ms(random(1, 200));
        faults.piece_bytes = 512;
    }
    proxy_.set(faults);
    std::this_thread::sleep_for(Ms(random(100, 2000)));  // as above
    proxy_.set({});
    count("links stalled");
}

void ChaosWorld::cancel_job() {
    if (open_.empty()) return;
    const std::string id = random_open_job();
    try {
        JobClient client(hub_);
        client.hub.send({{"type", "cancel_job"}, {"job_id", id}, {"reason", "chaos"}});
        const auto answer = client.hub.receive([&](const Json& message) {
            return message.value("type", "") == "error" ||
                   (message.value("job_id", "") == id && message.value("status", "") == "cancelled");
        });
        if (answer.at("type") == "error") return;  // it has ended meanwhile
        jobs_.at(id).cancel_acknowledged = true;
        count("jobs cancelled");
    } catch (const std::runtime_error& failure) {
        ADD_FAILURE() << "cancelling " << id << ": " << failure.what();
    }
}

void ChaosWorld::make_peace() {
    proxy_.set({});
    proxy_.cut();  // those that a limit of bytes still waits for
}

}  // namespace emprops::test
