#include "supervisor/redis/session.h"

#include <algorithm>
#include <utility>

#include "ipc/json_text.h"
#include "ipc/text/values.h"
#include "supervisor/redis/rules/keys.h"

namespace emprops::redis {
namespace {

const std::vector<const Script*>& all_scripts() {
    static const std::vector<const Script*> all{&claim_script(),    &start_script(),  &progress_script(),
                                                &complete_script(), &fail_script(),   &release_script(),
                                                &reap_script(),     &forget_script(), &cancel_script()};
    return all;
}

}  // namespace

Session::Session(SessionSettings settings, Wire& wire, std::function<std::int64_t()> wall_ms,
                 std::function<double()> random)
    : settings_(std::move(settings)),
      wire_(wire),
      wall_ms_(std::move(wall_ms)),
      random_(std::move(random)),
      slots_(settings_.id_base),
      held_(*this, slots_, teller_for(""), settings_.held),
      claimer_(*this, slots_, held_, settings_.claim, mark(),
               [this](JobRecord record, Claim claim) { assign(std::move(record), std::move(claim)); }),
      presence_(*this, slots_, teller_for(""), settings_.presence),
      reconciler_(*this, slots_, held_,
                  {[this](JobRecord record, Claim claim) { found(std::move(record), std::move(claim)); },
                   [this](const jobs::LedgerEntry& entry, JobRecord record, const Claim& claim) {
                       confirmed(entry, std::move(record), claim);
                   },
                   [this](const jobs::LedgerEntry& entry, JobRecord record, const std::string& why) {
                       gone(entry, std::move(record), why);
                   }}),
      reaper_(*this, teller_for(settings_.id_base), settings_.reaper),
      next_number_(settings_.first_number) {
    held_.on_pending = [this](const std::string& job_id) { take_back(job_id); };
    held_.on_returned = [this](const std::string& job_id) { claimer_.pass_over(now_, job_id); };
    held_.on_newer = [this](const std::string& job_id, const Claim& claim) { taken_back(job_id, claim); };
    claimer_.on_doubt = [this](const std::string& worker) { reconciler_.look_into(worker); };
}

// ---- what the machines say

void Session::ask(Command command, Then then) {
    wire_.send(std::move(command), std::move(then));
}

void Session::tell(Command command) {
    const std::string name = command.front();
    wire_.send(std::move(command), [this, name](const Reply& reply) {
        if (reply.kind == Reply::Kind::error) trouble("do " + name, reply);
    });
}

void Session::call(const Script& script, std::vector<std::string> keys, std::vector<std::string> arguments,
                   Then then) {
    Command command = call_of(scripts_[script.name], keys, arguments);
    wire_.send(std::move(command), [this, &script, keys = std::move(keys), arguments = std::move(arguments),
                                    then = std::move(then)](const Reply& reply) mutable {
        if (!reply.is_error("NOSCRIPT")) return then(reply);
        // Somebody has flushed the scripts; EVAL brings this one back.
        Command whole = call_of(script.text, keys, arguments);
        whole.front() = "EVAL";
        wire_.send(std::move(whole), std::move(then));
    });
}

void Session::event(jobs::LinkEvent event) {
    events_.push_back(std::move(event));
}

void Session::note(Note::Level level, const std::string& text, const std::string& job_id) {
    events_.push_back(Note{level, text, "", job_id});
}

void Session::trouble(const std::string& what, const Reply& reply) {
    const std::string code = reply.text.substr(0, reply.text.find(' '));
    if (code == std::exchange(told_trouble_, code)) return;
    std::string cure;
    // A script's own words for it; which command it was stands in its text, by its line.
    if (code == "NOPERM" || reply.text.find("executing the script can't run") != std::string::npos)
        cure = "; give the user of hub.url the rights of supervisor/redis/PROTOCOL.md";
    if (code == "OOM") cure = "; Redis is full: raise its maxmemory, or remove keys";
    if (code == "READONLY") cure = "; this is a replica: hub.url must lead to the primary";
    if (code == "LOADING") cure = "; it is loading its data, and is asked again";
    note(Note::Level::error, "Redis does not let us " + what + ": " + reply.text + cure, "");
}

std::vector<jobs::LinkEvent> Session::take_events() {
    return std::exchange(events_, {});
}

// ---- the connection

void Session::connected(TimePoint now) {
    now_ = now;
    turned_away_ = false;
    log_in();
}

/// Each step goes on where the answer says so; a connection that ends meanwhile answers `lost`.
void Session::log_in() {
    if (!settings_.password.empty())
        wire_.send(auth_command(settings_.user, settings_.password),
                   [this](const Reply& reply) { refused(reply); });
    wire_.send({"CLIENT", "SETNAME", "emprops-worker"}, [](const Reply&) {});
    if (settings_.database != 0)
        wire_.send({"SELECT", std::to_string(settings_.database)}, [this](const Reply& reply) {
            if (reply.kind == Reply::Kind::error && !refused(reply))
                wire_.drop("Redis has no database " + std::to_string(settings_.database) + ": " + reply.text);
        });
    load_scripts();
}

/// True: the answer says that we may not be here.
bool Session::refused(const Reply& reply) {
    if (reply.kind != Reply::Kind::error) return false;
    const bool password = reply.is_error("WRONGPASS") || reply.is_error("NOAUTH") ||
                          reply.is_error("ERR invalid password") || reply.is_error("ERR AUTH");
    if (!password) return false;
    if (std::exchange(turned_away_, true)) return true;
    if (!std::exchange(auth_refused_, true)) {
        note(
            Note::Level::error,
            "Redis refuses us: " + reply.text +
                "; set user and password in hub.url, or the password in hub.token or the file of hub.token_file",
            "");
        left_ = connections_ == 0 || nothing_left();
        events_.push_back(jobs::AuthRefused{left_});
    }
    wire_.drop("Redis refused user or password");
    return true;
}

/// What ran when the password was refused has ended: nothing is left to wait for.
void Session::leave_if_refused() {
    if (!auth_refused_ || left_ || !nothing_left()) return;
    left_ = true;
    events_.push_back(jobs::AuthRefused{true});
}

void Session::load_scripts() {
    for (const Script* script : all_scripts()) {
        const bool last = script == all_scripts().back();
        wire_.send({"SCRIPT", "LOAD", script->text}, [this, script, last](const Reply& reply) {
            if (reply.is_lost() || refused(reply) || turned_away_) return;
            if (reply.failed()) {
                turned_away_ = true;
                trouble("load the script " + std::string(script->name), reply);
                return wire_.drop("Redis does not take our scripts: " + reply.text);
            }
            scripts_[script->name] = reply.text;
            if (last) take_the_id();
        });
    }
}

/// The id is ours, or another worker has it: then we wait, and say so.
void Session::take_the_id() {
    if (settings_.identity.empty()) return open();
    const std::string key = keys::holder(settings_.id_base);
    wire_.send({"SET", key, settings_.identity, "NX", "EX", "60"}, [](const Reply&) {});
    wire_.send({"GET", key}, [this](const Reply& reply) {
        if (reply.is_lost() || turned_away_) return;
        // Nobody has it: Redis could not write it, which the next beat tries again.
        if (reply.is_nil() || reply.text == settings_.identity) return open();
        turned_away_ = true;
        if (reply.failed()) {
            trouble("see who has our id (the key emprops:holder:*)", reply);
            return wire_.drop("Redis does not say who has our id: " + reply.text);
        }
        if (std::exchange(told_trouble_, "the id") != "the id")
            note(
                Note::Level::error,
                "another worker has the id \"" + settings_.id_base +
                    "\" at this Redis: give one of the two another worker.id; its place is free a minute after "
                    "it has gone",
                "");
        wire_.drop("another worker has our id");
    });
}

/// Who was away for a while may have lost it: then the next connection waits for it.
void Session::keep_the_id() {
    const std::string key = keys::holder(settings_.id_base);
    wire_.send({"GET", key}, [this, key](const Reply& reply) {
        if (reply.failed() || !open_) return;
        if (reply.text == settings_.identity) return tell({"EXPIRE", key, "60"});
        if (reply.is_nil()) return tell({"SET", key, settings_.identity, "NX", "EX", "60"});
        wire_.drop("another worker has taken our id \"" + settings_.id_base + "\" meanwhile");
    });
}

void Session::open() {
    open_ = true;
    auth_refused_ = left_ = false;
    ++connections_;
    told_trouble_.clear();
    hold_at_ = now_ + settings_.presence.beat;
    presence_.connected(now_);
    reaper_.connected(now_);
    reconciler_.connected();
    held_.connected(now_);
    claimer_.connected(now_);
    send_cancels();
}

void Session::disconnected(TimePoint now) {
    now_ = now;
    open_ = false;
    scripts_.clear();
    claimer_.disconnected();
    held_.disconnected();
    presence_.disconnected();
    reaper_.disconnected();
    reconciler_.disconnected();
    for (const auto& [id, one] : std::exchange(unplaced_, {}))
        event(jobs::PlaceReleased{id});
}

void Session::message(TimePoint now, const std::string& channel, const std::string& text) {
    now_ = now;
    if (!open_) return;
    const ipc::Json said = text.size() > (64u << 10) ? ipc::Json() : ipc::Json::parse(text, nullptr, false);
    const auto member = [&](const char* name) {
        return said.is_object() ? ipc::text_or_empty(said, name) : std::string();
    };
    if (channel == "job_submitted")
        // A large message is one with its payload in it: enough to know that something waits.
        return claimer_.announced(now, said.is_object() ? member("job_id") : "?", member("service_required"));
    held_.look_at(now, member("job_id"));
}

// ---- jobs

void Session::assign(JobRecord record, Claim claim) {
    ++assignments_;
    jobs::Assignment assignment;
    assignment.job_id = record.id;
    assignment.job_type = record.job_type();
    assignment.priority = static_cast<std::int64_t>(record.priority);
    assignment.payload = ipc::RawJson(record.payload.empty() ? "{}" : record.payload);
    assignment.number = next_number_++;
    const std::uint64_t number = assignment.number;
    const std::string token = claim.text();
    held_.add(now_, std::move(record), number, std::move(claim), true);
    event(jobs::Assigned{std::move(assignment), token});
}

void Session::found(JobRecord record, Claim claim) {
    note(Note::Level::warn,
         "is ours in Redis (" + claim.worker + "), although the answer to its claim was lost: it is run",
         record.id);
    const std::string id = record.id, type = record.job_type();
    unplaced_.insert_or_assign(id, std::pair(std::move(record), std::move(claim)));
    event(jobs::PlaceWanted{id, type});
}

void Session::place(TimePoint now, const std::string& job_id, jobs::Place place) {
    now_ = now;
    const auto at = unplaced_.find(job_id);
    if (at == unplaced_.end()) return claimer_.place(now, job_id, place);
    auto [record, claim] = std::move(at->second);
    unplaced_.erase(at);
    if (place == jobs::Place::slot) return assign(std::move(record), std::move(claim));
    // Nobody here can run it: it goes back as it came.
    if (place == jobs::Place::ahead) event(jobs::PlaceReleased{job_id});
    const std::uint64_t number = next_number_++;
    held_.add(now, std::move(record), number, std::move(claim), false);
    held_.deliver(now, {job_id, number,
                        jobs::Failed{{ipc::code::not_started, "no place for it here", true, {}}, false}});
}

void Session::confirmed(const jobs::LedgerEntry& entry, JobRecord record, const Claim& claim) {
    const std::string id = entry.assignment.job_id;
    held_.add(now_, std::move(record), entry.assignment.number, claim, false);
    if (entry.outcome) return held_.deliver(now_, *entry.outcome);
    const auto& known = entry.claimed_as;
    if (!text::has_item(known, claim.text()))
        event(jobs::Readopted{id, entry.assignment.number, claim.text()});
    event(jobs::JobConfirmed{id, entry.assignment.number});
}

void Session::gone(const jobs::LedgerEntry& entry, JobRecord record, const std::string& why) {
    const std::string& id = entry.assignment.job_id;
    const std::uint64_t number = entry.assignment.number;
    const bool done = entry.outcome && std::holds_alternative<jobs::Completed>(entry.outcome->value);
    if (why == "pending" && (done || (!entry.outcome && entry.resumable))) {
        // It is done, or half done, and waits to be done again: whoever is first has it.
        held_.add(now_, std::move(record), number, Claim{slots_.take(), ""}, false);
        if (entry.outcome)
            held_.deliver(now_, *entry.outcome);
        else
            unconfirmed_.insert(id);
        return take_back(id);
    }
    if (entry.outcome)
        event(jobs::NotDelivered{id, number, why});
    else if (why == "cancelled")
        event(jobs::JobCancelled{id, number, "cancelled in Redis"});
    else
        event(jobs::JobWithdrawn{id, number, why});
}

/// It runs here, or is done, and waits in the queue: somebody took us for dead. Whoever is first has it.
void Session::take_back(const std::string& job_id) {
    const auto old = held_.claim_of(job_id);
    if (!old) return;
    held_.retake(job_id);
    const std::uint64_t number = held_.number_of(job_id);
    const std::int64_t wall = wall_ms();
    call(claim_script(),
         {keys::pending, keys::job(job_id), keys::active(old->worker), keys::worker(old->worker),
          keys::progress_stream(job_id)},
         {job_id, old->worker, mark(), iso_of_ms(wall), std::to_string(wall), old->token},
         [this, job_id, number, worker = old->worker](const Reply& reply) {
             if (held_.number_of(job_id) != number) return;
             if (reply.at(0) == "taken") return taken_back(job_id, Claim{worker, reply.at(1)});
             if (reply.kind == Reply::Kind::error) trouble("take a job back", reply);
             // Without an answer the next question, or connection, finds out.
             const bool sure = !reply.failed();
             if (sure) unconfirmed_.erase(job_id);
             held_.not_retaken(job_id, !sure                   ? ""
                                       : reply.at(0) == "gone" ? "unknown"
                                       : reply.at(1).empty()   ? "claimed_by_other"
                                       : reply.at(1) == "completed" || reply.at(1) == "failed"
                                           ? reply.at(1)
                                           : "claimed_by_other");
         });
}

void Session::taken_back(const std::string& job_id, const Claim& claim) {
    const std::uint64_t number = held_.number_of(job_id);
    event(jobs::Readopted{job_id, number, claim.text()});
    held_.renew(now_, job_id, claim);
    if (unconfirmed_.erase(job_id) > 0) event(jobs::JobConfirmed{job_id, number});
}

void Session::cancel(const std::string& job_id, const std::string& reason) {
    cancels_[job_id] = reason.empty() ? "Job cancelled by user" : reason;
    if (open_)
        send_cancels();
    else
        note(Note::Level::warn, "is cancelled as soon as there is a connection to Redis", job_id);
}

void Session::send_cancels() {
    for (const auto& [job_id, reason] : cancels_) {
        const std::string now = iso_of_ms(wall_ms());
        const ipc::Json entry{{"error", reason}, {"failed_at", now}, {"cancelled", true}};
        call(cancel_script(), {keys::job(job_id), keys::pending, keys::failed},
             {job_id, now, reason, ipc::dump(entry), reason, std::to_string(wall_ms())},
             [this, job_id = job_id](const Reply& reply) {
                 if (reply.is_lost()) return;  // sent again with the next connection
                 cancels_.erase(job_id);
                 if (reply.kind == Reply::Kind::error) return trouble("cancel a job", reply);
                 held_.look_at(now_, job_id);
             });
    }
}

void Session::report_progress(TimePoint now, const std::string& job_id, std::uint64_t number,
                              const ipc::Progress& progress) {
    held_.progress(now, job_id, number, progress);
}

// ---- what we are

void Session::set_capabilities(ipc::Json capabilities) {
    said_ = std::move(capabilities);
    tell_capabilities();
}

void Session::tell_capabilities() {
    ipc::Json document{
        {"machine_id", settings_.machine},         {"services", job_types_},
        {"job_service_required_map", job_types_},  {"hardware", ipc::Json::object()},
        {"models", ipc::Json::object()},           {"customer_access", {{"isolation", "loose"}}},
        {"performance", {{"concurrent_jobs", 1}}}, {"metadata", {{"version", settings_.version}}},
    };
    if (said_.is_object()) document.update(said_);
    claimer_.set_capabilities(document);
    presence_.set_capabilities(std::move(document));
}

void Session::advance(TimePoint now, const jobs::Room& room) {
    now_ = now;
    if (room.capacity && room.capacity->job_types != job_types_) {
        job_types_ = room.capacity->job_types;
        tell_capabilities();
    }
    int free = 0;
    if (room.capacity)
        for (const auto& [type, count] : room.capacity->free_slots)
            free = std::max(free, count);
    leave_if_refused();
    presence_.set_places(held_.size() + static_cast<std::size_t>(free));
    claimer_.room(now, room);
}

void Session::stop(TimePoint now) {
    now_ = now;
    claimer_.stop();
    reaper_.disconnected();
    if (!open_) return;
    presence_.leave();
    if (!settings_.identity.empty()) tell({"DEL", keys::holder(settings_.id_base)});
}

/// Others may have taken us for dead.
void Session::ran_again(TimePoint now) {
    now_ = now;
    if (!open_) return;
    presence_.beat(now);
    held_.question_all(now);
}

std::optional<TimePoint> Session::next_wakeup() const {
    if (!open_) return {};
    Earliest next;
    next.add(held_.next_wakeup());
    next.add(claimer_.next_wakeup());
    next.add(presence_.next_wakeup());
    if (!settings_.identity.empty()) next.add(hold_at_);
    next.add(reaper_.next_wakeup());
    return next.at();
}

void Session::on_time(TimePoint now) {
    now_ = now;
    held_.on_time(now);
    claimer_.on_time(now);
    presence_.on_time(now);
    if (open_ && !settings_.identity.empty() && hold_at_ <= now) {
        hold_at_ = now + settings_.presence.beat;
        keep_the_id();
    }
    reaper_.on_time(now);
}

jobs::LinkMetrics Session::metrics() const {
    jobs::LinkMetrics out;
    out.connections = connections_;
    out.reconnects = connections_ == 0 ? 0 : connections_ - 1;
    out.claims = claimer_.claims;
    out.refusals = claimer_.refused;
    out.assignments = assignments_;
    out.delivered = held_.delivered;
    out.not_delivered = held_.not_delivered;
    out.outbox_depth = held_.outcomes();
    out.running = held_.size() - out.outbox_depth;
    return out;
}

void Session::show(jobs::LinkView& view) const {
    view.worker_id = settings_.id_base;
    view.auth_refused = auth_refused_;
    view.told_types = job_types_;
    view.told_idle = open_;
    view.outcomes = held_.waiting_outcomes();
}

}  // namespace emprops::redis
