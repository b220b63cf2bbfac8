#include "supervisor/jobs/job_book.h"

#include <algorithm>
#include <utility>

namespace emprops::jobs {

const char* to_string(JobState state) {
    static constexpr const char* names[] = {"left",       "held",       "recording", "prepared", "running",
                                            "collecting", "delivering", "resuming",  "stopping", "ended"};
    return names[static_cast<int>(state)];
}

// ---- what stands in it

template <class Test>
const ActiveJob* JobBook::first(Test test) const {
    for (const auto& [number, job] : jobs_)
        if (test(job)) return &job;
    return nullptr;
}

const ActiveJob* JobBook::find(std::uint64_t number) const {
    const auto found = jobs_.find(number);
    return found == jobs_.end() ? nullptr : &found->second;
}

const ActiveJob* JobBook::live(const std::string& job_id) const {
    return first([&](const ActiveJob& job) { return job.live() && job.id() == job_id; });
}

const ActiveJob* JobBook::left(const std::string& job_id) const {
    return first([&](const ActiveJob& job) { return job.state == JobState::left && job.id() == job_id; });
}

const ActiveJob* JobBook::given(const process::InstanceId& id, const std::string& job_id) const {
    return first(
        [&](const ActiveJob& job) { return job.given() && job.instance == id && job.id() == job_id; });
}

const ActiveJob* JobBook::only_given(const process::InstanceId& id) const {
    const auto here = [&](const ActiveJob& job) {
        return job.begun() && !job.run.released && job.instance == id;
    };
    const ActiveJob* one = first(here);
    const ActiveJob* other = first([&](const ActiveJob& job) { return here(job) && &job != one; });
    return other == nullptr ? one : nullptr;
}

std::vector<std::uint64_t> JobBook::on(const process::InstanceId& id) const {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, job] : jobs_)
        if (job.instance == id) numbers.push_back(number);
    return numbers;
}

bool JobBook::bound(const process::InstanceId& id, const std::string& job_id) const {
    return first([&](const ActiveJob& job) { return job.instance == id && job.id() == job_id; }) != nullptr;
}

int JobBook::given_before(const ActiveJob& job) const {
    return static_cast<int>(std::count_if(jobs_.begin(), jobs_.end(), [&](const auto& entry) {
        const ActiveJob& other = entry.second;
        return other.begun() && !other.run.released && other.instance == job.instance &&
               other.run.order < job.run.order;
    }));
}

std::vector<std::uint64_t> JobBook::waiting() const {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, job] : jobs_)
        if (job.waits()) numbers.push_back(number);
    return numbers;
}

std::vector<std::uint64_t> JobBook::without_slot() const {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, job] : jobs_)
        if (job.waits() || job.ahead) numbers.push_back(number);
    return numbers;
}

const ActiveJob* JobBook::ends_process(const process::InstanceId& id) const {
    const ActiveJob* last = nullptr;
    for (const auto& [number, job] : jobs_) {
        if (job.instance != id || job.ahead) continue;
        if (job.state != JobState::stopping || !job.stop.may_end_process) return nullptr;
        last = &job;
    }
    return last;
}

bool JobBook::ignores_cancel(const process::InstanceId& id) const {
    return first([&](const ActiveJob& job) {
               return job.state == JobState::stopping && job.instance == id && job.stop.may_end_process;
           }) != nullptr;
}

bool JobBook::quiet() const {
    return first([](const ActiveJob& job) { return job.state != JobState::left && !job.left_behind; }) ==
           nullptr;
}

bool JobBook::quiet(const std::string& connector) const {
    return first([&](const ActiveJob& job) { return job.connector() == connector; }) == nullptr;
}

bool JobBook::outcome_at_ledger() const {
    return first([](const ActiveJob& job) { return job.outcome_at_ledger; }) != nullptr;
}

bool JobBook::leaves_deliveries() const {
    return first([](const ActiveJob& job) { return job.left_behind; }) != nullptr;
}

template <class Test>
std::vector<JobView> JobBook::views_of(Test test) const {
    std::vector<JobView> views;
    for (const auto& [number, job] : jobs_) {
        if (!test(job)) continue;
        JobView& view = views.emplace_back();
        view.job_id = job.id();
        view.number = number;
        view.job_type = job.assignment.job_type;
        view.priority = job.assignment.priority;
        view.state = job.state;
        view.instance = job.instance;
        view.attempt = job.run.attempt;
        view.assigned_at = job.assigned_at;
        if (job.begun()) view.given_at = job.run.given_at;
        view.last_progress_at = job.run.last_progress_at;
        view.progress = job.run.progress;
    }
    return views;
}

std::vector<JobView> JobBook::running() const {
    return views_of([](const ActiveJob& job) { return job.live(); });
}

std::vector<JobView> JobBook::views() const {
    return views_of([](const ActiveJob& job) { return job.live() || job.state == JobState::stopping; });
}

// ---- what happens to them

const ActiveJob& JobBook::add(TimePoint now, Assignment assignment, const std::string& claimed_as) {
    ActiveJob& job = jobs_[assignment.number];
    job.assignment = std::move(assignment);
    job.claimed_as = claimed_as;
    job.assigned_at = now;
    return job;
}

void JobBook::add_left(UnfinishedRecord record, Ms window) {
    ActiveJob& job = jobs_[record.assignment.number];
    job.assignment = std::move(record.assignment);
    job.state = JobState::left;
    job.record.connector = record.note.connector;
    job.record.with_payload = record.note.with_payload;
    job.record.begun = record.note.begun;
    job.record.delivering = record.delivery.has_value();
    job.run.attempt = record.note.attempt;
    job.waiting.window = window;
}

void JobBook::resume_left(TimePoint now, const ActiveJob& left, ipc::JobError error) {
    ActiveJob& job = change(left);
    job.state = JobState::resuming;
    job.assigned_at = now;
    job.waiting.resume_on = job.record.connector;
    job.waiting.until = now + job.waiting.window;
    job.waiting.error = std::move(error);
}

void JobBook::adopt(const ActiveJob& job, Assignment assignment, const std::string& claimed_as) {
    Jobs::node_type node = jobs_.extract(job.assignment.number);
    node.key() = assignment.number;
    ActiveJob& mine = node.mapped();
    mine.assignment = std::move(assignment);
    mine.claimed_as = claimed_as;
    mine.record.unanswered = 0;  // answers come under the old number, which nobody knows any more
    jobs_.insert(std::move(node));
}

void JobBook::record_asked(const ActiveJob& job, const std::string& connector, bool begun) {
    ActiveJob& mine = change(job);
    mine.record.connector = connector;
    mine.record.begun = begun;
    ++mine.record.unanswered;
}

const ActiveJob* JobBook::recorded(std::uint64_t number) {
    const auto found = jobs_.find(number);
    if (found == jobs_.end() || found->second.record.unanswered == 0) return nullptr;
    ActiveJob& job = found->second;
    const bool waits = job.state == JobState::recording || (job.state == JobState::prepared && !job.ahead);
    return --job.record.unanswered == 0 && waits ? &job : nullptr;
}

void JobBook::promise(const ActiveJob& job, const process::InstanceId& id, bool ahead) {
    ActiveJob& mine = change(job);
    mine.instance = id;
    mine.ahead = ahead;
    mine.state = JobState::recording;
}

void JobBook::give(TimePoint now, const ActiveJob& job, int attempt) {
    ActiveJob& mine = change(job);
    mine.run.attempt = attempt;
    mine.run.resumed = mine.waiting.resume_on.has_value();
    mine.waiting.resume_on.reset();
    begin(now, job);
}

void JobBook::prepare(const ActiveJob& job, int attempt) {
    ActiveJob& mine = change(job);
    mine.state = JobState::prepared;
    mine.run.attempt = attempt;
    mine.run.resumed = false;
    mine.waiting.until.reset();
}

void JobBook::begin(TimePoint now, const ActiveJob& job) {
    ActiveJob& mine = change(job);
    mine.state = JobState::running;
    mine.run.order = ++last_given_;
    mine.run.given_at = mine.run.last_sign = now;
    mine.run.started = false;
    mine.run.released = false;
    mine.run.first_mark.reset();
    mine.run.last_mark.reset();
}

void JobBook::hold_left(const ActiveJob& job, TimePoint until) {
    ActiveJob& mine = change(job);
    mine.state = JobState::held;
    mine.told_ahead = true;
    mine.waiting.until = until;
}

void JobBook::sign_of_life(TimePoint now, const ActiveJob& job) {
    ActiveJob& mine = change(job);
    mine.run.last_sign = now;
    mine.run.started = true;
    mine.waiting.until.reset();
    mine.waiting.refusals = 0;
    mine.waiting.trouble.clear();
}

void JobBook::progress(TimePoint now, const ActiveJob& job, const ipc::Progress& progress) {
    ActiveJob& mine = change(job);
    mine.run.last_progress_at = now;
    mine.run.progress = progress;
    if (!progress.progress) return;
    const ActiveJob::Run::Mark mark{now, *progress.progress};
    if (!mine.run.first_mark || mark.percent < mine.run.first_mark->percent) mine.run.first_mark = mark;
    mine.run.last_mark = mark;
}

void JobBook::not_run(const ActiveJob& job) {
    ActiveJob& mine = change(job);
    --mine.run.attempt;
    if (mine.run.resumed) mine.waiting.resume_on = mine.instance->connector;
}

void JobBook::refused(const ActiveJob& job, std::string words) {
    ActiveJob& mine = change(job);
    ++mine.waiting.refusals;
    mine.waiting.last_words = std::move(words);
}

void JobBook::wait_again(const ActiveJob& job, TimePoint until) {
    ActiveJob& mine = change(job);
    mine.state = mine.waiting.resume_on ? JobState::resuming : JobState::held;
    if (!mine.waiting.until) mine.waiting.until = until;
}

void JobBook::lost(const ActiveJob& job, const std::string& connector, TimePoint until, ipc::JobError error) {
    ActiveJob& mine = change(job);
    mine.state = JobState::resuming;
    mine.waiting.resume_on = connector;
    mine.waiting.until = until;
    mine.waiting.error = std::move(error);
}

void JobBook::stop(const ActiveJob& job, ActiveJob::Stop::Cause cause, std::optional<TimePoint> answer_until,
                   bool may_end_process) {
    ActiveJob& mine = change(job);
    mine.state = JobState::stopping;
    mine.stop = {cause, answer_until, may_end_process};
}

void JobBook::cancel_ignored(const ActiveJob& job) {
    ActiveJob& mine = change(job);
    mine.stop.answer_until.reset();
    mine.stop.may_end_process = true;
}

void JobBook::drop_payload(const ActiveJob& job) {
    ActiveJob& mine = change(job);
    if (mine.mark.bytes == 0) mine.mark = mark_of(mine.assignment.payload);
    mine.assignment.payload = {};
}

void JobBook::collect(const ActiveJob& job) {
    drop_payload(job);
    change(job).state = JobState::collecting;
}

void JobBook::deliver(TimePoint now, const ActiveJob& job) {
    ActiveJob& mine = change(job);
    if (mine.state == JobState::left) mine.assigned_at = now;
    mine.state = JobState::delivering;
}

void JobBook::leave_deliveries_behind() {
    for (auto& [number, job] : jobs_)
        if (job.state == JobState::delivering) job.left_behind = true;
}

void JobBook::wait_for_deliveries() {
    for (auto& [number, job] : jobs_)
        job.left_behind = false;
}

void JobBook::outcome_recorded(std::uint64_t number) {
    const auto found = jobs_.find(number);
    if (found == jobs_.end()) return;
    found->second.outcome_at_ledger = false;
    if (found->second.state == JobState::ended) jobs_.erase(found);
}

void JobBook::remove(const ActiveJob& job) {
    ActiveJob& mine = change(job);
    if (!mine.outcome_at_ledger) {
        jobs_.erase(mine.assignment.number);
        return;
    }
    mine.state = JobState::ended;
    mine.instance.reset();
    mine.ahead = false;
    mine.waiting = {};
    mine.assignment.payload = {};
}

}  // namespace emprops::jobs
