// Random histories, seeded: whatever happens in whatever order, each assignment ends exactly once, each
// GiveJob is answered by one JobEnded, no instance gets more than its slots or a job that it may still hold,
// what waits takes a slot of its type, no slot and no reservation leaks.

#include <numeric>
#include <random>
#include <set>

#include "dispatcher_desk.h"

namespace emprops::jobs::test {
namespace {

using process::InstanceId;
using process::StopReason;

/// Plays the fleet, the Hub and the ledger, badly, and checks every action against the rules.
class World {
  public:
    /// `unclaimed`: one in so many jobs comes without a claim.
    World(unsigned seed, int connectors, std::size_t job_ids, std::vector<int> menu, Ahead::Rule rule,
          std::size_t unclaimed = 6)
        : random_(seed), menu_(std::move(menu)), job_ids_(job_ids), unclaimed_(unclaimed) {
        DispatcherSettings settings;
        settings.history_size = 64;
        for (int i = 0; i < connectors; ++i) {
            Kind kind;
            kind.name = "c" + std::to_string(i);
            kind.types = {"t" + std::to_string(i % 3)};
            if (i % 2) kind.types.push_back("shared");
            kind.concurrency = 1 + i % 3;
            kind.features.cancel = i % 4 != 3;
            kind.features.resume = i % 3 == 0;
            kind.features.prepare = i % 4 != 2;
            kinds_.push_back(kind);
            settings.connector_order.push_back(kind.name);
        }
        dispatcher_ = std::make_unique<Dispatcher>(settings);
        dispatcher_->claim_ahead(now_, rule, 60s);
        policy_.job_timeout = 5min;
        policy_.no_progress_timeout = 2min;
    }

    void step() {
        now_ += std::chrono::milliseconds(pick(5000));
        wake();
        switch (menu_[pick(menu_.size())]) {
            case 0:
            case 1:
                start(kinds_[pick(kinds_.size())]);
                break;
            case 2:
                if (auto* one = any_instance()) die(*one, {});
                break;
            case 3:
                if (auto* one = any_instance(); one && !one->second.leaving) {
                    one->second.leaving = true;
                    dispatcher_->instance_leaving(now_, one->first);
                }
                break;
            case 4:
            case 5:
            case 6:
                offer();
                break;
            case 7:
                answer_claim();
                break;
            case 8:
            case 9:
                if (auto job = any_held()) say_result(*job);
                break;
            case 10:
                if (auto job = any_held()) fail(*job);
                break;
            case 11:
                if (auto job = any_held()) {
                    ipc::Progress progress;
                    progress.job_id = job->second;
                    if (pick(3)) progress.progress = static_cast<int>(pick(100));
                    dispatcher_->progress(now_, job->first, progress);
                }
                break;
            case 12:
                if (!live_.empty()) {
                    const std::string job_id = live_.begin()->second;
                    if (pick(2))
                        dispatcher_->cancel(now_, job_id, "random");
                    else
                        dispatcher_->withdraw(now_, job_id, "random");
                }
                break;
            case 13:
                if (auto* one = any_instance()) {
                    one->second.info.available = pick(3) != 0;
                    dispatcher_->instance_changed(now_, one->first, one->second.info);
                }
                break;
            case 14:
                nuisance();
                break;
            case 15:
                answer_ledger();
                break;
            case 16:
                if (!live_.empty()) dispatcher_->return_wanted(now_, live_.rbegin()->second);
                break;
            case 17:
                if (auto job = any_held()) {
                    released_.insert(*job);
                    dispatcher_->released(now_, job->first, {job->second});
                }
                break;
            case 18:
            case 19:
                deliver_one();
                break;
        }
        perform();
        if (pick(3)) answer_ledger();
        perform();
        check();
    }

    /// Everything that could answer does; then nothing may be left.
    void wind_down() {
        dispatcher_->resume(now_);
        while (!instances_.empty()) {
            const auto one = *instances_.begin();
            die(one, StopReason::worker_leaving);
            perform();
        }
        for (const auto& [claim, type] : std::map<std::string, std::string>(claims_))
            dispatcher_->release(now_, claim);
        claims_.clear();
        for (int i = 0; i < 100; ++i) {
            answer_ledger();
            while (!collecting_.empty() || !delivering_.empty()) {
                deliver_one();
                perform();
            }
            now_ += 10s;
            wake();
            perform();
        }
        EXPECT_TRUE(live_.empty()) << live_.size() << " assignments never ended";
        EXPECT_TRUE(held_.empty()) << "a GiveJob without JobEnded";
        EXPECT_TRUE(dispatcher_->quiet());
        EXPECT_EQ(dispatcher_->reserved(), 0u);
        EXPECT_EQ(dispatcher_->next_wakeup(), std::nullopt);
        const Stats stats = dispatcher_->stats();
        std::uint64_t ends = stats.completed;
        for (const auto& [code, count] : stats.failed)
            ends += count;
        for (const auto& [code, count] : stats.undelivered)
            ends += count;
        EXPECT_EQ(ends, number_);
        EXPECT_EQ(stats.assigned, number_);
    }

    /// A connector that crash-loops as the fleet would run it: back within a minute.
    void restart_what_is_down() {
        std::set<std::string> up;
        for (const auto& [id, instance] : instances_)
            up.insert(id.connector);
        for (const Kind& kind : kinds_) {
            if (!up.contains(kind.name)) start(kind);
        }
        perform();
    }
    std::uint64_t assignments() const { return number_; }
    void bring_files() { with_files_ = true; }
    std::uint64_t times_delivered() const { return times_delivered_; }
    std::uint64_t times_prepared() const { return times_prepared_; }
    Stats stats() const { return dispatcher_->stats(); }
    TimePoint now() const { return now_; }

  private:
    struct Kind {
        std::string name;
        std::vector<std::string> types;
        int concurrency = 1;
        ipc::Features features;
    };
    struct Running {
        process::InstanceInfo info;
        bool leaving = false;
        bool stopped = false;
    };
    using Entry = std::pair<const InstanceId, Running>;

    unsigned long pick(std::size_t below) {
        return std::uniform_int_distribution<unsigned long>(0, below - 1)(random_);
    }
    Entry* any_instance() {
        if (instances_.empty()) return nullptr;
        return &*std::next(instances_.begin(), static_cast<long>(pick(instances_.size())));
    }
    std::optional<std::pair<InstanceId, std::string>> any_held() {
        if (held_.empty()) return std::nullopt;
        return *std::next(held_.begin(), static_cast<long>(pick(held_.size())));
    }
    void wake() {
        for (int guard = 0;; ++guard) {
            ASSERT_LT(guard, 1000) << "wakeups that change nothing";
            const auto next = dispatcher_->next_wakeup();
            if (!next || *next > now_) return;
            dispatcher_->on_time(now_);
            perform();
        }
    }
    void start(const Kind& kind) {
        if (instances_.size() > 12) return;
        Running running;
        running.info.job_types = kind.types;
        running.info.concurrency = kind.concurrency;
        running.info.features = kind.features;
        const InstanceId id{kind.name, 0, ++generation_};
        instances_[id] = running;
        dispatcher_->instance_ready(now_, id, running.info, policy_);
    }
    void die(const Entry& entry, std::optional<StopReason> why) {
        const InstanceId id = entry.first;
        process::DeathReport report;
        report.signal = 9;
        report.stopped_for = why;
        if (!entry.second.leaving) dispatcher_->instance_leaving(now_, id);
        dispatcher_->instance_gone(now_, id, report);
        instances_.erase(id);
    }
    void offer() {
        const std::string job_id = "j" + std::to_string(pick(job_ids_));
        const std::string type = pick(4) ? "t" + std::to_string(pick(3)) : "shared";
        if (pick(unclaimed_) == 0)
            assign(job_id, type);  // never claimed
        else if (dispatcher_->reserve(now_, job_id, type))
            claims_[job_id] = type;
    }
    void answer_claim() {
        if (claims_.empty()) return;
        const auto [job_id, type] = *claims_.begin();
        claims_.erase(job_id);
        if (pick(3))
            assign(job_id, pick(3) ? type : "t" + std::to_string(pick(3)));
        else
            dispatcher_->release(now_, job_id);
    }
    void assign(const std::string& job_id, const std::string& type) {
        claims_.erase(job_id);
        live_[++number_] = job_id;
        dispatcher_->assigned(now_, Assignment{job_id, type, 0, {}, number_}, "w");
    }
    void say_result(const std::pair<InstanceId, std::string>& job) {
        ipc::JobResult result{job.second, {R"({"r":1})"}, {}};
        if (with_files_ && pick(2)) {
            result.result = ipc::RawJson(R"({"r":{"$file":0}})");
            result.files.emplace_back().name = "a.png";
        }
        dispatcher_->result(now_, job.first, std::move(result));
    }
    /// supervisor/files does the next thing for some job.
    void deliver_one() {
        if (!collecting_.empty() && (delivering_.empty() || pick(2))) {
            const std::uint64_t number = *collecting_.begin();
            collecting_.erase(number);
            if (pick(5) == 0) return dispatcher_->not_collected(now_, number, {"internal", "no", true, {}});
            dispatcher_->collected(now_, number);
            delivering_.insert(number);
        } else if (!delivering_.empty()) {
            const std::uint64_t number = *delivering_.begin();
            delivering_.erase(number);
            ++times_delivered_;
            if (pick(5) == 0)
                dispatcher_->delivered(now_, number, Failed{{"service_unavailable", "no", true, {}}});
            else
                dispatcher_->delivered(now_, number, Completed{{R"({"r":1})"}});
        }
    }
    void fail(const std::pair<InstanceId, std::string>& job) {
        const char* codes[] = {"service_error", "not_started", "cancelled"};
        dispatcher_->failed(now_, job.first, {job.second, {codes[pick(3)], "x", true, {}}});
    }
    void nuisance() {
        const InstanceId stranger{"c0", 0, 999'999};
        const auto job = any_held();
        switch (pick(7)) {
            case 0:
                dispatcher_->result(now_, stranger, {"j1", {"{}"}});
                break;
            case 1:
                if (job) dispatcher_->protocol_error(now_, job->first, job->second, "protocol_error", "bad");
                break;
            case 2:
                if (job) dispatcher_->protocol_error(now_, job->first, std::nullopt, "protocol_error", "bad");
                break;
            case 3:
                dispatcher_->drain_connector(now_, "c0", DrainMode(pick(3)), now_ + 20s);
                break;
            case 4:
                dispatcher_->resume_connector(now_, "c0");
                break;
            case 5:
                if (pick(20) == 0) dispatcher_->drain(now_, DrainMode(pick(3)), now_ + 20s);
                break;
            case 6:
                dispatcher_->resume(now_);
                dispatcher_->set_healthy(now_, pick(4) != 0, "disk");
                break;
        }
    }
    void answer_ledger() {
        for (const std::uint64_t number : std::exchange(written_, {}))
            dispatcher_->outcome_recorded(number);
        while (!records_.empty()) {
            const std::uint64_t number = records_.front();
            records_.erase(records_.begin());
            dispatcher_->recorded(now_, number);
            perform();
        }
    }

    void perform() {
        for (std::vector<Action> actions = dispatcher_->take_actions(); !actions.empty();
             actions = dispatcher_->take_actions()) {
            for (const Action& action : actions)
                std::visit([this](const auto& one) { on(one); }, action);
            for (const auto& [id, job_id] : std::exchange(refused_, {}))
                dispatcher_->not_given(now_, id, job_id);
            for (const auto& [id, job_id] : std::exchange(not_begun_, {}))
                dispatcher_->not_begun(now_, id, job_id);
        }
    }
    void on(const RecordJob& action) { records_.push_back(action.assignment.number); }
    void on(const GiveJob& action) {
        const auto instance = instances_.find(action.instance);
        ASSERT_NE(instance, instances_.end()) << "given to a process that is gone";
        EXPECT_FALSE(instance->second.leaving || instance->second.stopped);
        EXPECT_TRUE(held_.insert({action.instance, action.job.job_id}).second) << "given twice";
        if (action.job.prepare) {
            EXPECT_TRUE(instance->second.info.features.prepare);
            prepared_.insert({action.instance, action.job.job_id});
            ++times_prepared_;
        }
        check_slots(action.instance);
        if (pick(30) == 0) {
            held_.erase({action.instance, action.job.job_id});
            prepared_.erase({action.instance, action.job.job_id});
            refused_.push_back({action.instance, action.job.job_id});
        }
    }
    void check_slots(const InstanceId& id) {
        EXPECT_LE(running_on(id), instances_.at(id).info.concurrency);
        EXPECT_LE(std::count_if(prepared_.begin(), prepared_.end(),
                                [&](const auto& job) { return job.first == id; }),
                  1)
            << "one is prepared at a time";
    }
    void on(const BeginJob& action) {
        ASSERT_TRUE(instances_.contains(action.instance));
        EXPECT_EQ(prepared_.erase({action.instance, action.job_id}), 1u) << "it was not prepared there";
        check_slots(action.instance);
        if (pick(30) == 0) not_begun_.push_back({action.instance, action.job_id});
    }
    void on(const TellBegun& action) { EXPECT_TRUE(live_.contains(action.number)); }
    void on(const CancelJob& action) {
        const std::pair<InstanceId, std::string> job{action.instance, action.job_id};
        EXPECT_TRUE(held_.contains(job) ||
                    std::find(refused_.begin(), refused_.end(), job) != refused_.end());
    }
    void on(const JobUnanswered& action) {
        EXPECT_TRUE(held_.contains({action.instance, action.job_id}));
        EXPECT_TRUE(unanswered_.insert({action.instance, action.job_id}).second);
        // What is taken back while it is prepared is no second one, but nothing comes beside it.
        prepared_.erase({action.instance, action.job_id});
    }
    void on(const ReplaceInstance& action) {
        const auto instance = instances_.find(action.instance);
        ASSERT_NE(instance, instances_.end());
        EXPECT_FALSE(instance->second.leaving || instance->second.stopped);
        if (pick(3) == 0) return;  // the fleet may have its reasons
        const auto kind = std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& one) {
            return one.name == action.instance.connector;
        });
        start(*kind);
        instance->second.leaving = true;
        dispatcher_->instance_leaving(now_, action.instance);
    }
    void on(const JobEnded& action) {
        unanswered_.erase({action.instance, action.job_id});
        prepared_.erase({action.instance, action.job_id});
        released_.erase({action.instance, action.job_id});
        EXPECT_EQ(held_.erase({action.instance, action.job_id}), 1u) << "ended " << action.job_id << " twice";
    }
    void on(const StopInstance& action) {
        const auto instance = instances_.find(action.instance);
        ASSERT_NE(instance, instances_.end());
        EXPECT_FALSE(instance->second.stopped) << "stopped twice";
        instance->second.stopped = true;
    }
    void on(const JudgeService&) {}
    void on(const CollectFiles& action) {
        EXPECT_TRUE(live_.contains(action.number));
        EXPECT_TRUE(held_.contains({action.instance, action.job_id}));
        EXPECT_TRUE(collecting_.insert(action.number).second);
    }
    void on(const RenumberDelivery& action) {
        if (collecting_.erase(action.from) > 0) collecting_.insert(action.to);
        if (delivering_.erase(action.from) > 0) delivering_.insert(action.to);
    }
    void on(const ResumeDelivery&) { ADD_FAILURE() << "nothing was left by an earlier worker"; }
    void on(const ReportProgress& action) { EXPECT_TRUE(live_.contains(action.number)); }
    void on(const ForwardServiceRequest&) {}
    void on(const Finished& action) {
        end(action.outcome.number, action.outcome.job_id);
        written_.push_back(action.outcome.number);
    }
    void on(const Undelivered& action) { end(action.number, action.job_id); }
    void on(const CapacityChanged& action) {
        EXPECT_FALSE(*action.capacity == told_) << "told twice";
        told_ = *action.capacity;
    }
    void on(const Note&) {}
    void end(std::uint64_t number, const std::string& job_id) {
        const auto it = live_.find(number);
        ASSERT_NE(it, live_.end()) << job_id << " number " << number << " ended twice or was never assigned";
        EXPECT_EQ(it->second, job_id);
        live_.erase(it);
        collecting_.erase(number);
        delivering_.erase(number);
    }

    void check() {
        // Stopped processes end after a while.
        for (auto it = instances_.begin(); it != instances_.end(); ++it) {
            if (!(it->second.stopped || it->second.leaving) || pick(3)) continue;
            const Entry entry = *it;
            die(entry, it->second.stopped ? StopReason::cancel_ignored : StopReason::recycle);
            perform();
            break;
        }
        EXPECT_EQ(dispatcher_->capacity(), told_) << "the Hub believes something else: " << describe(told_)
                                                  << " and not " << describe(dispatcher_->capacity());
        const std::vector<JobView> jobs = dispatcher_->running();
        EXPECT_EQ(jobs.size(), live_.size());
        for (const auto& [type, count] : told_.free_slots) {
            int total = 0;
            for (const auto& [id, instance] : instances_) {
                const auto& types = instance.info.job_types;
                if (std::find(types.begin(), types.end(), type) != types.end())
                    total += instance.info.concurrency - running_on(id);
            }
            int waiting = 0;
            for (const JobView& job : jobs)
                waiting += job.state == JobState::held && job.job_type == type;
            EXPECT_GT(count, 0);
            EXPECT_LE(count + waiting, total) << "claimed more than can start";
        }
    }

    /// Jobs that take a slot: at least so many, since not every job that says so is released.
    int running_on(const InstanceId& id) const {
        const auto runs = [&](const auto& job) {
            return job.first == id && !unanswered_.contains(job) && !prepared_.contains(job);
        };
        const auto released = std::count_if(held_.begin(), held_.end(), [&](const auto& job) {
            return runs(job) && released_.contains(job);
        });
        return static_cast<int>(std::count_if(held_.begin(), held_.end(), runs) -
                                std::min<std::ptrdiff_t>(released, policy_.released_jobs));
    }

    std::mt19937 random_;
    std::vector<int> menu_;  // the events to choose from, as numbered in step()
    std::size_t job_ids_;    // few: the same job comes again and again, and becomes poison
    std::size_t unclaimed_;
    std::unique_ptr<Dispatcher> dispatcher_;
    config::SupervisionSettings policy_;
    std::vector<Kind> kinds_;
    TimePoint now_{std::chrono::hours(1)};
    std::map<InstanceId, Running> instances_;
    std::set<std::pair<InstanceId, std::string>> held_;
    std::set<std::pair<InstanceId, std::string>> unanswered_;  // of these
    std::set<std::pair<InstanceId, std::string>> prepared_;    // likewise
    std::vector<std::pair<InstanceId, std::string>> refused_;
    std::vector<std::pair<InstanceId, std::string>> not_begun_;
    std::set<std::pair<InstanceId, std::string>> released_;  // likewise, or said to be
    std::set<std::uint64_t> collecting_, delivering_;
    std::uint64_t times_delivered_ = 0;
    bool with_files_ = false;
    std::uint64_t times_prepared_ = 0;
    std::map<std::uint64_t, std::string> live_;
    std::map<std::string, std::string> claims_;  // job id, type
    std::vector<std::uint64_t> records_;
    std::vector<std::uint64_t> written_;  // outcomes
    Capacity told_;
    std::uint64_t number_ = 0;
    std::uint64_t generation_ = 0;
};

TEST(Invariants, HoldInThousandsOfRandomHistories) {
    for (unsigned seed = 1; seed <= 150 && !::testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::vector<int> everything(17);
        std::iota(everything.begin(), everything.end(), 0);
        World world(seed, 1 + static_cast<int>(seed % 6), 40, everything, Ahead::Rule(seed % 3));
        for (int i = 0; i < 250; ++i)
            world.step();
        world.wind_down();
    }
}

TEST(Invariants, HoldWhereJobsAreClaimedAhead) {
    std::uint64_t prepared = 0;
    for (unsigned seed = 1; seed <= 100 && !::testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        World world(seed, 1 + static_cast<int>(seed % 5), 1000,
                    {4, 4, 4, 5, 5, 6, 6, 7, 7, 7, 7, 7, 8, 9, 10, 11, 11, 11, 12, 13, 15, 16, 3},
                    seed % 4 == 0 ? Ahead::Rule::soon : Ahead::Rule::always, 50);
        for (int i = 0; i < 400; ++i) {
            world.step();
            if (i % 10 == 0) world.restart_what_is_down();
        }
        world.wind_down();
        prepared += world.times_prepared();
    }
    EXPECT_GT(prepared, 200u);
}

TEST(Invariants, HoldWhereResultsHaveFilesAndJobsAreReleased) {
    std::uint64_t delivered = 0;
    for (unsigned seed = 1; seed <= 100 && !::testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        World world(seed, 1 + static_cast<int>(seed % 5), 200,
                    {2,  3,  4,  4,  4,  5,  5,  6,  6,  7,  7,  7,  7,  7,  8,  8, 9,
                     10, 11, 11, 12, 13, 14, 15, 16, 17, 17, 17, 18, 18, 18, 19, 19},
                    Ahead::Rule(seed % 3));
        world.bring_files();
        for (int i = 0; i < 400; ++i) {
            world.step();
            if (i % 10 == 0) world.restart_what_is_down();
        }
        world.wind_down();
        delivered += world.times_delivered();
    }
    EXPECT_GT(delivered, 200u);
}

TEST(Invariants, ADayOfEightCrashingConnectorsEndsEachAssignmentOnce) {
    // Mostly work: claims, assignments, progress, results; and a crash now and then.
    World world(4711, 8, 1'000'000, {2, 2, 3, 4, 4, 4, 5, 5, 5, 7, 7, 7, 8, 8, 9, 10, 11, 11, 11, 12, 13},
                Ahead::Rule::soon);
    const TimePoint end = world.now() + 24h;
    while (world.now() < end && !::testing::Test::HasFailure()) {
        for (int i = 0; i < 10; ++i)
            world.step();
        world.restart_what_is_down();
    }
    EXPECT_GT(world.assignments(), 1000u);
    EXPECT_GT(world.stats().deaths, 100u);
    EXPECT_GT(world.stats().completed, 100u);
    EXPECT_GT(world.stats().resumed, 10u);
    world.wind_down();
}

}  // namespace
}  // namespace emprops::jobs::test
