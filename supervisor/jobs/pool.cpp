#include "supervisor/jobs/pool.h"
#include "ipc/text/values.h"

#include <algorithm>
#include <tuple>

namespace emprops::jobs {

namespace {
/// How long after the end of a service its jobs wait before they go back: a death for which a job is blamed does not
/// open the service's breaker, and the verdict comes a moment after the death.
constexpr Ms verdict_time{500};
}  // namespace

bool Instance::has_type(const std::string& job_type) const {
    return text::has_item(info.job_types, job_type);
}

int Instance::free_slots() const {
    if (!serving() || overdue || alone || paused_until || refusals.asked_again()) return 0;
    return std::max(0, slots() - busy() - reserved - awaited);
}

bool Instance::can_prepare() const {
    if (!info.features.prepare || refuses_ahead || ahead > 0) return false;
    if (!serving() || overdue || alone || paused_until || refusals.one_at_a_time() || replacement_asked)
        return false;
    return busy() > 0 && busy() + reserved >= slots() && unanswered.empty();
}

void Instance::note_service(TimePoint now, Ms patience) {
    if (!info.service_back_at || *info.service_back_at - now <= patience)
        gives_back_at.reset();
    else if (!gives_back_at)
        gives_back_at = now + verdict_time;
}

Instance& Pool::put(const process::InstanceId& id, const process::InstanceInfo& info,
                    const config::SupervisionSettings& policy) {
    Instance& instance = instances_[id];
    instance.id = id;
    instance.policy = policy;
    const bool other_types = info.job_types != instance.info.job_types;
    if (other_types) unlist(instance);
    instance.set(info, ++type_lists_);
    if (other_types) list(instance);
    return touched(instance);
}

void Pool::list(Instance& instance) {
    const auto before = [](const Instance* a, const Instance* b) { return a->id < b->id; };
    for (const std::string& type : instance.info.job_types) {
        auto& all = by_type_[type];
        const auto place = std::lower_bound(all.begin(), all.end(), &instance, before);
        // A list may name a type twice.
        if (place == all.end() || *place != &instance) all.insert(place, &instance);
    }
}

void Pool::unlist(const Instance& instance) {
    for (const std::string& type : instance.info.job_types) {
        const auto found = by_type_.find(type);
        if (found == by_type_.end()) continue;
        std::erase(found->second, &instance);
        if (found->second.empty()) by_type_.erase(found);
    }
}

const std::vector<Instance*>& Pool::of_type(const std::string& job_type) const {
    static const std::vector<Instance*> none;
    const auto found = by_type_.find(job_type);
    return found == by_type_.end() ? none : found->second;
}

Instance& Pool::touched(Instance& instance) {
    touched_.insert(&instance);
    return instance;
}

void Instance::set(const process::InstanceInfo& offer, std::uint64_t version) {
    if (offer.offers != info.offers) {
        refusals.offers_anew();
        refuses_ahead = false;
    }
    if (types_version == 0 || offer.job_types != info.job_types) types_version = version;
    info = offer;
    // The capabilities can be large, and nothing here asks for them.
    info.capabilities = nullptr;
    info.status.reset();
}

Instance* Pool::find(const process::InstanceId& id) {
    const auto it = instances_.find(id);
    return it == instances_.end() ? nullptr : &touched(it->second);
}

const Instance* Pool::find(const process::InstanceId& id) const {
    const auto it = instances_.find(id);
    return it == instances_.end() ? nullptr : &it->second;
}

void Pool::remove(const process::InstanceId& id) {
    if (const auto found = instances_.find(id); found != instances_.end()) {
        Instance* const gone = &found->second;
        unlist(*gone);
        touched_.erase(gone);
        awaited_.erase(gone);
        pauses_.set(gone, std::nullopt);
        if (parts_.erase(gone) != 0) capacity_.reset();
        instances_.erase(found);
    }
    for (auto& [job_id, reservation] : reservations_) {
        if (reservation.instance == id) reservation.instance.reset();
    }
    rebind_reservations();
}

void Pool::set_drained(const std::string& connector, bool drained) {
    if (drained)
        drained_.insert(connector);
    else
        drained_.erase(connector);
    for (auto& [id, instance] : instances_)
        if (id.connector == connector) touched(instance);
}

bool Pool::open(const Instance& instance) const {
    return instance.serving() && !drained_.contains(instance.id.connector);
}

std::size_t Pool::rank(const std::string& connector) const {
    return static_cast<std::size_t>(std::find(order_.begin(), order_.end(), connector) - order_.begin());
}

Instance* Pool::choose(const std::string& job_type, const Filter& filter) {
    Instance* best = nullptr;
    const auto before = [this](const Instance& a, const Instance& b) {
        // a.load / a.slots < b.load / b.slots without fractions
        const long long load_a = 1LL * (a.busy() + a.reserved + a.awaited) * b.slots();
        const long long load_b = 1LL * (b.busy() + b.reserved + b.awaited) * a.slots();
        return std::make_tuple(load_a, rank(a.id.connector), a.id) <
               std::make_tuple(load_b, rank(b.id.connector), b.id);
    };
    for (Instance* each : of_type(job_type)) {
        if (!open(*each) || each->free_slots() == 0) continue;
        if (filter && !filter(*each)) continue;
        if (best == nullptr || before(*each, *best)) best = each;
    }
    return best != nullptr ? &touched(*best) : nullptr;
}

bool Pool::serves(const std::string& job_type, const Filter& filter) const {
    const auto& all = of_type(job_type);
    return std::any_of(all.begin(), all.end(),
                       [&](const Instance* each) { return open(*each) && filter(*each); });
}

bool Pool::reserve(const std::string& job_id, const std::string& job_type, const Filter& filter) {
    Instance* instance = choose(job_type, filter);
    if (instance == nullptr) return false;
    ++instance->reserved;
    reservations_[job_id] = {job_type, instance->id, false, true};
    return true;
}

Instance* Pool::choose_ahead(const std::string& job_type, const Filter& filter, bool claimed) {
    for (Instance* each : of_type(job_type)) {
        const bool takes = claimed ? each->can_prepare() : open(*each) && each->takes_ahead();
        if (takes && filter(*each)) return &touched(*each);
    }
    return nullptr;
}

bool Pool::reserve_ahead(const std::string& job_id, const std::string& job_type, const Filter& filter) {
    Instance* instance = choose_ahead(job_type, filter);
    if (instance == nullptr) return false;
    ++instance->ahead;
    reservations_[job_id] = {job_type, instance->id, true, false};
    return true;
}

bool Pool::reserved_ahead(const std::string& job_id) const {
    const auto found = reservations_.find(job_id);
    return found != reservations_.end() && found->second.ahead;
}

bool Pool::has_reservation(const std::string& job_id) const {
    return reservations_.contains(job_id);
}

Instance* Pool::end_reservation(const std::string& job_id) {
    const auto it = reservations_.find(job_id);
    if (it == reservations_.end()) return nullptr;
    Instance* instance = it->second.instance ? find(*it->second.instance) : nullptr;
    const std::string job_type = it->second.job_type;
    const bool slot = it->second.slot;
    reservations_.erase(it);
    if (instance == nullptr) return nullptr;
    --(slot ? instance->reserved : instance->ahead);
    // A drain that began after the claim does not count. But the service may be gone, or the slots may be fewer.
    return instance->free_slots() > 0 && instance->has_type(job_type) ? instance : nullptr;
}

void Pool::rebind_reservations() {
    for (auto& [job_id, reservation] : reservations_) {
        if (reservation.instance && reservation.slot) {
            Instance* bound = find(*reservation.instance);
            if (bound->serving()) continue;
            --bound->reserved;
            reservation.instance.reset();
        }
        if (Instance* instance = choose(reservation.job_type)) {
            if (reservation.instance) --find(*reservation.instance)->ahead;  // it had none
            ++instance->reserved;
            reservation.instance = instance->id;
            reservation.slot = true;
        }
    }
}

void Pool::count_waiting(const std::vector<std::string>& job_types) {
    for (Instance* each : awaited_)
        touched(*each).awaited = 0;
    awaited_.clear();
    for (const std::string& job_type : job_types) {
        if (Instance* instance = choose(job_type)) {
            ++instance->awaited;
            awaited_.insert(instance);
        } else if (Instance* full = choose_ahead(job_type, [](const Instance&) { return true; })) {
            full->ahead_allowed = false;
        }
    }
}

void Pool::end_pauses(TimePoint now) {
    count_touched();
    for (Instance* each : pauses_.due(now)) {
        Instance& instance = touched(*each);
        if (instance.paused_until && *instance.paused_until <= now) instance.paused_until.reset();
        if (const auto again = instance.refusals.asked_again(); again && *again <= now)
            instance.refusals.end_pause();
    }
}

std::optional<TimePoint> Pool::next_pause_end() {
    count_touched();
    return pauses_.next();
}

void Pool::count_touched() {
    for (Instance* each : touched_) {
        Earliest pause_end;
        pause_end.add(each->paused_until);
        pause_end.add(each->refusals.asked_again());
        pauses_.set(each, pause_end.at());
        if (!open(*each)) {
            if (parts_.erase(each) != 0) capacity_.reset();
            continue;
        }
        const Part part{each->types_version, each->free_slots(), each->takes_ahead()};
        Part& known = parts_[each];
        if (known == part) continue;
        known = part;
        capacity_.reset();
    }
    touched_.clear();
}

std::shared_ptr<const Capacity> Pool::capacity() {
    // Slots are taken and given back: the same few capacities come again.
    constexpr std::size_t most_known = 4;
    count_touched();
    if (capacity_) return capacity_;
    std::vector<Part> parts;
    parts.reserve(parts_.size());
    for (const auto& [instance, part] : parts_)
        parts.push_back(part);
    for (const auto& [of, capacity] : known_capacities_)
        if (of == parts) return capacity_ = capacity;
    if (known_capacities_.size() == most_known) known_capacities_.pop_front();
    capacity_ = std::make_shared<const Capacity>(build_capacity());
    known_capacities_.emplace_back(std::move(parts), capacity_);
    return capacity_;
}

Capacity Pool::build_capacity() const {
    Capacity capacity;
    for (const auto& [type, instances] : by_type_) {
        bool offered = false;
        int free = 0;
        bool ahead = false;
        for (const Instance* each : instances) {
            if (!open(*each)) continue;
            offered = true;
            free += each->free_slots();
            ahead = ahead || each->takes_ahead();
        }
        if (!offered) continue;
        capacity.job_types.push_back(type);
        if (free > 0)
            capacity.free_slots.emplace_hint(capacity.free_slots.end(), type, free);
        else if (ahead)
            capacity.ahead.emplace_hint(capacity.ahead.end(), type);
    }
    return capacity;
}

}  // namespace emprops::jobs
