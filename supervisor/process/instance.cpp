#include "supervisor/process/instance.h"

#include <memory>
#include <utility>

#include "ipc/overload.h"
#include "ipc/text/people.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/note.h"
#include "supervisor/process/child_environment.h"

namespace emprops::process {

Instance::Instance(Surroundings& around, const config::ConnectorSettings& settings, int index)
    : around_(around),
      settings_(settings),
      index_(index),
      name_(to_string(InstanceId{settings.name, index, 0})),
      life_(life_options(), around.options.random),
      members_(around, settings.name, index),
      companion_(around, *this, settings.name, index) {
    companion_.configure(settings_, false);
}

LifeOptions Instance::life_options() const {
    LifeOptions options;
    options.name = options.log_name = name_;
    options.policy = settings_.supervision;
    const config::TalkSettings& talk = settings_.supervision;
    options.readiness = SaysReady{talk.ping_interval, talk.ping_missed, talk.prepare_timeout};
    options.exclusive = settings_.exclusive;
    options.attach = settings_.attach;
    options.drain_timeout = around_.options.drain_timeout;
    return options;
}

// ---- wishes -----------------------------------------------------------------------------------------------

void Instance::start() {
    companion_.start();
    carry_out(life_.start(Clock::now()));
}

void Instance::stop(const std::string& text) {
    carry_out(life_.stop(text, Clock::now()));
}

void Instance::restart(const std::string& text) {
    companion_.start();  // a running service is left alone, a waiting one is tried again
    carry_out(life_.restart(text, Clock::now()));
}

void Instance::shutdown() {
    leaving_ = true;
    carry_out(life_.shutdown(Clock::now()));
}

void Instance::kill() {
    companion_.kill();
    members_.for_each([](Member& member) { member.kill(); });
}

void Instance::restart_service(const std::string& text) {
    if (life_.wanted()) companion_.restart(text);
}

void Instance::configure(const config::ConnectorSettings& settings) {
    const config::ConnectorSettings before = settings_;
    settings_ = settings;
    life_.configure(life_options());
    if (!(before.service == settings.service)) companion_.configure(settings_, life_.wanted());
    // The connector knows of its service where that is, and nothing else; instances are the fleet's business.
    config::ConnectorSettings same = before;
    same.service = settings.service;
    same.instances = settings.instances;
    const bool moved = service_port(before, index_) != service_port(settings, index_);
    // On the new port nothing answers while jobs of the old process keep the service on the old one: two processes
    // at a time would wait for each other.
    if ((moved || !(same == settings)) && life_.wanted())
        carry_out(life_.restart("its settings changed", Clock::now(),
                                moved ? Life::Overlapping::no : Life::Overlapping::yes));
    changed();
}

void Instance::stop_instance(const InstanceId& id, StopReason reason, const std::string& text) {
    carry_out(life_.stop_process(id.generation, reason, text, Clock::now()));
}

void Instance::replace_instance(const InstanceId& id, const std::string& text) {
    carry_out(life_.recycle(id.generation, text, Clock::now()));
}

// ---- jobs -------------------------------------------------------------------------------------------------

Result<> Instance::give_job(const InstanceId& id, ipc::Job& job) {
    Member* member = members_.find(id.generation);
    const Run* run = life_.find(id.generation);
    if (member == nullptr || run == nullptr || run->phase() != Run::Phase::up)
        return Error{"leaving", name_ + " is leaving"};
    if (const Result<> given = members_.give(*member, job, Clock::now()); !given) return given;
    if (!job.prepare) count_job(id.generation);
    return Ok{};
}

bool Instance::begin_job(const InstanceId& id, const std::string& job_id) {
    Member* member = members_.find(id.generation);
    const Run* run = life_.find(id.generation);
    if (member == nullptr || run == nullptr || run->phase() != Run::Phase::up) return false;
    if (!member->process().begin(job_id)) return false;
    count_job(id.generation);
    return true;
}

void Instance::count_job(std::uint64_t generation) {
    ++counters_.jobs_given;
    life_.job_given(generation);
    companion_.job_given();
    changed();
}

bool Instance::cancel_job(const InstanceId& id, const std::string& job_id, const std::string& reason) {
    Member* member = members_.find(id.generation);
    return member != nullptr && member->process().jobs().holds(job_id) &&
           member->process().send(ipc::Cancel{job_id, reason});
}

void Instance::job_unanswered(const InstanceId& id, const std::string& job_id) {
    Member* member = members_.find(id.generation);
    if (member != nullptr && member->process().job_unanswered(job_id))
        carry_out(life_.job_ended(id.generation, Clock::now()));
}

void Instance::job_ended(const InstanceId& id, const std::string& job_id) {
    Member* member = members_.find(id.generation);
    // What the jobs of a dead process left behind is seen to when it ends: a resumed one may still want it.
    if (member == nullptr) return;
    const bool ran = members_.job_ended(*member, job_id);
    companion_.job_ended(job_id);
    if (ran) carry_out(life_.job_ended(id.generation, Clock::now()));
}

void Instance::service_judged(int pid, ServiceVerdict verdict, const std::string& text) {
    companion_.judged(pid, verdict, text);
}

// ---- what its life decides --------------------------------------------------------------------------------

void Instance::carry_out(Actions actions) {
    for (Action& each : actions) {
        std::visit(
            Overload{
                [&](const action::Spawn&) { spawn(); },
                [&](const action::Announce& ready) { members_.at(ready.generation).announce(); },
                [&](const action::Withdraw& leaving) { members_.at(leaving.generation).withdraw(); },
                [&](const action::SendPing& ping) {
                    members_.at(ping.generation).process().send(ipc::Ping{ping.id});
                },
                [&](const action::SendDrain& drain) {
                    members_.at(drain.generation).process().send(ipc::Drain{});
                },
                [&](const action::SendShutdown& end) {
                    members_.at(end.generation).shut_down(end.grace, *life_.find(end.generation));
                },
                [&](const action::SignalGroup& end) { members_.at(end.generation).signal(end.signal); },
                [&](const action::ReportStuck& stuck) {
                    members_.at(stuck.generation).process().child().say_stuck();
                },
                [&](const Note& note) { write("process", note); },
                [](const auto&) {},  // what only a service needs
            },
            each);
    }
    changed();
}

void Instance::spawn() {
    const std::uint64_t generation = ++around_.last_generation;
    ++counters_.starts;
    last_said_.process_started(Clock::now());
    Member& member = members_.add(std::make_unique<Member>(around_, companion_, members_.folders(), *this,
                                                           InstanceId{settings_.name, index_, generation},
                                                           settings_, counters_, last_said_));
    if (const Result<> started = member.start(); !started) {
        members_.remove(generation);
        carry_out(life_.spawn_failed(started.error().message, Clock::now()));
        return;
    }
    carry_out(life_.spawned(generation, Clock::now()));
}

// ---- what its processes say -------------------------------------------------------------------------------

void Instance::on_message(ConnectorProcess& process, ipc::FromConnector message) {
    const std::uint64_t generation = process.id().generation;
    Member& member = members_.at(generation);
    std::visit(Overload{
                   [&](ipc::Ready& ready) { on_ready(member, std::move(ready)); },
                   [&](const ipc::InitFailed& failed) {
                       carry_out(life_.init_failed(generation, failed.error.retryable,
                                                   failed.error.code + ": " + cut(failed.error.message),
                                                   Clock::now()));
                   },
                   [&](const ipc::Preparing& preparing) {
                       carry_out(life_.preparing(generation, preparing, Clock::now()));
                   },
                   [&](const ipc::Metrics& metrics) { member.take(metrics); },
                   [&](const ipc::Pong& pong) { life_.pong(generation, pong.id); },
                   [&](const ipc::Status& status) { member.take(status); },
                   [&](const ipc::Capabilities& change) { member.take(change); },
                   [&](const auto&) { pass_on(process.id(), std::move(message)); },
               },
               message);
}

/// To the dispatcher: what concerns a job, and wishes for a new service.
void Instance::pass_on(const InstanceId& id, ipc::FromConnector message) {
    Member& member = members_.at(id.generation);
    if (const auto* restart = std::get_if<ipc::RestartService>(&message))
        companion_.restart_asked(restart->reason, member.process().log_fields());
    auto* failed = std::get_if<ipc::Failed>(&message);
    // One that is stopped because it hung gives its jobs back, as it is told to: why they fail its death says.
    const Run* run = life_.find(id.generation);
    const bool misbehaved = run != nullptr && run->stop_reason() && !planned(run->stop_reason());
    if (failed != nullptr && failed->error.code == ipc::code::drained && misbehaved) return;
    const bool succeeded = std::holds_alternative<ipc::JobResult>(message);
    // A job's end may follow from a status ("my service is gone"): it is not told before it.
    if (succeeded || failed != nullptr) member.tell_change(Clock::now());
    if (failed != nullptr) companion_.explain(*failed);
    if (succeeded) {
        life_.job_done(id.generation);
        companion_.job_done();
    }
    // std::function wants a copyable callable, and a result can be large: it travels behind a pointer.
    auto shared = std::make_shared<ipc::FromConnector>(std::move(message));
    around_.news->tell(
        [id, shared](FleetListener& listener) { listener.on_message(id, std::move(*shared)); });
}

void Instance::on_ready(Member& member, ipc::Ready ready) {
    const std::uint64_t generation = member.process().id().generation;
    const int protocol = ready.protocol;
    const ipc::Features features = ready.features;
    const Run* run = life_.find(generation);
    if (run != nullptr && run->phase() == Run::Phase::starting) {
        if (const auto problem = member.take(std::move(ready))) {
            carry_out(life_.refused(generation, *problem, Clock::now()));
            return;
        }
    }
    if (run != nullptr && !run->was_up() && run->stop_reason() == StopReason::start_timeout)
        member.process().complain(
            "",
            "its `ready` came only after it was told to leave: it needs longer than start_timeout, or what it "
            "writes is not flushed");
    carry_out(life_.ready(generation, protocol, features, Clock::now()));
}

void Instance::on_broken_line(ConnectorProcess& process, const std::optional<std::string>& job_id,
                              const std::string& code, const std::string& message) {
    around_.news->tell([id = process.id(), job_id, code, message](FleetListener& listener) {
        listener.on_protocol_error(id, job_id, code, message);
    });
}

void Instance::on_pipe_closed(ConnectorProcess& process, const std::string& what) {
    const std::uint64_t generation = process.id().generation;
    Member& member = members_.at(generation);
    if (member.attached()) {
        member.detach();
        return;
    }
    process.child().remember_tree();
    life_.expect_exit(generation, "it " + what, Clock::now());
    changed();
}

void Instance::on_stalled(ConnectorProcess& process) {
    carry_out(life_.stop_process(
        process.id().generation, StopReason::write_stalled,
        "it took nothing from its stdin for " + human_duration(settings_.supervision.write_timeout),
        Clock::now()));
}

// ---- its service ------------------------------------------------------------------------------------------

void Instance::on_companion_changed() {
    members_.tell_offers();
}

void Instance::on_companion_still_away() {
    members_.for_each([](const Member& member) { member.tell_status(); });
}

bool Instance::waits_to_start() const {
    return life_.state() == State::backoff || life_.state() == State::breaker_open;
}

void Instance::on_companion_answers() {
    if (!waits_to_start()) return;
    later(around_.executor, lifetime_.guard([this] {
        if (!waits_to_start() || !companion_.may_start_connector()) return;
        const LogContext context({name_, 0, {}});
        logger("process")->info("{}: is started now, because its service answers", name_);
        carry_out(life_.start(Clock::now()));
    }));
}

// ---- the end of a process ---------------------------------------------------------------------------------

void Instance::on_exit(ConnectorProcess& process) {
    carry_out(life_.exit_seen(process.id().generation, Clock::now()));
}

void Instance::on_end(ConnectorProcess& process) {
    const TimePoint now = Clock::now();
    const InstanceId id = process.id();
    const std::unique_ptr<Member> member = members_.remove(id.generation);
    DeathReport report = process.death_report();
    Actions actions = life_.exited(id.generation, report, now);
    if (!planned(report.stopped_for)) ++counters_.deaths;
    companion_.explain(report);
    member->log_death(report);
    const bool resumes = member->offered().features.resume;
    members_.jobs_left(*member, resumes ? settings_.supervision.resume_window : Ms{0}, now);
    if (report.was_ready)
        around_.news->tell([id, report](FleetListener& listener) { listener.on_gone(id, report); });
    carry_out(std::move(actions));
}

// ---- time and state ---------------------------------------------------------------------------------------

void Instance::tick(TimePoint now) {
    std::optional<std::uint64_t> measured;
    if (const Run* run = life_.current(); run != nullptr && settings_.supervision.max_rss > 0)
        measured = run->generation();
    Actions actions = life_.tick(members_.tick(measured, now), now);
    if (!actions.empty()) carry_out(std::move(actions));
    if (leaving_) follow();  // time alone makes a connector hopeless
    companion_.tick(now);
}

std::optional<TimePoint> Instance::next_wakeup() const {
    Earliest first;
    first.add(life_.next_wakeup());
    first.add(members_.next_wakeup());
    first.add(companion_.next_wakeup());
    return first.at();
}

bool Instance::connector_hopeless(TimePoint now) const {
    return members_.all_of([&](std::uint64_t generation) {
        const Run* run = life_.find(generation);
        return run != nullptr && run->hopeless(now);
    });
}

std::string Instance::process_names() const {
    std::string names = members_.names();
    if (const std::string service = companion_.process_name(); !service.empty()) add_item(names, service);
    return names;
}

void Instance::follow() {
    companion_.follow({life_.wanted(), connector_gone(), connector_hopeless(Clock::now()), leaving_});
}

void Instance::changed() {
    state_.update(life_.state(), Clock::now());
    follow();
    around_.changed(settings_.name, index_);
}

std::string Instance::why(TimePoint now) const {
    std::string text = name_ + " ";
    const std::optional<InstanceInfo> offered = this->offered();
    if (life_.state() == State::ready && offered && !offered->available)
        text += "is unavailable: " + offered->unavailable_reason + life_.remarks();
    else
        text += life_.why(now) + (companion_.exists() ? "; " + companion_.reason() : "");
    text += last_said_.why(now, text);
    return text + companion_.last_said(now, text);
}

const Member* Instance::current() const {
    const Run* run = life_.current();
    return run != nullptr ? members_.find(run->generation()) : nullptr;
}

std::optional<InstanceInfo> Instance::offered() const {
    const Member* member = current();
    if (member == nullptr || !life_.current()->was_up()) return std::nullopt;
    return member->offered();
}

InstanceStatus Instance::status() const {
    const TimePoint now = Clock::now();
    const Member* member = current();
    InstanceStatus status;
    state_.fill(status, life_, member != nullptr ? &member->process().child() : nullptr, now);
    status.connector = settings_.name;
    status.index = index_;
    status.replacing = life_.replacing();
    status.leaving = life_.leaving();
    status.why = why(now);
    status.service = companion_.status();
    status.counters = counters_;
    status.jobs = jobs_held();
    if (member != nullptr) {
        status.id = member->process().id();
        status.figures = member->figures();
    }
    status.info = offered();
    return status;
}

}  // namespace emprops::process
