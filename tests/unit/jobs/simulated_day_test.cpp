// A day of a whole worker in a second: eight connectors of different temper, each with its Life, and one
// Dispatcher; processes, Hub and clock are played here. Every assignment ends exactly once.

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "supervisor/jobs/dispatcher.h"
#include "supervisor/process/life/life.h"

namespace emprops::jobs::test {
namespace {

using namespace std::chrono_literals;
using process::InstanceId;
using process::Life;

/// What a connector does to its jobs and to us, in percent of its jobs or starts.
struct Temper {
    const char* name;
    int concurrency = 1;
    ipc::Features features{.cancel = true, .ping = true};
    unsigned crashes = 0;        ///< dies in mid-job
    unsigned hangs = 0;          ///< job and pings unanswered forever
    unsigned last_words = 0;     ///< dies right after the result
    unsigned hands_back = 0;     ///< not_started
    unsigned bad_starts = 0;     ///< dies before ready
    bool obeys_shutdown = true;  ///< else only SIGKILL ends it
    bool obeys_cancel = true;
    std::uint64_t max_jobs = 0;
};

const Temper tempers[] = {
    {.name = "good", .concurrency = 3},
    {.name = "resumes", .features = {.cancel = true, .ping = true, .resume = true}, .crashes = 10},
    {.name = "crashes", .crashes = 15, .last_words = 5},
    {.name = "hangs", .concurrency = 2, .hangs = 5},
    {.name = "deaf", .features = {.ping = true}, .obeys_shutdown = false, .obeys_cancel = false},
    {.name = "starts_badly", .crashes = 5, .bad_starts = 60},
    {.name = "picky", .concurrency = 2, .hands_back = 20, .max_jobs = 50},
    {.name = "silent", .features = {.cancel = true}, .hangs = 3, .obeys_cancel = false},
};

class Day {
  public:
    explicit Day(unsigned seed) : random_(seed) {
        DispatcherSettings settings;
        for (const Temper& temper : tempers) {
            Connector& connector = connectors_[temper.name];
            connector.temper = &temper;
            process::LifeOptions options;
            options.name = temper.name;
            connector.policy.max_jobs = temper.max_jobs;
            connector.policy.no_progress_timeout = 5min;
            options.policy = connector.policy;
            options.readiness =
                process::SaysReady{connector.policy.ping_interval, connector.policy.ping_missed};
            connector.life = std::make_unique<Life>(
                options, [this] { return std::uniform_real_distribution<double>(0, 1)(random_); });
            settings.connector_order.push_back(temper.name);
        }
        dispatcher_ = std::make_unique<Dispatcher>(settings);
        for (auto& [name, connector] : connectors_)
            carry_out(connector, connector.life->start(now_));
        later(1s, [this] { submit(); });
    }

    /// Lets time pass, from event to event.
    void pass(Ms duration) {
        const TimePoint end = now_ + duration;
        while (!::testing::Test::HasFailure()) {
            std::optional<TimePoint> next = dispatcher_->next_wakeup();
            const auto consider = [&](std::optional<TimePoint> at) {
                if (at && (!next || *at < *next)) next = at;
            };
            if (!events_.empty()) consider(events_.begin()->first);
            for (const auto& [name, connector] : connectors_)
                consider(connector.life->next_wakeup());
            if (!next || *next > end) break;
            ASSERT_LT(turns_++, 20'000'000) << "time stands still";
            now_ = std::max(now_, *next);
            while (!events_.empty() && events_.begin()->first <= now_) {
                const auto event = std::move(events_.begin()->second);
                events_.erase(events_.begin());
                event();
            }
            for (auto& [name, connector] : connectors_)
                carry_out(connector, connector.life->tick({}, now_));
            if (const auto due = dispatcher_->next_wakeup(); due && *due <= now_) dispatcher_->on_time(now_);
            perform();
        }
        now_ = end;
    }

    void stop_submitting() { submitting_ = false; }
    void shut_down() {
        for (auto& [name, connector] : connectors_)
            carry_out(connector, connector.life->shutdown(now_));
        perform();
    }

    struct Process {
        InstanceId id;
        TimePoint born;
        bool ready = false;
        bool hung = false;
        std::set<std::string> jobs;
    };
    struct Connector {
        const Temper* temper = nullptr;
        std::unique_ptr<Life> life;
        config::SupervisionSettings policy;
        std::map<std::uint64_t, Process> processes;
        int spawns = 0;
        int completed = 0;
    };

    std::map<std::string, Connector>& connectors() { return connectors_; }
    const std::map<std::uint64_t, std::string>& live() const { return live_; }
    const Dispatcher& dispatcher() const { return *dispatcher_; }
    std::uint64_t assigned() const { return number_; }
    std::uint64_t ended() const { return ended_; }
    int most_starts_of_a_job() const {
        int most = 0;
        for (const auto& [job_id, count] : starts_)
            most = std::max(most, count);
        return most;
    }

  private:
    bool percent(unsigned chance) { return random_() % 100 < chance; }
    Ms between(Ms low, Ms high) {
        return Ms(std::uniform_int_distribution<std::int64_t>(low.count(), high.count())(random_));
    }
    void later(Ms delay, std::function<void()> event) { events_.emplace(now_ + delay, std::move(event)); }
    /// Something of this process, unless it has ended by then.
    void later(Ms delay, const InstanceId& id, std::function<void(Connector&, Process&)> event) {
        later(delay, [this, id, event = std::move(event)] {
            Connector& connector = connectors_.at(id.connector);
            const auto found = connector.processes.find(id.generation);
            if (found != connector.processes.end()) event(connector, found->second);
        });
    }

    // ---- the Hub
    void submit() {
        if (!submitting_) return;
        later(between(1s, 20s), [this] { submit(); });
        const std::string type = tempers[random_() % std::size(tempers)].name;
        const std::string job_id = "j" + std::to_string(number_ + 1);
        if (!dispatcher_->reserve(now_, job_id, type)) return;
        live_[++number_] = job_id;
        dispatcher_->assigned(now_, Assignment{job_id, type, 0, {"{}"}, number_}, "w");
        if (percent(5))
            later(between(0s, 40s),
                  [this, job_id] { dispatcher_->cancel(now_, job_id, "somebody wants it"); });
    }

    // ---- the fleet
    void carry_out(Connector& connector, process::Actions actions) {
        for (const process::Action& each : actions)
            std::visit([&](const auto& action) { on(connector, action); }, each);
    }
    void on(Connector& connector, const process::action::Spawn&) {
        const InstanceId id{connector.temper->name, 0, ++generation_};
        connector.processes[generation_] = Process{id, now_, false, false, {}};
        ++connector.spawns;
        carry_out(connector, connector.life->spawned(id.generation, now_));
        if (percent(connector.temper->bad_starts))
            later(between(0s, 2s), id, [this](Connector& of, Process& one) { die(of, one, SIGSEGV); });
        else
            later(between(100ms, 10s), id, [this](Connector& of, Process& one) {
                carry_out(
                    of, of.life->ready(one.id.generation, ipc::protocol_version, of.temper->features, now_));
            });
    }
    void on(Connector& connector, const process::action::Announce& action) {
        Process& one = connector.processes.at(action.generation);
        one.ready = true;
        process::InstanceInfo info;
        info.job_types = {connector.temper->name};
        info.concurrency = connector.temper->concurrency;
        info.features = connector.temper->features;
        dispatcher_->instance_ready(now_, one.id, info, connector.policy);
    }
    void on(Connector& connector, const process::action::Withdraw& action) {
        dispatcher_->instance_leaving(now_, connector.processes.at(action.generation).id);
    }
    void on(Connector& connector, const process::action::SendPing& action) {
        const auto found = connector.processes.find(action.generation);
        if (found != connector.processes.end() && !found->second.hung)
            connector.life->pong(action.generation, action.id);
    }
    void on(Connector&, const process::action::SendDrain&) {}
    void on(Connector& connector, const process::action::SendShutdown& action) {
        Process& one = connector.processes.at(action.generation);
        if (connector.temper->obeys_shutdown && !one.hung)
            later(between(10ms, 3s), one.id, [this](Connector& of, Process& it) { die(of, it, 0); });
    }
    void on(Connector& connector, const process::action::SignalGroup& action) {
        Process& one = connector.processes.at(action.generation);
        const int signal = action.signal;
        if (signal == SIGKILL || connector.temper->obeys_shutdown)
            later(5ms, one.id, [this, signal](Connector& of, Process& it) { die(of, it, signal); });
    }
    void on(Connector&, const process::action::ReportStuck&) { ADD_FAILURE() << "SIGKILL did not help"; }
    void on(Connector&, const emprops::Note&) {}
    void on(Connector&, const process::action::CheckPort&) { ADD_FAILURE() << "only services have ports"; }
    void on(Connector&, const process::action::AskPage&) { ADD_FAILURE() << "only services have pages"; }

    void die(Connector& connector, Process& one, int signal) {
        const InstanceId id = one.id;
        process::DeathReport report;
        if (signal == 0)
            report.exit_code = 0;
        else
            report.signal = signal;
        report.pid = 4711;
        report.uptime = std::chrono::duration_cast<Ms>(now_ - one.born);
        report.jobs_held.assign(one.jobs.begin(), one.jobs.end());
        const bool ready = one.ready;
        carry_out(connector, connector.life->exit_seen(id.generation, now_));
        connector.processes.erase(id.generation);
        process::Actions actions = connector.life->exited(id.generation, report, now_);
        if (ready) dispatcher_->instance_gone(now_, id, report);
        carry_out(connector, std::move(actions));
    }

    // ---- the dispatcher's actions
    void perform() {
        for (auto actions = dispatcher_->take_actions(); !actions.empty();
             actions = dispatcher_->take_actions()) {
            for (Action& action : actions)
                std::visit([&](auto& each) { on(each); }, action);
        }
    }
    void on(RecordJob& action) { dispatcher_->recorded(now_, action.assignment.number); }
    void on(BeginJob&) {}  // no Hub is told of here, so nothing is claimed ahead
    void on(TellBegun&) {}
    void on(GiveJob& action) {
        Connector& connector = connectors_.at(action.instance.connector);
        const std::string job_id = action.job.job_id;
        const auto found = connector.processes.find(action.instance.generation);
        const process::Run* run = connector.life->find(action.instance.generation);
        if (found == connector.processes.end() || run->phase() != process::Run::Phase::up || percent(1)) {
            dispatcher_->not_given(now_, action.instance, job_id);
            return;
        }
        EXPECT_TRUE(found->second.jobs.insert(job_id).second) << job_id << " was given twice";
        EXPECT_LE(found->second.jobs.size(), static_cast<std::size_t>(connector.temper->concurrency));
        ++starts_[job_id];
        connector.life->job_given(action.instance.generation);
        work(connector, found->second, job_id);
    }
    void work(Connector& connector, Process& one, const std::string& job_id) {
        const Temper& temper = *connector.temper;
        const Ms time = between(100ms, 40s);
        if (one.hung || percent(temper.hangs)) {
            one.hung = true;
        } else if (percent(temper.hands_back)) {
            later(50ms, one.id,
                  [this, job_id](Connector&, Process& it) { answer(it, job_id, ipc::code::not_started); });
        } else if (percent(temper.crashes)) {
            later(time, one.id, [this](Connector& of, Process& it) { die(of, it, SIGSEGV); });
        } else {
            const bool dies = percent(temper.last_words);
            later(time / 2, one.id, [this, job_id](Connector&, Process& it) { progress(it, job_id); });
            later(time, one.id, [this, job_id, dies](Connector& of, Process& it) {
                finish(of, it, job_id);
                if (dies) die(of, it, SIGKILL);
            });
        }
    }
    void progress(const Process& one, const std::string& job_id) {
        if (one.hung || one.jobs.count(job_id) == 0) return;
        ipc::Progress message;
        message.job_id = job_id;
        dispatcher_->progress(now_, one.id, message);
    }
    void finish(Connector& connector, const Process& one, const std::string& job_id) {
        if (one.hung || one.jobs.count(job_id) == 0) return;
        ++connector.completed;
        dispatcher_->result(now_, one.id, {job_id, {R"({"ok":true})"}});
        perform();
    }
    void answer(const Process& one, const std::string& job_id, const char* code) {
        if (one.hung || one.jobs.count(job_id) == 0) return;
        dispatcher_->failed(now_, one.id, {job_id, {code, "as planned", true, {}}});
        perform();
    }
    void on(CancelJob& action) {
        Connector& connector = connectors_.at(action.instance.connector);
        if (!connector.temper->obeys_cancel) return;
        later(200ms, action.instance, [this, job_id = action.job_id](Connector&, Process& it) {
            answer(it, job_id, ipc::code::cancelled);
        });
    }
    void on(JobUnanswered& action) { ADD_FAILURE() << action.job_id << ": nobody breaks the protocol here"; }
    void on(ReplaceInstance& action) {
        Connector& connector = connectors_.at(action.instance.connector);
        carry_out(connector, connector.life->recycle(action.instance.generation, action.text, now_));
    }
    void on(JobEnded& action) {
        Connector& connector = connectors_.at(action.instance.connector);
        const auto found = connector.processes.find(action.instance.generation);
        if (found == connector.processes.end()) return;
        EXPECT_EQ(found->second.jobs.erase(action.job_id), 1u) << action.job_id << " was not held";
        carry_out(connector, connector.life->job_ended(action.instance.generation, now_));
    }
    void on(StopInstance& action) {
        Connector& connector = connectors_.at(action.instance.connector);
        carry_out(connector,
                  connector.life->stop_process(action.instance.generation, action.reason, action.text, now_));
    }
    void on(JudgeService&) {}
    void on(CollectFiles& action) { ADD_FAILURE() << action.job_id << ": no result names files here"; }
    void on(RenumberDelivery&) {}
    void on(ResumeDelivery&) {}
    void on(ReportProgress& action) { EXPECT_EQ(live_.count(action.number), 1u); }
    void on(ForwardServiceRequest&) {}
    void on(Finished& action) {
        end(action.outcome.number, action.outcome.job_id);
        dispatcher_->outcome_recorded(action.outcome.number);
    }
    void on(Undelivered& action) { end(action.number, action.job_id); }
    void on(CapacityChanged&) {}
    void on(Note&) {}
    void end(std::uint64_t number, const std::string& job_id) {
        ASSERT_EQ(live_.count(number), 1u) << job_id << " has ended twice";
        EXPECT_EQ(live_.at(number), job_id);
        live_.erase(number);
        ++ended_;
    }

    std::mt19937 random_;
    TimePoint now_{std::chrono::hours(1)};
    std::multimap<TimePoint, std::function<void()>> events_;
    std::map<std::string, Connector> connectors_;
    std::unique_ptr<Dispatcher> dispatcher_;
    std::map<std::uint64_t, std::string> live_;
    std::map<std::string, int> starts_;
    std::uint64_t number_ = 0;
    std::uint64_t ended_ = 0;
    std::uint64_t generation_ = 0;
    long turns_ = 0;
    bool submitting_ = true;
};

TEST(SimulatedDay, OfEightConnectorsOfDifferentTemperEndsEachAssignmentOnce) {
    Day day(20261126);
    day.pass(24h);
    day.stop_submitting();
    day.pass(2h);
    EXPECT_TRUE(day.live().empty()) << day.live().size() << " assignments never ended";
    EXPECT_EQ(day.ended(), day.assigned());
    EXPECT_TRUE(day.dispatcher().quiet());
    EXPECT_GT(day.assigned(), 5000u);
    for (auto& [name, connector] : day.connectors()) {
        EXPECT_GT(connector.completed, 50)
            << name << " did not work: " << connector.life->why(TimePoint{} + 27h);
        if (name != "good") {
            EXPECT_GT(connector.spawns, 5) << name;
        }
    }
    const Stats stats = day.dispatcher().stats();
    EXPECT_GT(stats.deaths, 100u);
    EXPECT_GT(stats.resumed, 10u);
    EXPECT_GT(stats.not_started, 10u);
    // First run, one resumption, and what was handed back in between; never more processes than that per job.
    EXPECT_LE(day.most_starts_of_a_job(), 10);
    EXPECT_EQ(day.connectors().at("good").spawns, 1);

    day.shut_down();
    day.pass(5min);
    for (auto& [name, connector] : day.connectors()) {
        EXPECT_TRUE(connector.life->gone()) << name;
        EXPECT_TRUE(connector.processes.empty()) << name;
    }
}

}  // namespace
}  // namespace emprops::jobs::test
