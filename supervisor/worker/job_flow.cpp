#include "supervisor/worker/job_flow.h"

#include <new>
#include <utility>

#include "ipc/overload.h"
#include "supervisor/base/log.h"

namespace emprops {
namespace {

/// How often a disk without room is looked at: nobody claims anything until it has some.
constexpr Ms disk_interval{1'000};

/// As if its connector had said so.
ipc::Failed failure(const std::string& job_id, const Error& error) {
    return {job_id, {error.code, error.message, false, {}}};
}

}  // namespace

JobFlow::JobFlow(boost::asio::any_io_executor executor, const config::WorkerSettings& worker, Roster& roster,
                 jobs::Ledger& ledger, std::function<void()> after_turn)
    : roster_(roster),
      ledger_(ledger),
      after_turn_(std::move(after_turn)),
      files_(executor, ledger, worker, dispatcher_, [this]() -> jobs::Dispatcher& { return change(); }),
      disk_({std::filesystem::absolute(worker.state_dir / "spool"),
             std::filesystem::absolute(worker.state_dir / "work")}),
      look_again_(executor, [this] { look(); }),
      turn_(executor, [this] { turn(); }),
      wake_(executor, [this] { change().on_time(Clock::now()); }) {
    ledger_.on_health(lifetime_.guard([this](bool, const std::string& reason) { tell_health(reason); }));
}

void JobFlow::tell_health(const std::string& reason) {
    const std::string why = problem();
    change().set_healthy(Clock::now(), why.empty(), why.empty() ? reason : why);
}

std::string JobFlow::problem() const {
    const std::string ledger = ledger_.problem();
    return ledger.empty() ? disk_.problem() : ledger;
}

void JobFlow::look() {
    const bool had_room = disk_.problem().empty();
    disk_.look();
    if (!disk_.problem().empty()) look_again_.set(Clock::now() + disk_interval);
    if (had_room != disk_.problem().empty()) tell_health("the disk has room again");
}

void JobFlow::connect(process::Fleet& fleet, jobs::JobLink& link) {
    fleet_ = &fleet;
    files_.connect(fleet);
    link_ = &link;
}

void JobFlow::start(const config::Settings& settings, jobs::Loaded left) {
    files_.recover(left);
    configure(settings);
    adopt(std::move(left));
}

void JobFlow::adopt(jobs::Loaded left) {
    for (const auto& warning : left.warnings)
        logger("jobs")->warn("{}", warning);
    if (!left.finished.empty() || !left.unfinished.empty())
        logger("jobs")->info(
            "the ledger holds {} finished and {} unfinished jobs of an earlier run; the Hub is asked for "
            "each",
            left.finished.size(), left.unfinished.size());
    for (auto& record : left.finished) {
        jobs::LedgerEntry entry;
        entry.assignment.job_id = record.outcome.job_id;
        entry.assignment.number = record.outcome.number;
        entry.assignment.job_type = record.job_type;
        entry.claimed_as = record.note.claimed_as;
        entry.outcome = std::move(record.outcome);
        link_->adopt(std::move(entry));
    }
    for (auto& record : left.unfinished) {
        jobs::LedgerEntry entry;
        entry.assignment = record.assignment;
        entry.claimed_as = record.note.claimed_as;
        entry.resumable = record.delivery || (record.note.with_payload && record.note.begun);
        entry.begun = record.note.begun;
        link_->adopt(std::move(entry));
        const Ms window = roster_.policy(record.note.connector).resume_window;
        dispatcher_.left(std::move(record), window);
    }
}

void JobFlow::configure(const config::Settings& settings) {
    roster_.configure(settings);
    change().set_connector_order(Clock::now(), roster_.names());
    claim_ahead_ = settings.hub.claim_ahead;
    claim_ahead(Clock::now());
    files_.configure(settings);
    disk_.set_least(settings.files.min_free);
    look();
}

void JobFlow::claim_ahead(TimePoint now) {
    using Rule = jobs::Ahead::Rule;
    const bool known = takes_back_ && claim_ahead_ > Ms::zero();
    change().claim_ahead(now, known ? (*takes_back_ ? Rule::always : Rule::soon) : Rule::never, claim_ahead_);
}

jobs::Dispatcher& JobFlow::change() {
    turn_.request();
    return dispatcher_;
}

void JobFlow::turn() {
    const TimePoint now = Clock::now();
    for (auto& action : roster_.take_actions())
        perform(action);
    for (auto& action : dispatcher_.take_actions())
        perform(now, action);
    files_.look_for_room();
    wake_.set(dispatcher_.next_wakeup());
    after_turn_();
}

// ---- what is to be done

void JobFlow::perform(Roster::Action& action) {
    std::visit(Overload{
                   [&](Roster::SetStatus& a) { link_->set_connector_status(a.connector, a.status); },
                   [&](Roster::ForgetStatus& a) { link_->forget_connector_status(a.connector); },
                   [&](Roster::SetCapabilities& a) { link_->set_capabilities(std::move(a.capabilities)); },
               },
               action);
}

void JobFlow::perform(TimePoint now, jobs::Action& action) {
    std::visit(Overload{
                   [&](jobs::RecordJob& a) { record(a); },
                   [&](jobs::GiveJob& a) {
                       const std::string job_id = a.job.job_id;
                       if (const Result<> read = files_.read_outputs(a); !read)
                           return change().failed(now, a.instance, failure(job_id, read.error()));
                       const auto given = fleet_->give_job(a.instance, std::move(a.job));
                       if (given) return;
                       // Others pass by themselves: it is leaving, or busy for the moment.
                       const std::string& code = given.error().code;
                       const bool lasts = code == "work_dir" || code == "no_memory";
                       change().not_given(now, a.instance, job_id, lasts ? given.error().message : "");
                   },
                   [&](jobs::BeginJob& a) {
                       if (!fleet_->begin_job(a.instance, a.job_id))
                           change().not_begun(now, a.instance, a.job_id);
                   },
                   [&](jobs::TellBegun& a) { link_->begun(a.job_id, a.number); },
                   [&](jobs::CancelJob& a) { fleet_->cancel_job(a.instance, a.job_id, a.reason); },
                   [&](jobs::JobUnanswered& a) { fleet_->job_unanswered(a.instance, a.job_id); },
                   [&](jobs::JobEnded& a) {
                       fleet_->job_ended(a.instance, a.job_id);
                       files_.job_ended(a.instance, a.job_id);
                       look();  // what it has left takes room, wherever it lies now
                   },
                   [&](jobs::ReplaceInstance& a) { fleet_->replace_instance(a.instance, a.text); },
                   [&](jobs::StopInstance& a) { fleet_->stop_instance(a.instance, a.reason, a.text); },
                   [&](jobs::JudgeService& a) {
                       fleet_->service_judged(a.connector, a.index, a.pid, a.verdict, a.text);
                   },
                   [&](jobs::CollectFiles& a) { files_.collect(std::move(a)); },
                   [&](jobs::RenumberDelivery& a) { files_.renumber(a); },
                   [&](jobs::ResumeDelivery& a) { files_.resume(a); },
                   [&](jobs::ReportProgress& a) { link_->report_progress(a.job_id, a.number, a.progress); },
                   [&](jobs::ForwardServiceRequest& a) { link_->service_request(a.request); },
                   [&](jobs::Finished& a) { finish(std::move(a.outcome)); },
                   [&](jobs::Undelivered& a) {
                       link_->undelivered(a.job_id, a.number);
                       forget(a.number);
                   },
                   [&](jobs::CapacityChanged&) { link_->room_changed(); },
                   [&](Note& a) { write("jobs", a); },
               },
               action);
}

void JobFlow::record(jobs::RecordJob& request) {
    const auto number = request.assignment.number;
    // A disk that refuses is the health callback's business; the job goes on either way, as without memory for
    // a copy of its payload.
    const auto recorded = [this, number](const Result<>&) { change().recorded(Clock::now(), number); };
    try {
        ledger_.record_assignment(request.assignment, std::move(request.note), lifetime_.guard(recorded));
    } catch (const std::bad_alloc&) {
        recorded(Ok{});
    }
}

void JobFlow::finish(jobs::Outcome outcome) {
    files_.drop(outcome.number);  // it may have ended otherwise than by their delivery
    const auto written = [this](const Result<>&, jobs::Outcome outcome) {
        change().outcome_recorded(outcome.number);
        files_.outcome_recorded(outcome.number);
        link_->deliver(std::move(outcome));
    };
    ledger_.record_outcome(std::move(outcome), lifetime_.guard(written));
}

void JobFlow::forget(std::uint64_t number) {
    files_.drop(number);
    ledger_.remove(number, [](const Result<>&) {});
}

// ---- what the fleet reports

void JobFlow::on_ready(const process::InstanceId& id, const process::InstanceInfo& info) {
    roster_.ready(id, info);
    change().instance_ready(Clock::now(), id, info, roster_.policy(id.connector));
}

void JobFlow::on_changed(const process::InstanceId& id, const process::InstanceInfo& info) {
    roster_.changed(id, info);
    change().instance_changed(Clock::now(), id, info);
}

void JobFlow::on_leaving(const process::InstanceId& id) {
    roster_.leaving(id);
    change().instance_leaving(Clock::now(), id);
}

void JobFlow::on_gone(const process::InstanceId& id, const process::DeathReport& report) {
    roster_.gone(id);
    change().instance_gone(Clock::now(), id, report);
}

void JobFlow::on_service_gone(const std::string& connector, int index, const process::DeathReport& report) {
    change().service_gone(Clock::now(), connector, index, report);
}

void JobFlow::on_message(const process::InstanceId& id, ipc::FromConnector message) {
    const TimePoint now = Clock::now();
    std::visit(Overload{
                   [&](ipc::Accepted& m) { change().accepted(now, id, m); },
                   [&](ipc::Progress& m) { change().progress(now, id, m); },
                   [&](ipc::Released& m) { change().released(now, id, m); },
                   [&](ipc::JobResult& m) {
                       if (const Result<> fits = files_.fits(id, m); !fits)
                           return change().failed(now, id, failure(m.job_id, fits.error()));
                       change().result(now, id, std::move(m));
                   },
                   [&](ipc::Failed& m) { change().failed(now, id, m); },
                   [&](ipc::ServiceRequest& m) { change().service_request(now, id, m); },
                   [](auto&) {},  // the fleet has dealt with all others
               },
               message);
}

void JobFlow::on_protocol_error(const process::InstanceId& id, const std::optional<std::string>& job_id,
                                const std::string& code, const std::string& message) {
    change().protocol_error(Clock::now(), id, job_id, code, message);
}

void JobFlow::on_status(const process::InstanceId& id, const ipc::Status& status) {
    roster_.status(id, status);
    turn_.request();
}

// ---- what the link says

void JobFlow::on_link_event(jobs::LinkEvent event) {
    const TimePoint now = Clock::now();
    const auto stopped = [&](const std::string& job_id, std::uint64_t number, bool known) {
        // What an earlier process of ours left is known to the ledger only.
        if (!known) forget(number);
        logger("jobs")->debug("job {} is not ours any more", job_id);
    };
    std::visit(
        Overload{
            [&](jobs::PlaceWanted& a) {
                const bool granted = change().reserve(now, a.job_id, a.job_type);
                const bool ahead = dispatcher_.reserved_ahead(a.job_id);
                link_->place(a.job_id, ahead     ? jobs::Place::ahead
                                       : granted ? jobs::Place::slot
                                                 : jobs::Place::none);
            },
            [&](jobs::TakesBack& a) {
                takes_back_ = a.for_nothing;
                claim_ahead(now);
            },
            [&](jobs::ReturnWanted& a) { change().return_wanted(now, a.job_id); },
            [&](jobs::PlaceReleased& a) { change().release(now, a.job_id); },
            [&](jobs::Assigned& a) {
                const bool files_here = files_.keeps(a.assignment);
                change().assigned(now, std::move(a.assignment), a.claimed_as, files_here);
            },
            [&](jobs::Readopted& a) { ledger_.add_claim(a.number, a.claimed_as, [](const Result<>&) {}); },
            [&](jobs::JobConfirmed& a) { change().confirmed(now, a.number); },
            [&](jobs::JobCancelled& a) {
                stopped(a.job_id, a.number, change().cancel(now, a.job_id, a.reason));
            },
            [&](jobs::JobWithdrawn& a) {
                stopped(a.job_id, a.number, change().withdraw(now, a.job_id, a.reason));
            },
            [&](jobs::Delivered& a) { forget(a.number); },
            [&](jobs::NotDelivered& a) { forget(a.number); },
            [&](jobs::AuthRefused& a) { refused_ = a.leave; },
            [&](Note& a) { write("hub", a); },
        },
        event);
    turn_.request();
}

}  // namespace emprops
