#include "supervisor/files/deliveries.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "ipc/envelope.h"
#include "ipc/json_text.h"
#include "ipc/text/people.h"
#include "supervisor/files/inline_room.h"

namespace emprops::files {
namespace {

/// An interim note of a larger result costs more than bringing its files away once more, under the same names.
constexpr std::size_t largest_noted = 64u << 10;

std::string id_of(const Delivery& delivery, std::size_t index) {
    return delivery.folder + "/" + std::to_string(index);
}

}  // namespace

// ---- jobs

void Deliveries::add(TimePoint now, Delivery delivery) {
    Item item{std::move(delivery), {}, {}, now, {}};
    item.mentions = mentions(item.delivery);
    for (std::size_t i = 0; i < item.delivery.files.size(); ++i)
        if (!item.delivery.files[i].ended()) item.waiting.insert(i);
    items_.push_back(std::move(item));
    if (couriers_.none() && items_.size() == 1) no_courier_since_ = now;  // nobody has missed it before
    const auto added = std::prev(items_.end());
    if (added->waiting.empty() || added->delivery.refused) return end(added);
    give(now);
}

void Deliveries::renumber(std::uint64_t from, std::uint64_t to) {
    for (Item& item : items_) {
        if (item.delivery.number != from) continue;
        item.delivery.number = to;
        record(item);
    }
}

void Deliveries::drop(TimePoint now, std::uint64_t number) {
    const auto item = std::find_if(items_.begin(), items_.end(),
                                   [&](const Item& i) { return i.delivery.number == number; });
    if (item == items_.end()) return;
    for (const auto& [id, job_id] : couriers_.in_hand())
        if (const auto found = find(job_id); found && found->item == item)
            actions_.push_back(CancelFile{id, job_id});
    actions_.push_back(RemoveFolder{item->delivery.folder});
    Delivery left = std::move(item->delivery);
    const auto waiting = std::move(item->waiting);
    items_.erase(item);
    add(now, given_up(std::move(left), waiting));
    give(now);
}

bool Deliveries::claim(const std::string& folder, std::uint64_t number) {
    const auto item = std::find_if(items_.begin(), items_.end(),
                                   [&](const Item& each) { return each.delivery.folder == folder; });
    if (item == items_.end()) return false;
    item->delivery.number = number;
    record(*item);
    return true;
}

bool Deliveries::holds(std::uint64_t number) const {
    return std::any_of(items_.begin(), items_.end(),
                       [&](const Item& item) { return item.delivery.number == number; });
}

bool Deliveries::holds_folder(const std::string& folder) const {
    return std::any_of(items_.begin(), items_.end(),
                       [&](const Item& item) { return item.delivery.folder == folder; });
}

// ---- the courier

void Deliveries::courier_ready(TimePoint now, const process::InstanceId& id, int slots) {
    couriers_.ready(id, slots);
    no_courier_since_.reset();
    give(now);
}

void Deliveries::courier_gone(TimePoint now, const process::InstanceId& id, bool planned,
                              const std::string& how) {
    const auto had = couriers_.gone(id);
    if (!had) return;
    if (couriers_.none()) no_courier_since_ = now;
    for (const std::string& job_id : *had) {
        const auto found = find(job_id);
        if (!found) continue;
        found->item->waiting.insert(found->index);
        if (planned) continue;
        FileOnWay& each = file(*found);
        // Of several files nobody knows which one it was.
        if (had->size() == 1 || each.deaths + 1 < policy_.deaths_next) ++each.deaths;
        actions_.push_back(Note{Note::Level::warn,
                                "the courier ended with \"" + each.file.name + "\" in hand (" + how + "), " +
                                    counted(static_cast<std::size_t>(each.deaths), "time"),
                                "", found->item->delivery.job_id});
        if (each.deaths >= policy_.deaths_next) {
            pass_over(each, "the courier ended " + std::to_string(each.deaths) +
                                " times while it took the file there");
            each.deaths = policy_.deaths_alone;
        }
        file_changed(now, found->item, true);
    }
    give(now);
}

void Deliveries::not_given(TimePoint now, const process::InstanceId& id, const std::string& job_id,
                           const std::string& why) {
    if (!couriers_.let_go(id, job_id)) return;
    if (const auto found = find(job_id)) found->item->waiting.insert(found->index);
    if (!why.empty() && why != told_trouble_)
        actions_.push_back(Note{Note::Level::error, "no file can be given to the courier: " + why, "", ""});
    told_trouble_ = why;
    paused_until_ = now + policy_.pause;
}

void Deliveries::progress(TimePoint now, const ipc::Progress& message) {
    couriers_.heard(now, message.job_id);
    if (const auto found = find(message.job_id))
        tell(now, *found->item,
             message.message.empty() ? "" : file(*found).file.name + ": " + message.message);
}

void Deliveries::told(TimePoint now, const ipc::ServiceRequest& message) {
    const auto found = find(message.job_id);
    if (!found) return;
    if (message.request_type == "upload_begun" && message.content.is_object())
        file(*found).begun = ipc::dump(message.content);
    else if (message.request_type == "form_made")
        file(*found).formed = true;
    else
        return;
    couriers_.heard(now, message.job_id);
    record(*found->item);
}

void Deliveries::file_delivered(TimePoint now, const process::InstanceId& id, const ipc::JobResult& message) {
    let_go(id, message.job_id);
    const auto found = find(message.job_id);
    if (!found) return give(now);
    FileOnWay& each = file(*found);
    const std::size_t before = each.passed_over.size();
    if (!take_answer(each, message.result)) {
        each.failed = ipc::JobError{ipc::code::internal, "the courier said no entry for it", true, {}};
        return file_changed(now, found->item, false);
    }
    for (std::size_t i = before; i < each.passed_over.size(); ++i)
        actions_.push_back(Note{Note::Level::warn,
                                "\"" + each.file.name + "\" took a detour: " + each.passed_over[i], "",
                                found->item->delivery.job_id});
    file_changed(now, found->item, each.keeps_entry);
}

void Deliveries::file_failed(TimePoint now, const process::InstanceId& id, const std::string& job_id,
                             const ipc::JobError& error) {
    let_go(id, job_id);
    const auto found = find(job_id);
    if (!found) return give(now);
    FileOnWay& each = file(*found);
    if (error.code == ipc::code::drained || error.code == ipc::code::not_started) {
        found->item->waiting.insert(found->index);  // it leaves; the next one goes on
        return give(now);
    }
    each.failed = error;
    file_changed(now, found->item, false);
}

// ---- time

std::optional<TimePoint> Deliveries::next_wakeup() const {
    Earliest next;
    next.add(paused_until_);
    if (no_courier_since_ && !items_.empty()) next.add(*no_courier_since_ + policy_.courier_patience);
    next.add(couriers_.next_silence(policy_.hand_patience));
    return next.at();
}

void Deliveries::on_time(TimePoint now) {
    if (paused_until_ && *paused_until_ <= now) paused_until_.reset();
    if (no_courier_since_ && *no_courier_since_ + policy_.courier_patience <= now) fail_overdue(now);
    stop_silent(now);
    give(now);
}

/// No courier has been there for too long: whatever waits has failed.
void Deliveries::fail_overdue(TimePoint now) {
    std::vector<std::string> overdue;
    for (const Item& item : items_)
        for (const std::size_t index : item.waiting)
            overdue.push_back(id_of(item.delivery, index));
    for (const std::string& job_id : overdue) {
        const auto found = find(job_id);
        if (!found) continue;
        file(*found).failed =
            ipc::JobError{ipc::code::service_unavailable,
                          "no courier has run for " + human_duration(policy_.courier_patience) +
                              "; see `emprops-worker why courier`",
                          true,
                          {}};
        file_changed(now, found->item, false);
    }
    no_courier_since_ = now;
}

void Deliveries::stop_silent(TimePoint now) {
    for (const auto& [id, job_id] : couriers_.silent(now, policy_.hand_patience)) {
        const auto found = find(job_id);
        actions_.push_back(StopCourier{id, "it has said nothing of " +
                                               (found ? "\"" + file(*found).file.name + "\"" : "a file") +
                                               " for " + human_duration(policy_.hand_patience)});
    }
}

std::vector<Deliveries::Action> Deliveries::take_actions() {
    return std::exchange(actions_, {});
}

// ---- which file is next

std::optional<Deliveries::Found> Deliveries::find(const std::string& job_id) {
    const std::size_t slash = job_id.rfind('/');
    std::size_t index = 0;
    const char* const end = job_id.data() + job_id.size();
    if (slash == job_id.npos || std::from_chars(job_id.data() + slash + 1, end, index).ptr != end)
        return std::nullopt;
    const auto item = std::find_if(items_.begin(), items_.end(), [&](const Item& each) {
        return job_id.compare(0, slash, each.delivery.folder) == 0;
    });
    if (item == items_.end() || index >= item->delivery.files.size()) return std::nullopt;
    return Found{item, index};
}

void Deliveries::let_go(const process::InstanceId& id, const std::string& job_id) {
    couriers_.let_go(id, job_id);
    actions_.push_back(FileEnded{id, job_id});
}

void Deliveries::give(TimePoint now) {
    if (paused_until_) return;
    for (const auto& [id, job_id] : couriers_.in_hand())
        if (const auto found = find(job_id); found && file(*found).deaths >= policy_.deaths_alone) return;
    while (const auto place = couriers_.free_place()) {
        const auto next = next_file(place->slots);
        if (!next) return;
        const bool alone = file(*next).deaths >= policy_.deaths_alone;
        if (alone && !couriers_.in_hand().empty()) return;
        give_one(now, place->courier, *next->item, next->index);
        if (alone) return;
    }
}

/// Of the job that has the fewest in hand; of several the oldest. What is to be converted may take minutes, and never
/// takes the last of a courier's places.
std::optional<Deliveries::Found> Deliveries::next_file(int slots) {
    std::map<const Item*, std::size_t> in_hand;
    int changing = 0;
    for (const auto& [id, job_id] : couriers_.in_hand()) {
        const auto found = find(job_id);
        if (!found) continue;
        ++in_hand[&*found->item];
        if (found->item->delivery.changes(file(*found))) ++changing;
    }
    const bool may_change = changing == 0 || changing < slots - 1;
    std::optional<Found> next;
    for (auto item = items_.begin(); item != items_.end(); ++item) {
        if (next && in_hand[&*item] >= in_hand[&*next->item]) continue;
        const auto first = std::find_if(item->waiting.begin(), item->waiting.end(), [&](std::size_t index) {
            return may_change || !item->delivery.changes(item->delivery.files[index]);
        });
        if (first != item->waiting.end()) next = Found{item, *first};
    }
    return next;
}

void Deliveries::give_one(TimePoint now, const process::InstanceId& id, Item& item, std::size_t index) {
    const std::string job_id = id_of(item.delivery, index);
    ipc::Job job;
    job.job_id = job_id;
    job.job_type = "deliver";
    job.attempt = item.delivery.files[index].deaths + 1;
    const bool repeat = !item.given_before.insert(index).second || item.delivery.resumed;
    // What was converted before is not what ended the courier, and lies at a store under its new name, perhaps.
    const FileOnWay& each = item.delivery.files[index];
    const bool unconverted = each.deaths >= policy_.deaths_alone && !each.formed;
    const std::uint64_t room =
        inline_room(item.delivery, item.mentions, item.waiting, index, policy_.frame_bytes);
    job.payload = courier_payload(item.delivery, index, room, repeat, unconverted);
    item.waiting.erase(index);
    couriers_.take(now, id, job_id);
    actions_.push_back(GiveFile{id, std::move(job)});
}

/// The first of its stores.
void Deliveries::pass_over(FileOnWay& each, const std::string& why) {
    if (!each.stores.empty()) {
        each.passed_over.push_back(each.stores.front() + ": " + why);
        each.stores.erase(each.stores.begin());
    }
    if (each.stores.empty()) each.failed = ipc::JobError{ipc::code::internal, why, true, {}};
}

// ---- what is told

void Deliveries::record(const Item& item) {
    const Delivery& delivery = item.delivery;
    actions_.push_back(
        RecordDelivery{delivery.number, delivery.job_id, delivery.result, state_text(delivery)});
}

void Deliveries::tell(TimePoint now, Item& item, const std::string& what) {
    if (now - item.told_at < policy_.told_every) return;
    item.told_at = now;
    const auto& all = item.delivery.files;
    const auto done =
        std::count_if(all.begin(), all.end(), [](const FileOnWay& f) { return f.entry.has_value(); });
    ipc::Progress progress;
    progress.status = "delivering";
    progress.message = "delivering " +
                       std::to_string(std::min<std::size_t>(static_cast<std::size_t>(done) + 1, all.size())) +
                       " of " + std::to_string(all.size()) + (what.empty() ? "" : ": " + what);
    actions_.push_back(TellDelivery{item.delivery.number, std::move(progress)});
}

/// The item may be gone afterwards.
void Deliveries::file_changed(TimePoint now, Items::iterator item, bool worth_noting) {
    const auto& all = item->delivery.files;
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].ended()) item->waiting.erase(i);
    if (std::all_of(all.begin(), all.end(), [](const FileOnWay& f) { return f.ended(); })) {
        end(item);
    } else {
        if (worth_noting && item->delivery.result.text().size() <= largest_noted) record(*item);
        tell(now, *item, "");
    }
    give(now);
}

void Deliveries::end(Items::iterator item) {
    Delivery delivery = std::move(item->delivery);
    items_.erase(item);
    if (!delivery.given_up) actions_.push_back(end_of(std::move(delivery), policy_.frame_bytes));
}

}  // namespace emprops::files
