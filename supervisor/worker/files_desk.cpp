#include "supervisor/worker/files_desk.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "ipc/overload.h"
#include "supervisor/base/log.h"
#include "supervisor/files/courier.h"
#include "supervisor/files/kept.h"
#include "supervisor/jobs/result_rules.h"

namespace emprops {
namespace {

/// How often the spool is looked through for files that were kept long enough.
constexpr Ms clean_interval{600'000};

}  // namespace

FilesDesk::FilesDesk(boost::asio::any_io_executor executor, jobs::Ledger& ledger,
                     const config::WorkerSettings& worker, const jobs::Dispatcher& dispatcher,
                     std::function<jobs::Dispatcher&()> change)
    : ledger_(ledger),
      change_(std::move(change)),
      spool_(executor, {std::filesystem::absolute(worker.state_dir / "spool"),
                        process::WorkDirs::taken_in(worker.state_dir), worker.durability != "process"}),
      intake_({ledger, spool_, settings_, dispatcher, change_,
               [this](files::Delivery delivery) {
                   deliveries_.add(Clock::now(), std::move(delivery));
                   turn_.request();
               },
               [this](files::Delivery delivery, ipc::JobError error) { keep(delivery, std::move(error)); },
               executor}),
      turn_(executor, [this] { turn(); }),
      wake_(executor,
            [this] {
                deliveries_.on_time(Clock::now());
                turn_.request();
            }),
      clean_at_(executor, [this] { clean(); }) {}

void FilesDesk::configure(const config::Settings& settings) {
    settings_ = settings;
    permits_ = files::permits_of(settings);
    files::DeliveriesPolicy policy;
    policy.frame_bytes = settings.hub.send_limit;
    policy.courier_patience = settings.files.deliver_timeout;
    deliveries_.set_policy(policy);
    courier_wanted_ = courier_wanted_ || !settings.stores.empty();
    fleet_->offer_files(files::offer_of(settings));
    tell_fleet();
    clean();
    turn_.request();  // there may be more room now
}

void FilesDesk::tell_fleet() {
    std::vector<config::ConnectorSettings> connectors = settings_.connectors;
    if (courier_wanted_) connectors.push_back(files::courier_settings(settings_, spool_.folder()));
    fleet_->configure(connectors);
}

void FilesDesk::need_courier() {
    if (std::exchange(courier_wanted_, true)) return;
    tell_fleet();
}

// ---- what an earlier process left

void FilesDesk::recover(jobs::Loaded& left) {
    for (jobs::UnfinishedRecord& record : left.unfinished)
        if (record.delivery && !intake_.found(record)) record.delivery.reset();
    intake_.rescue(left.foreign_deliveries);
    note_kept(files::all_kept(spool_.folder()));
}

/// Which of them are too old, or too many, is looked at now and then.
void FilesDesk::clean() {
    clean_at_.set(Clock::now() + clean_interval);
    spool_.list_kept([this](const std::vector<files::Kept>& all) {
        for (const std::string& folder :
             files::outdated(all, std::filesystem::file_time_type::clock::now(),
                             settings_.files.keep_undelivered, settings_.files.spool_max_bytes))
            if (!spool_.holds(folder)) spool_.remove(folder);
        note_kept(all);
    });
}

void FilesDesk::note_kept(const std::vector<files::Kept>& all) {
    for (const files::Kept& each : all)
        kept_[each.delivery.job_id] = {each.delivery.folder, each.delivery.payload};
    std::erase_if(kept_, [&](const auto& each) {
        std::error_code error;
        return !std::filesystem::exists(files::note_path(spool_.folder(), each.second.folder), error);
    });
}

// ---- what the dispatcher wants

Result<> FilesDesk::read_outputs(const jobs::GiveJob& job) {
    const auto place = std::make_pair(job.instance, job.job.job_id);
    outputs_.erase(place);
    if (!job.brings_files) return Ok{};
    auto outputs = files::read_outputs(job.job.payload.text(), permits_);
    if (!outputs) return outputs.error();
    if (!outputs->empty()) outputs_[place] = std::move(*outputs);
    return Ok{};
}

Result<> FilesDesk::fits(const process::InstanceId& id, const ipc::JobResult& result) const {
    const auto outputs = outputs_.find({id, result.job_id});
    if (outputs == outputs_.end() || !result.files.empty()) return Ok{};
    const auto unmet = files::share_out(outputs->second.to, {}).unmet;
    const bool completed = std::holds_alternative<jobs::Completed>(jobs::judge_result(result.result));
    if (unmet.empty() || !completed) return Ok{};
    return Error{ipc::code::invalid_payload, files::unmet_text(outputs->second.to, unmet, {})};
}

void FilesDesk::collect(jobs::CollectFiles what) {
    need_courier();
    const auto said = outputs_.find({what.instance, what.job_id});
    intake_.collect(std::move(what), said == outputs_.end() ? files::Outputs{} : said->second);
}

void FilesDesk::renumber(const jobs::RenumberDelivery& change) {
    intake_.renumber(change);
    deliveries_.renumber(change.from, change.to);
    turn();  // the new note is there before the old one goes
}

void FilesDesk::resume(const jobs::ResumeDelivery& what) {
    need_courier();
    if (intake_.resume(what.number)) return;
    const auto known = kept_.find(what.job_id);
    const std::string folder = known == kept_.end() ? "" : known->second.folder;
    auto kept = files::kept_in(spool_.folder(), folder);
    if (!kept) {
        change_().delivered(Clock::now(), what.number,
                            jobs::Failed{{ipc::code::lost,
                                          "its files were kept and are gone now: " + kept.error().message,
                                          true,
                                          {}}});
        return;
    }
    if (deliveries_.claim(folder, what.number)) return turn_.request();  // an operator retries them already
    kept->delivery.number = what.number;
    choose_again(kept->delivery, true);
    intake_.take_up(std::move(kept->delivery));
}

bool FilesDesk::keeps(const jobs::Assignment& job) const {
    const auto known = kept_.find(job.job_id);
    std::error_code error;
    return known != kept_.end() && known->second.payload == jobs::mark_of(job.payload) &&
           std::filesystem::exists(files::note_path(spool_.folder(), known->second.folder), error);
}

/// `in_result`: its job waits for it.
void FilesDesk::choose_again(files::Delivery& delivery, bool in_result) const {
    for (files::FileOnWay& each : delivery.files) {
        if (each.entry) continue;
        each.passed_over.clear();
        each.failed.reset();
        each.deaths = 0;
        files::choose_stores(each, delivery.connector, settings_);
        if (!in_result)
            std::erase_if(each.stores,
                          [](const auto& store) { return store == "inline" || store == "reference"; });
    }
}

Result<std::string> FilesDesk::deliver_again(const std::string& name) {
    auto kept = files::find_kept(spool_.folder(), name);
    if (!kept) return kept.error();
    files::Delivery& delivery = kept->delivery;
    if (spool_.holds(delivery.folder))
        return Error{"busy", "the files of job " + delivery.job_id + " are on their way already"};
    if (const auto place = spool_.place_of(delivery.folder); place != spool_.path_of(delivery.folder))
        return Error{"disk",
                     "the files of job " + delivery.job_id + " lie in " + place.string() +
                         " still, since they could not be copied into the spool; make room there, and "
                         "give the job to the worker once more: it is not done anew"};
    delivery.refused.reset();
    choose_again(delivery, false);
    for (const files::FileOnWay& each : delivery.files)
        if (!each.entry && each.stores.empty())
            return Error{"no_store",
                         "\"" + each.file.name +
                             "\" goes to no store but `inline` or `reference`, and its job has ended; name "
                             "one in files.deliver, or export it"};
    spool_.count(delivery.folder, delivery.spool_bytes());  // its note stays until it is delivered
    need_courier();
    const std::string text =
        "delivering the files of job " + delivery.job_id + " once more; the log says where they go";
    deliveries_.add(Clock::now(), std::move(delivery));
    turn_.request();
    return text;
}

void FilesDesk::drop(std::uint64_t number) {
    intake_.drop(number);
    if (deliveries_.holds(number)) deliveries_.drop(Clock::now(), number);
    turn_.request();  // there may be more room now
}

void FilesDesk::outcome_recorded(std::uint64_t number) {
    const auto ended = ended_.find(number);
    if (ended == ended_.end()) return;
    spool_.remove(ended->second);
    ended_.erase(ended);
    intake_.move_waiting();
}

// ---- the courier

void FilesDesk::on_ready(const process::InstanceId& id, const process::InstanceInfo& info) {
    deliveries_.courier_ready(Clock::now(), id, info.concurrency);
    turn_.request();
}

void FilesDesk::on_leaving(const process::InstanceId& id) {
    deliveries_.courier_leaving(id);
}

void FilesDesk::on_gone(const process::InstanceId& id, const process::DeathReport& report) {
    deliveries_.courier_gone(Clock::now(), id, process::planned(report.stopped_for), report.summary());
    turn_.request();
}

void FilesDesk::on_message(const process::InstanceId& id, ipc::FromConnector message) {
    const TimePoint now = Clock::now();
    std::visit(Overload{
                   [&](const ipc::Progress& m) { deliveries_.progress(now, m); },
                   [&](const ipc::ServiceRequest& m) { deliveries_.told(now, m); },
                   [&](const ipc::JobResult& m) { deliveries_.file_delivered(now, id, m); },
                   [&](const ipc::Failed& m) { deliveries_.file_failed(now, id, m.job_id, m.error); },
                   [](const auto&) {},
               },
               message);
    turn_.request();
}

void FilesDesk::on_protocol_error(const process::InstanceId& id, const std::optional<std::string>& job_id,
                                  const std::string& code, const std::string& message) {
    if (!job_id) return;
    deliveries_.file_failed(Clock::now(), id, *job_id, {code, message, true, {}});
    turn_.request();
}

// ---- what is to be done

void FilesDesk::turn() {
    for (files::Deliveries::Action& action : deliveries_.take_actions())
        perform(action);
    wake_.set(deliveries_.next_wakeup());
    intake_.move_waiting();
}

void FilesDesk::perform(files::Deliveries::Action& action) {
    const TimePoint now = Clock::now();
    std::visit(
        Overload{
            [&](files::GiveFile& a) {
                const std::string job_id = a.job.job_id;
                const auto given = fleet_->give_job(a.courier, std::move(a.job));
                if (given) return;
                const bool lasts = given.error().code == "work_dir" || given.error().code == "no_memory";
                deliveries_.not_given(now, a.courier, job_id, lasts ? given.error().message : "");
                turn_.request();
            },
            [&](files::CancelFile& a) { fleet_->cancel_job(a.courier, a.job_id, "its job has ended"); },
            [&](files::StopCourier& a) {
                fleet_->stop_instance(a.courier, process::StopReason::hung, a.text);
            },
            [&](files::FileEnded& a) { fleet_->job_ended(a.courier, a.job_id); },
            [&](files::RecordDelivery& a) {
                // Its job has ended meanwhile, or before (a retry).
                if (a.number == 0 || !deliveries_.holds(a.number)) return;
                ledger_.record_delivery(a.number, a.job_id, {std::move(a.result), std::move(a.state)},
                                        [](const Result<>&) {});
            },
            [&](files::TellDelivery& a) { change_().delivery_progress(now, a.number, a.progress); },
            [&](files::EndDelivery& a) { end(now, a); },
            [&](files::RemoveFolder& a) { spool_.remove(a.folder); },
            [](Note& a) { write("files", a); },
        },
        action);
}

void FilesDesk::end(TimePoint now, files::EndDelivery& ended) {
    files::Delivery& delivery = ended.delivery;
    if (auto* failed = std::get_if<jobs::Failed>(&ended.value))
        return keep(delivery, std::move(failed->error));
    if (delivery.number == 0) {  // a retry: nobody waits for it
        spool_.remove(delivery.folder);
        return logger("files")->info("job {}, which has ended: {}", delivery.job_id,
                                     files::whereabouts(delivery));
    }
    ended_[delivery.number] = delivery.folder;
    if (change_().delivered(now, delivery.number, std::move(ended.value)) ||
        ended_.erase(delivery.number) == 0)
        return;
    spool_.remove(delivery.folder);  // cancelled meanwhile
}

/// The note is there before the outcome that tells of it.
void FilesDesk::keep(files::Delivery& delivery, ipc::JobError error) {
    files::Delivery copy = delivery;
    spool_.keep(std::move(copy), error, [this, delivery = std::move(delivery), error](const Result<>& noted) {
        kept(delivery, error, noted);
    });
}

void FilesDesk::kept(const files::Delivery& delivery, ipc::JobError error, const Result<>& noted) {
    const std::string path = spool_.place_of(delivery.folder).string();
    if (noted)
        kept_[delivery.job_id] = {delivery.folder, delivery.payload};
    else
        logger("files")->error("the files of job {} are in {} until the next start only: {}", delivery.job_id,
                               path, noted.error().message);
    error.message +=
        ". They are kept in " + path + " for now: `emprops-worker files` lists, exports and retries them";
    turn_.request();  // there is more room now
    if (delivery.number == 0)
        return logger("files")->warn("job {}, which has ended: {}", delivery.job_id, error.message);
    if (!change_().delivered(Clock::now(), delivery.number, jobs::Failed{std::move(error)}))
        spool_.remove(delivery.folder);  // cancelled meanwhile
}

}  // namespace emprops
