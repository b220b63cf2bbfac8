#include "supervisor/jobs/dispatcher.h"

#include <algorithm>
#include <utility>

#include "supervisor/jobs/job_errors.h"

namespace emprops::jobs {

const char* to_string(UndeliveredCode code) {
    switch (code) {
        case UndeliveredCode::cancelled:
            return "cancelled";
        case UndeliveredCode::withdrawn:
            return "withdrawn";
        case UndeliveredCode::superseded:
            return "superseded";
    }
    return "?";
}

const char* to_string(JobState state) {
    switch (state) {
        case JobState::held:
            return "held";
        case JobState::recording:
            return "recording";
        case JobState::running:
            return "running";
        case JobState::resuming:
            return "resuming";
        case JobState::stopping:
            return "stopping";
    }
    return "?";
}

Dispatcher::Dispatcher(DispatcherSettings settings)
    : settings_(std::move(settings)), history_(settings_.history_size) {
    pool_.set_connector_order(settings_.connector_order);
}

// ---- the Hub side ----

bool Dispatcher::reserve(TimePoint now, const std::string& job_id, const std::string& job_type) {
    if (find_live(job_id) != nullptr || pool_.has_reservation(job_id)) return true;
    if (drain_ || !healthy_) return false;
    const bool alone = history_.runs_alone(job_id);
    const auto free_of_it = [&](const Instance& instance) {
        return !holds(instance.id, job_id) && !(alone && instance.held + instance.reserved > 0);
    };
    // Where only an instance that may still hold it serves its type, the claim is what gets that one
    // replaced.
    if (!pool_.reserve(job_id, job_type, free_of_it) &&
        !(only_unanswered(job_id, job_type) && pool_.reserve(job_id, job_type, {})))
        return false;
    settle(now);
    return true;
}

void Dispatcher::release(TimePoint now, const std::string& job_id) {
    pool_.end_reservation(job_id);
    settle(now);
}

void Dispatcher::assigned(TimePoint now, Assignment assignment, const std::string& claimed_as) {
    if (jobs_.contains(assignment.number)) {
        note(Note::Level::warn, "", assignment.job_id, "the same assignment came twice; ignored");
        return;
    }
    ++stats_.assigned;
    Instance* reserved = pool_.end_reservation(assignment.job_id);
    if (ActiveJob* running = find_live(assignment.job_id)) {
        adopt(*running, std::move(assignment), claimed_as);
        settle(now);
        return;
    }
    ActiveJob& job = jobs_[assignment.number];
    job.assignment = std::move(assignment);
    job.claimed_as = claimed_as;
    job.assigned_at = now;
    if (const JobHistory::Poison* poison = history_.poison(job.id())) {
        fail(now, job, poison_error(*poison));
    } else if (drain_ && drain_->gives_back) {
        give_back(now, job, "this worker is leaving");
    } else {
        if (reserved != nullptr && (holds(reserved->id, job.id()) || gives_back(reserved->id.connector) ||
                                    (reserved->held > 0 && history_.runs_alone(job.id()))))
            reserved = nullptr;
        Instance* instance = reserved != nullptr ? reserved : find_place(job);
        if (instance != nullptr) {
            bind(now, job, *instance);
        } else {
            record(job, "", false);
            hold(now, job);
            note(Note::Level::warn, "", job.id(),
                 "waits for a connector: " + why_not_placed(job.id(), job.assignment.job_type));
        }
    }
    settle(now);
}

void Dispatcher::restored(TimePoint now, RestoredJob restored) {
    if (jobs_.contains(restored.assignment.number)) return;
    ++stats_.assigned;
    ActiveJob& job = jobs_[restored.assignment.number];
    job.assignment = std::move(restored.assignment);
    job.assigned_at = now;
    job.attempt = restored.attempt;
    job.recorded_for = restored.connector;
    job.resume_on = restored.connector;
    job.waiting_error = lost_error(restored.connector, restored.window);
    job.waits_until = now + restored.window;
    job.state = JobState::resuming;
    history_.attempts_at_least(job.id(), restored.attempt);
    if (drain_ && drain_->gives_back) {
        give_back(now, job, "this worker is leaving");
    } else if (restored.connector.empty() || restored.window <= Ms::zero()) {
        end_waiting(now, job);
    }
    settle(now);
}

bool Dispatcher::cancel(TimePoint now, const std::string& job_id, const std::string& reason) {
    return end_undelivered(now, job_id, UndeliveredCode::cancelled, reason);
}

bool Dispatcher::withdraw(TimePoint now, const std::string& job_id, const std::string& reason) {
    return end_undelivered(now, job_id, UndeliveredCode::withdrawn, reason);
}

bool Dispatcher::end_undelivered(TimePoint now, const std::string& job_id, UndeliveredCode code,
                                 const std::string& reason) {
    ActiveJob* job = find_live(job_id);
    if (job == nullptr) return false;
    actions_.push_back(Undelivered{job_id, job->assignment.number, code, reason});
    note(Note::Level::info, job->instance ? job->instance->connector : "", job_id,
         std::string(to_string(code)) + " and not reported: " + reason);
    ++stats_.undelivered[to_string(code)];
    abandon(now, *job, ActiveJob::Cause::cancelled, reason);
    settle(now);
    return true;
}

void Dispatcher::adopt(ActiveJob& running, Assignment assignment, const std::string& claimed_as) {
    const std::uint64_t old_number = running.assignment.number;
    const std::uint64_t number = assignment.number;
    const std::string job_id = assignment.job_id;
    Jobs::node_type node = jobs_.extract(old_number);
    node.key() = number;
    jobs_.insert(std::move(node));
    running.assignment = std::move(assignment);
    running.claimed_as = claimed_as;
    running.unanswered_records = 0;  // answers come under the old number, which nobody knows any more
    const Instance* instance = running.instance ? pool_.find(*running.instance) : nullptr;
    record(running, instance != nullptr ? instance->id.connector : running.recorded_for.value_or(""),
           running.resume_on.has_value() || (instance != nullptr && instance->info.features.resume));
    actions_.push_back(Undelivered{job_id, old_number, UndeliveredCode::superseded,
                                   "the Hub assigned the job to this worker once more; the work goes on"});
    ++stats_.undelivered[to_string(UndeliveredCode::superseded)];
}

// ---- the ledger ----

void Dispatcher::recorded(TimePoint now, std::uint64_t number) {
    const auto it = jobs_.find(number);
    if (it == jobs_.end() || it->second.unanswered_records == 0) return;
    ActiveJob& job = it->second;
    if (--job.unanswered_records == 0 && job.state == JobState::recording)
        give(now, job, *pool_.find(*job.instance));
    settle(now);
}

void Dispatcher::set_healthy(TimePoint now, bool healthy, const std::string& reason) {
    if (healthy == healthy_) return;
    healthy_ = healthy;
    if (healthy)
        note(Note::Level::info, "", "", "claims jobs again: " + reason);
    else
        note(Note::Level::error, "", "", "claims no new jobs: " + reason);
    settle(now);
}

// ---- the operator ----

DrainMode drain_mode(std::string_view name) {
    if (name == "now") return DrainMode::now;
    return name == "deadline" ? DrainMode::deadline : DrainMode::graceful;
}

void Dispatcher::drain(TimePoint now, DrainMode mode, TimePoint deadline) {
    drain_ = Drain{mode, deadline, false};
    if (mode == DrainMode::now || (mode == DrainMode::deadline && deadline <= now))
        give_back_all(now, *drain_, nullptr);
    settle(now);
}

void Dispatcher::resume(TimePoint now) {
    drain_.reset();
    settle(now);
}

void Dispatcher::drain_connector(TimePoint now, const std::string& connector, DrainMode mode,
                                 TimePoint deadline) {
    Drain& drain = connector_drains_[connector];
    drain = Drain{mode, deadline, false};
    pool_.set_drained(connector, true);
    if (mode == DrainMode::now || (mode == DrainMode::deadline && deadline <= now))
        give_back_all(now, drain, &connector);
    settle(now);
}

void Dispatcher::resume_connector(TimePoint now, const std::string& connector) {
    connector_drains_.erase(connector);
    pool_.set_drained(connector, false);
    settle(now);
}

void Dispatcher::set_connector_order(TimePoint now, std::vector<std::string> order) {
    pool_.set_connector_order(std::move(order));
    settle(now);
}

bool Dispatcher::gives_back(const std::string& connector) const {
    const auto it = connector_drains_.find(connector);
    return it != connector_drains_.end() && it->second.gives_back;
}

void Dispatcher::give_back(TimePoint now, ActiveJob& job, const std::string& who) {
    fail_and_abandon(now, job, ActiveJob::Cause::given_back, drained_error(who));
}

void Dispatcher::give_back_all(TimePoint now, Drain& drain, const std::string* connector) {
    drain.gives_back = true;
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, job] : jobs_) {
        const std::string on = job.instance ? job.instance->connector : job.resume_on.value_or("");
        if (job.live() && (connector == nullptr || on == *connector)) numbers.push_back(number);
    }
    const std::string who = connector != nullptr
                                ? "connector " + *connector + " of this worker is being drained"
                                : std::string("this worker is leaving");
    for (const std::uint64_t number : numbers)
        give_back(now, jobs_.at(number), who);
}

// ---- time and state ----

std::optional<TimePoint> Dispatcher::next_wakeup() const {
    std::optional<TimePoint> next = pool_.next_pause_end();
    const auto earlier = [&next](TimePoint at) {
        if (!next || at < *next) next = at;
    };
    const auto consider = [&](const Drain& drain) {
        if (drain.mode == DrainMode::deadline && !drain.gives_back) earlier(drain.deadline);
    };
    if (drain_) consider(*drain_);
    for (const auto& [connector, drain] : connector_drains_)
        consider(drain);
    for (const auto& [number, job] : jobs_) {
        if (const auto limit = next_limit(job)) earlier(*limit);
    }
    return next;
}

void Dispatcher::on_time(TimePoint now) {
    const auto due = [now](const Drain& drain) {
        return drain.mode == DrainMode::deadline && !drain.gives_back && drain.deadline <= now;
    };
    if (drain_ && due(*drain_)) give_back_all(now, *drain_, nullptr);
    for (auto& [connector, drain] : connector_drains_) {
        if (due(drain)) give_back_all(now, drain, &connector);
    }
    place_waiting(now);  // a slot may be asked again at the moment at which a job has waited long enough
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, job] : jobs_)
        numbers.push_back(number);
    for (const std::uint64_t number : numbers) {
        if (const auto it = jobs_.find(number); it != jobs_.end()) check_limits(now, it->second);
    }
    settle(now);
}

std::vector<Action> Dispatcher::take_actions() {
    return std::exchange(actions_, {});
}

bool Dispatcher::outcome_waits() const {
    return std::any_of(actions_.begin(), actions_.end(),
                       [](const Action& action) { return std::holds_alternative<Finished>(action); });
}

std::shared_ptr<const Capacity> Dispatcher::shared_capacity() const {
    if (drain_) {
        Capacity nothing;
        nothing.draining = true;
        return std::make_shared<const Capacity>(std::move(nothing));
    }
    auto capacity = pool_.capacity();
    if (healthy_) return capacity;
    Capacity full = *capacity;
    full.free_slots.clear();
    return std::make_shared<const Capacity>(std::move(full));
}

JobView Dispatcher::view(const ActiveJob& job) const {
    JobView view;
    view.job_id = job.id();
    view.number = job.assignment.number;
    view.job_type = job.assignment.job_type;
    view.priority = job.assignment.priority;
    view.state = job.state;
    view.instance = job.instance;
    view.attempt = job.attempt;
    view.assigned_at = job.assigned_at;
    if (job.state == JobState::running || job.state == JobState::stopping) view.given_at = job.given_at;
    view.last_progress_at = job.last_progress_at;
    view.progress = job.progress;
    return view;
}

std::vector<JobView> Dispatcher::running() const {
    std::vector<JobView> views;
    for (const auto& [number, job] : jobs_) {
        if (job.live()) views.push_back(view(job));
    }
    return views;
}

std::vector<JobView> Dispatcher::jobs() const {
    std::vector<JobView> views;
    for (const auto& [number, job] : jobs_)
        views.push_back(view(job));
    return views;
}

std::optional<int> Dispatcher::slots(const process::InstanceId& id) const {
    const Instance* instance = pool_.find(id);
    return instance == nullptr ? std::nullopt : std::optional(instance->slots());
}

std::string Dispatcher::refusal(TimePoint now, const process::InstanceId& id) const {
    const Instance* instance = pool_.find(id);
    return instance == nullptr ? std::string() : refusal_text(now, *instance);
}

bool Dispatcher::quiet() const {
    return jobs_.empty();
}

bool Dispatcher::quiet(const std::string& connector) const {
    return std::none_of(jobs_.begin(), jobs_.end(), [&](const auto& entry) {
        const ActiveJob& job = entry.second;
        return job.instance ? job.instance->connector == connector : job.resume_on == connector;
    });
}

bool Dispatcher::draining() const {
    return drain_.has_value();
}

std::size_t Dispatcher::reserved() const {
    return pool_.reservations();
}

Stats Dispatcher::stats() const {
    Stats stats = stats_;
    stats.poisoned_jobs = history_.poisoned();
    return stats;
}

ActiveJob* Dispatcher::find_live(const std::string& job_id) {
    for (auto& [number, job] : jobs_) {
        if (job.live() && job.id() == job_id) return &job;
    }
    return nullptr;
}

ActiveJob* Dispatcher::find_on(const process::InstanceId& id, const std::string& job_id) {
    for (auto& [number, job] : jobs_) {
        const bool given = job.state == JobState::running || job.state == JobState::stopping;
        if (given && job.instance == id && job.id() == job_id) return &job;
    }
    return nullptr;
}

bool Dispatcher::holds(const process::InstanceId& id, const std::string& job_id) const {
    const Instance* instance = pool_.find(id);
    if (instance != nullptr && instance->unanswered.contains(job_id)) return true;
    return std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& entry) {
        return entry.second.instance == id && entry.second.id() == job_id;
    });
}

void Dispatcher::note(Note::Level level, const std::string& connector, const std::string& job_id,
                      std::string text) {
    actions_.push_back(Note{level, connector, job_id, std::move(text)});
}

}  // namespace emprops::jobs
