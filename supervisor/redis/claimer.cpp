#include "supervisor/redis/claimer.h"

#include <algorithm>
#include <utility>

#include "ipc/json_text.h"
#include "supervisor/redis/rules/keys.h"

namespace emprops::redis {

void Claimer::set_capabilities(ipc::Json capabilities) {
    if (capabilities == capabilities_) return;
    capabilities_ = std::move(capabilities);
    known_.clear();
}

void Claimer::connected(TimePoint now) {
    connected_ = true;
    ++epoch_;
    known_.clear();
    from_ = 0;
    look_soon(now);
}

void Claimer::disconnected() {
    connected_ = false;
    ++epoch_;
    if (step_ == Step::placing || step_ == Step::taking) server_.event(jobs::PlaceReleased{wanted_});
    step_ = Step::resting;
    look_at_.reset();
}

bool Claimer::may_claim() const {
    return connected_ && !stopped_ && room_.capacity && room_.capacity->idle();
}

bool Claimer::has_room(const std::string& job_type) const {
    const auto& free = room_.capacity->free_slots;
    if (job_type.empty()) return !free.empty();
    const auto found = free.find(job_type);
    return found != free.end() && found->second > 0;
}

void Claimer::room(TimePoint now, const jobs::Room& room) {
    const bool changed = room.capacity != room_.capacity;
    room_ = room;
    if (!changed) return;
    no_place_.clear();
    if (step_ == Step::resting && may_claim()) look_soon(now);
}

void Claimer::look_soon(TimePoint when) {
    if (!look_at_ || when < *look_at_) look_at_ = when;
}

/// The message says enough to know whether a look is worth it; what it says of the job is read from its hash.
void Claimer::announced(TimePoint now, const std::string& job_id, const std::string& service) {
    if (!may_claim() || job_id.empty()) return;
    if (!service.empty() && !has_room(service)) return;
    from_ = 0;
    look_soon(now + std::chrono::duration_cast<Ms>(policy_.jitter * server_.random()));
}

std::optional<TimePoint> Claimer::next_wakeup() const {
    return step_ == Step::resting && may_claim() ? look_at_ : std::nullopt;
}

void Claimer::on_time(TimePoint now) {
    now_ = now;
    if (step_ == Step::resting && may_claim() && look_at_ && *look_at_ <= now) look(now);
}

void Claimer::rest(TimePoint now) {
    step_ = Step::resting;
    const auto pause = policy_.poll_least + std::chrono::duration_cast<Ms>(
                                                (policy_.poll_most - policy_.poll_least) * server_.random());
    look_soon(now + pause);
}

void Claimer::look(TimePoint now) {
    now_ = now;
    look_at_.reset();
    step_ = Step::looking;
    server_.ask({"ZCARD", keys::pending}, [this, epoch = epoch_](const Reply& reply) {
        if (epoch == epoch_) counted(reply);
    });
}

void Claimer::counted(const Reply& reply) {
    if (reply.failed() || reply.number == 0) {
        if (reply.kind == Reply::Kind::error) server_.trouble("look at the queue", reply);
        known_.clear();
        return rest(now_);
    }
    if (from_ >= static_cast<std::size_t>(reply.number)) from_ = 0;
    server_.ask(
        {"ZREVRANGE", keys::pending, std::to_string(from_), std::to_string(from_ + policy_.window - 1)},
        [this, epoch = epoch_](const Reply& ids) {
            if (epoch == epoch_) listed(ids);
        });
}

void Claimer::listed(const Reply& reply) {
    if (reply.failed()) {
        if (reply.kind == Reply::Kind::error) server_.trouble("look at the queue", reply);
        return rest(now_);
    }
    if (from_ == 0) ++looks_;
    std::vector<std::string> ids, unknown;
    for (const Reply& each : reply.list) {
        ids.push_back(each.text);
        const auto found = known_.find(each.text);
        if (found == known_.end())
            unknown.push_back(each.text);
        else
            found->second.seen = looks_;
    }
    const bool last = reply.list.size() < policy_.window;
    read(unknown, [this, ids = std::move(ids), last] {
        if (last) {
            std::erase_if(known_, [this](const auto& each) { return each.second.seen != looks_; });
            from_ = 0;
        } else {
            from_ += ids.size();
        }
        choose(ids);
    });
}

void Claimer::read(const std::vector<std::string>& ids, std::function<void()> then) {
    if (ids.empty()) return then();
    const auto left = std::make_shared<std::size_t>(ids.size());
    for (const std::string& id : ids) {
        Command command{"HMGET", keys::job(id)};
        command.insert(command.end(), matching_fields().begin(), matching_fields().end());
        server_.ask(std::move(command), [this, id, left, then, epoch = epoch_](const Reply& reply) {
            if (epoch != epoch_) return;
            judge_one(id, reply);
            if (--*left == 0) then();
        });
    }
}

void Claimer::judge_one(const std::string& id, const Reply& reply) {
    if (reply.failed()) return;
    Known& known = known_[id];
    known.seen = looks_;
    const auto job = job_of_fields(id, reply);
    if (!job) {
        server_.note(Note::Level::warn,
                     "is in jobs:pending and has no hash; it is passed over (ZREM jobs:pending removes it)",
                     id);
        return;
    }
    const Judgement judgement = judge(capabilities_, job->fields);
    known.verdict = judgement.verdict;
    known.job_type = job->job_type();
    // Somebody has it, or has had it: that is no verdict. It is read again at the next look.
    if (reply.at(0) != "pending") {
        known_.erase(id);
        return;
    }
    if (judgement.verdict == Verdict::poison)
        server_.note(Note::Level::warn,
                     "can be taken by no worker: " + judgement.why +
                         "; it is passed over: cancel it, and submit it with other requirements",
                     id);
}

void Claimer::choose(const std::vector<std::string>& ids) {
    if (!may_claim()) return rest(now_);
    for (const std::string& id : ids) {
        const auto known = known_.find(id);
        if (known == known_.end() || known->second.verdict != Verdict::takes) continue;
        if (held_.holds(id) || no_place_.contains(id) || !has_room(known->second.job_type)) continue;
        if (const auto back = returned_.find(id); back != returned_.end() && back->second.until > now_)
            continue;
        return want(id, known->second.job_type);
    }
    if (from_ != 0) {  // there are more
        step_ = Step::resting;
        return look_soon(now_);
    }
    rest(now_);
}

void Claimer::want(const std::string& id, const std::string& job_type) {
    step_ = Step::placing;
    wanted_ = id;
    const std::string& type = job_type.empty() ? room_.capacity->free_slots.begin()->first : job_type;
    server_.event(jobs::PlaceWanted{id, type});
}

void Claimer::place(TimePoint now, const std::string& job_id, jobs::Place place) {
    now_ = now;
    if (step_ != Step::placing || job_id != wanted_) return;
    if (place == jobs::Place::slot) return take(job_id);
    if (place == jobs::Place::ahead) server_.event(jobs::PlaceReleased{job_id});
    no_place_.insert(job_id);
    step_ = Step::resting;
    look_soon(now);
}

void Claimer::take(const std::string& id) {
    step_ = Step::taking;
    ++claims;
    const std::string worker = slots_.take();
    const std::int64_t wall = server_.wall_ms();
    server_.call(
        claim_script(),
        {keys::pending, keys::job(id), keys::active(worker), keys::worker(worker), keys::progress_stream(id)},
        {id, worker, mark_, iso_of_ms(wall), std::to_string(wall), ""},
        [this, id, worker, epoch = epoch_](const Reply& reply) {
            if (epoch == epoch_) answered(id, worker, reply);
        });
}

void Claimer::pass_over(TimePoint now, const std::string& job_id) {
    std::erase_if(returned_,
                  [&](const auto& each) { return each.second.until + policy_.returned_most < now; });
    Returned& returned = returned_[job_id];
    returned.pause = std::clamp(returned.pause * 2, policy_.returned_first, policy_.returned_most);
    returned.until = now + returned.pause;
}

void Claimer::answered(const std::string& id, const std::string& worker, const Reply& reply) {
    known_.erase(id);
    from_ = 0;
    step_ = Step::resting;
    look_soon(now_);
    if (reply.at(0) == "taken") {
        const Claim claim{worker, reply.at(1)};
        return taken_(job_of_hash(id, reply, 2), claim);
    }
    ++refused;
    server_.event(jobs::PlaceReleased{id});
    // Without an answer the id stays in use until it is known what stands under it.
    if (reply.failed()) {
        if (reply.kind == Reply::Kind::error) {
            server_.trouble("take a job", reply);
            if (on_doubt) on_doubt(worker);
        }
        look_at_.reset();  // not at once: it would say so again
        return rest(now_);
    }
    slots_.free(worker);
    // It was taken by somebody a moment ago, or is none any more: that says nothing of later.
    Returned& other = returned_[id];
    other.until = std::max(other.until, now_ + policy_.poll_least);
}

}  // namespace emprops::redis
