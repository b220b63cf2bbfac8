// What the parts of the worker say to each other: fleet -> dispatcher -> ledger -> Hub link, and back.

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "ipc/overload.h"
#include "supervisor/base/log.h"
#include "supervisor/worker_impl.h"

namespace emprops {
namespace {

spdlog::level::level_enum level_of(jobs::Note::Level level) {
    switch (level) {
        case jobs::Note::Level::debug:
            return spdlog::level::debug;
        case jobs::Note::Level::info:
            return spdlog::level::info;
        case jobs::Note::Level::warn:
            return spdlog::level::warn;
        default:
            return spdlog::level::err;
    }
}

}  // namespace

void Worker::Impl::later(std::function<void()> what) {
    boost::asio::post(loop_, [alive = std::weak_ptr(alive_), what = std::move(what)] {
        if (!alive.expired()) what();
    });
}

void Worker::Impl::schedule_pump() {
    if (pump_scheduled_) return;
    pump_scheduled_ = true;
    later([this] { pump(); });
}

void Worker::Impl::pump() {
    pump_scheduled_ = false;
    const TimePoint now = Clock::now();
    if (std::exchange(capabilities_changed_, false)) refresh_capabilities();
    auto actions = dispatcher_.take_actions();
    for (const auto& action : actions)
        outcomes_taken_ += std::holds_alternative<jobs::Finished>(action) ? 1 : 0;
    for (auto& action : actions)
        perform(now, action);
    rearm_wake(now);
    check_leaving();
}

void Worker::Impl::rearm_wake(TimePoint now) {
    const auto next = dispatcher_.next_wakeup();
    if (next == wake_at_) return;
    wake_at_ = next;
    if (!next) {
        wake_.cancel();
        return;
    }
    wake_.expires_after(*next > now ? *next - now : Clock::duration::zero());
    wake_.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code ec) {
        if (ec || alive.expired()) return;
        wake_at_.reset();
        dispatcher_.on_time(Clock::now());
        pump();
    });
}

// ---- dispatcher -> everybody ---------------------------------------------------------------------------

void Worker::Impl::perform(TimePoint now, jobs::Action& action) {
    std::visit(Overload{
                   [&](jobs::RecordJob& a) { record(a); },
                   [&](jobs::GiveJob& a) {
                       const std::string job_id = a.job.job_id;
                       if (const auto given = fleet_->give_job(a.instance, std::move(a.job)); !given) {
                           dispatcher_.not_given(
                               now, a.instance, job_id,
                               given.error().code == "work_dir" ? given.error().message : "");
                           schedule_pump();
                       }
                   },
                   [&](jobs::CancelJob& a) { fleet_->cancel_job(a.instance, a.job_id, a.reason); },
                   [&](jobs::JobUnanswered& a) { fleet_->job_unanswered(a.instance, a.job_id); },
                   [&](jobs::JobEnded& a) { fleet_->job_ended(a.instance, a.job_id); },
                   [&](jobs::ReplaceInstance& a) { fleet_->replace_instance(a.instance, a.text); },
                   [&](jobs::StopInstance& a) { fleet_->stop_instance(a.instance, a.reason, a.text); },
                   [&](jobs::JudgeService& a) {
                       fleet_->service_judged(a.connector, a.index, a.pid, a.verdict, a.text);
                   },
                   [&](jobs::ReportProgress& a) { link_->report_progress(a.job_id, a.number, a.progress); },
                   [&](jobs::ForwardServiceRequest& a) { link_->service_request(a.request); },
                   [&](jobs::Finished& a) {
                       --outcomes_taken_;
                       finish(std::move(a.outcome));
                   },
                   [&](jobs::Undelivered& a) {
                       link_->undelivered(a.job_id, a.number);
                       forget(a.number);
                   },
                   [&](jobs::CapacityChanged&) { link_->capacity_changed(); },
                   [&](jobs::Note& a) {
                       const LogContext context({a.connector, 0, a.job_id});
                       logger("jobs")->log(level_of(a.level), a.text);
                   },
               },
               action);
}

void Worker::Impl::record(jobs::RecordJob& request) {
    jobs::AssignmentNote note;
    if (!request.claimed_as.empty()) note.claimed_as.push_back(request.claimed_as);
    note.connector = request.connector;
    note.attempt = request.attempt;
    note.with_payload = request.with_payload;
    const auto number = request.assignment.number;
    ledger_->record_assignment(request.assignment, std::move(note),
                               [this, alive = std::weak_ptr(alive_), number](Result<>) {
                                   // A refusing disk is the health callback's business; the job goes on
                                   // either way.
                                   if (alive.expired()) return;
                                   dispatcher_.recorded(Clock::now(), number);
                                   pump();
                               });
}

void Worker::Impl::finish(jobs::Outcome outcome) {
    ++outcomes_being_written_;
    auto kept = std::make_shared<jobs::Outcome>(outcome);
    ledger_->record_outcome(std::move(outcome), [this, alive = std::weak_ptr(alive_), kept](Result<>) {
        if (alive.expired()) return;
        --outcomes_being_written_;
        link_->deliver(std::move(*kept));
        check_leaving();
    });
}

void Worker::Impl::forget(std::uint64_t number) {
    left_running_.erase(number);
    ledger_->remove(number, [](Result<>) {});
}

// ---- fleet -> dispatcher -------------------------------------------------------------------------------

void Worker::Impl::on_ready(const process::InstanceId& id, const process::InstanceInfo& info) {
    ready_[id] = info;
    const auto policy = policies_.find(id.connector);
    dispatcher_.instance_ready(Clock::now(), id, info,
                               policy == policies_.end() ? settings().supervision : policy->second);
    refresh_capabilities();
    if (!info.features.status) {
        ipc::Status status;
        status.connected = status.available = true;
        status.service = id.connector;
        link_->set_connector_status(id.connector, status);
    }
    schedule_pump();
}

void Worker::Impl::on_changed(const process::InstanceId& id, const process::InstanceInfo& info) {
    ready_[id] = info;
    dispatcher_.instance_changed(Clock::now(), id, info);
    capabilities_changed_ = true;  // a connector may say it as often as it likes
    schedule_pump();
}

void Worker::Impl::on_leaving(const process::InstanceId& id) {
    ready_.erase(id);
    dispatcher_.instance_leaving(Clock::now(), id);
    refresh_capabilities();
    if (!has_ready(id.connector)) note_service_gone(id.connector);
    schedule_pump();
}

void Worker::Impl::on_gone(const process::InstanceId& id, const process::DeathReport& report) {
    ready_.erase(id);
    dispatcher_.instance_gone(Clock::now(), id, report);
    schedule_pump();
}

void Worker::Impl::on_service_gone(const std::string& connector, int index,
                                   const process::DeathReport& report) {
    dispatcher_.service_gone(Clock::now(), connector, index, report);
    schedule_pump();
}

void Worker::Impl::on_message(const process::InstanceId& id, ipc::FromConnector message) {
    const TimePoint now = Clock::now();
    std::visit(Overload{
                   [&](ipc::Accepted& m) { dispatcher_.accepted(now, id, m); },
                   [&](ipc::Progress& m) { dispatcher_.progress(now, id, m); },
                   [&](ipc::JobResult& m) { dispatcher_.result(now, id, std::move(m)); },
                   [&](ipc::Failed& m) { dispatcher_.failed(now, id, m); },
                   [&](ipc::ServiceRequest& m) { dispatcher_.service_request(now, id, m); },
                   [](auto&) {},  // the fleet has dealt with all others
               },
               message);
    schedule_pump();
}

void Worker::Impl::on_protocol_error(const process::InstanceId& id, const std::optional<std::string>& job_id,
                                     const std::string& code, const std::string& message) {
    dispatcher_.protocol_error(Clock::now(), id, job_id, code, message);
    schedule_pump();
}

void Worker::Impl::on_status(const process::InstanceId& id, const ipc::Status& status) {
    if (configured(id.connector)) link_->set_connector_status(id.connector, status);
}

bool Worker::Impl::configured(const std::string& connector) const {
    return policies_.find(connector) != policies_.end();
}

bool Worker::Impl::has_ready(const std::string& connector) const {
    return std::any_of(ready_.begin(), ready_.end(),
                       [&](const auto& each) { return each.first.connector == connector; });
}

void Worker::Impl::note_service_gone(const std::string& connector) {
    if (!configured(connector)) return link_->forget_connector_status(connector);
    ipc::Status status;
    status.reason = "the connector is not running";
    status.service = connector;
    link_->set_connector_status(connector, status);
}

/// One set of keys per connector, in the order of the configuration; of several instances the first one
/// speaks.
void Worker::Impl::refresh_capabilities() {
    std::map<std::string, const ipc::Json*> first;
    for (const auto& [id, info] : ready_)
        first.try_emplace(id.connector, &info.capabilities);
    std::vector<std::pair<std::string, ipc::Json>> parts;
    for (const auto& connector : settings().connectors)
        if (const auto said = first.find(connector.name); said != first.end())
            parts.emplace_back(connector.name, *said->second);
    link_->set_capabilities(hub::merge_capabilities("1.0.0", parts));
}

// ---- Hub -> dispatcher ---------------------------------------------------------------------------------

bool Worker::Impl::reserve(TimePoint now, const std::string& job_id, const std::string& job_type) {
    const bool taken = dispatcher_.reserve(now, job_id, job_type);
    schedule_pump();
    return taken;
}

void Worker::Impl::release(TimePoint now, const std::string& job_id) {
    dispatcher_.release(now, job_id);
    schedule_pump();
}

/// The slot that a job freed and its outcome are told in one batch: between them lies the ledger's disk.
bool Worker::Impl::outcome_coming() const {
    return dispatcher_.outcome_waits() || outcomes_taken_ > 0 || outcomes_being_written_ > 0;
}

void Worker::Impl::on_hub_action(hub::Action action) {
    const TimePoint now = Clock::now();
    const auto stop_job = [&](const std::string& job_id, std::uint64_t number, bool known) {
        // What an earlier process of ours left is known to the ledger only.
        if (!known) forget(number);
        logger("jobs")->debug("job {} is not ours any more", job_id);
    };
    std::visit(
        Overload{
            [&](hub::Assigned& a) { dispatcher_.assigned(now, std::move(a.assignment), a.claimed_as); },
            [&](hub::Readopted& a) { ledger_->add_claim(a.number, a.claimed_as, [](Result<>) {}); },
            [&](hub::JobConfirmed& a) { on_job_confirmed(now, a.number); },
            [&](hub::JobCancelled& a) {
                stop_job(a.job_id, a.number, dispatcher_.cancel(now, a.job_id, a.reason));
            },
            [&](hub::JobWithdrawn& a) {
                stop_job(a.job_id, a.number, dispatcher_.withdraw(now, a.job_id, a.reason));
            },
            [&](hub::Delivered& a) { forget(a.number); }, [&](hub::NotDelivered& a) { forget(a.number); },
            [&](hub::AuthRefused& a) {
                if (a.leave && phase_ != Phase::ended) {
                    exit_code_ = 69;
                    begin_stopping();
                }
            },
            [&](hub::Note& a) {
                logger("hub")->log(spdlog::level::from_str(a.level == "warn" ? "warning" : a.level), a.text);
            },
            [](auto&) {},  // connection actions are the link's own
        },
        action);
    schedule_pump();
}

void Worker::Impl::on_job_confirmed(TimePoint now, std::uint64_t number) {
    const auto found = left_running_.find(number);
    if (found == left_running_.end()) return;
    jobs::UnfinishedRecord record = std::move(found->second);
    left_running_.erase(found);
    if (record.note.with_payload) {
        const auto policy = policies_.find(record.note.connector);
        jobs::RestoredJob job;
        job.assignment = std::move(record.assignment);
        job.connector = record.note.connector;
        job.attempt = record.note.attempt;
        job.window =
            policy == policies_.end() ? settings().supervision.resume_window : policy->second.resume_window;
        dispatcher_.restored(now, std::move(job));
        return;
    }
    ipc::JobError error;
    error.code = ipc::code::lost;
    error.message = "the worker process ended while connector " + record.note.connector +
                    " ran this job, and that connector cannot resume jobs";
    finish({record.assignment.job_id, number, jobs::Failed{std::move(error)}});
}

}  // namespace emprops
