#include "supervisor/process/members.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"

namespace emprops::process {

Members::Members(Surroundings& around, const std::string& connector, int index)
    : folders_(around.work_dirs, connector, index,
               [this](const std::string& job_id) { return holds(job_id); }) {}

Member& Members::add(std::unique_ptr<Member> member) {
    auto& place = members_[member->process().id().generation];
    place = std::move(member);
    return *place;
}

std::unique_ptr<Member> Members::remove(std::uint64_t generation) {
    last_user_ = user_of(generation);
    return std::move(members_.extract(generation).mapped());
}

Member* Members::find(std::uint64_t generation) const {
    const auto found = members_.find(generation);
    return found == members_.end() ? nullptr : found->second.get();
}

// ---- jobs -------------------------------------------------------------------------------------------------

Result<> Members::give(Member& member, ipc::Job& job, TimePoint now) {
    ConnectorProcess& process = member.process();
    const std::string name = to_string(process.id());
    if (process.jobs().holds(job.job_id)) return Error{"busy", name + " still holds a job of this id"};
    const std::string problem = folders_.problem();
    auto folder = folders_.make(job.job_id, member.user(), process.log_fields(job.job_id), now);
    if (folders_.problem() != problem) tell_offers();
    if (!folder) return folder.error();
    job.work_dir = std::move(*folder);
    Result<> given = process.give(job);
    if (!given) folders_.remove(job.job_id);
    return given;
}

void Members::forget_folder(const std::string& job_id) {
    folders_.remove(job_id);
}

std::optional<uid_t> Members::user_of(std::uint64_t generation) const {
    const Member* member = find(generation);
    if (member == nullptr) return last_user_;
    return member->user() ? std::optional(member->user()->uid) : std::nullopt;
}

bool Members::job_ended(Member& member, const std::string& job_id) {
    const bool ran = member.process().job_ended(job_id);
    folders_.remove(job_id);
    return ran;
}

void Members::jobs_left(const Member& member, Ms resume_window, TimePoint now) {
    const HeldJobs& jobs = member.process().jobs();
    const auto remove_at = [&](TimePoint at, bool others) {
        for (const std::string& job_id : jobs.ids(others))
            if (!jobs.keeps_folder(job_id)) folders_.remove_at(at, job_id);
    };
    remove_at(now + resume_window, false);
    remove_at(now, true);
    folders_.tick(now);
}

void Members::look() {
    const std::string problem = folders_.problem();
    for (const auto& [generation, member] : members_) {
        member->look();
        if (!member->process().connected()) continue;
        std::vector<std::string> held = member->process().jobs().ids();
        for (std::string& job_id : member->process().jobs().ids(true))
            held.push_back(std::move(job_id));
        folders_.look(member->user(), held, member->process().log_fields());
    }
    if (folders_.problem() != problem) tell_offers();
}

void Members::tell_offers() const {
    for (const auto& [generation, member] : members_) {
        member->tell_status();
        member->tell_offer();
    }
}

bool Members::holds(const std::string& job_id) const {
    return std::any_of(members_.begin(), members_.end(),
                       [&](const auto& each) { return each.second->process().jobs().holds(job_id); });
}

std::vector<std::string> Members::jobs() const {
    std::vector<std::string> all;
    for (const auto& [generation, member] : members_) {
        for (std::string& job_id : member->process().jobs().ids())
            all.push_back(std::move(job_id));
    }
    return all;
}

int Members::running() const {
    int count = 0;
    for (const auto& [generation, member] : members_)
        count += member->process().jobs().running();
    return count;
}

// ---- time -------------------------------------------------------------------------------------------------

Observations Members::tick(std::optional<std::uint64_t> measured, TimePoint now) {
    folders_.tick(now);
    Observations seen;
    for (const auto& [generation, member] : members_) {
        if (member->process().backlog()) seen.stdin_backlog.push_back(generation);
        member->tick(now);
        Child& child = member->process().child();
        seen.rss_bytes += child.sample(generation == measured, now);
        if (std::string stopped = child.stopped(); !stopped.empty())
            seen.stopped[generation] = std::move(stopped);
    }
    if (std::exchange(stopped_, seen.stopped) != seen.stopped) tell_offers();
    return seen;
}

std::optional<TimePoint> Members::next_wakeup() const {
    Earliest first;
    first.add(folders_.next_wakeup());
    for (const auto& [generation, member] : members_)
        first.add(member->next_wakeup());
    return first.at();
}

std::string Members::names() const {
    std::string names;
    for (const auto& [generation, member] : members_)
        add_item(names, to_string(member->process().id()) + " (pid " +
                            std::to_string(member->process().child().pid()) + ")");
    return names;
}

}  // namespace emprops::process
