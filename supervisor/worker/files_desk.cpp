#include "supervisor/worker/files_desk.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "ipc/overload.h"
#include "ipc/text/date.h"
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
      dispatcher_(dispatcher),
      change_(std::move(change)),
      spool_(executor,
             {std::filesystem::absolute(worker.state_dir / "spool"), worker.durability != "process"}),
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

bool FilesDesk::found(const jobs::UnfinishedRecord& record) {
    auto delivery = files::read_state(record.delivery->state);
    if (!delivery) {
        logger("files")->error("job {}: {}; it is lost", record.assignment.job_id, delivery.error().message);
        return false;
    }
    delivery->number = record.assignment.number;
    delivery->job_id = record.assignment.job_id;
    delivery->job_type = record.assignment.job_type;
    delivery->result = record.delivery->result;
    delivery->resumed = true;
    spool_.count(delivery->folder, delivery->bytes());
    found_[delivery->number] = std::move(*delivery);
    return true;
}

void FilesDesk::clean_up(const std::vector<ipc::RawJson>& foreign) {
    std::set<std::string> wanted;
    for (const auto& [number, delivery] : found_)
        wanted.insert(delivery.folder);
    for (const ipc::RawJson& state : foreign)
        if (const auto delivery = files::read_state(state)) wanted.insert(delivery->folder);
    spool_.remove_leftovers(std::move(wanted));
    clean();
}

void FilesDesk::clean() {
    spool_.clean(settings_.files.keep_undelivered, settings_.files.spool_max_bytes);
    clean_at_.set(Clock::now() + clean_interval);
}

// ---- what the dispatcher wants

Result<> FilesDesk::read_outputs(const jobs::GiveJob& job) {
    const auto place = std::make_pair(job.instance, job.job.job_id);
    outputs_.erase(place);
    if (!job.brings_files) return Ok{};
    auto outputs = files::read_outputs(job.job.payload.text(), permits_);
    if (!outputs) return outputs.error();
    if (!outputs->to.empty()) outputs_[place] = std::move(*outputs);
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
    waiting_.push_back(std::move(what));
    collect_waiting();
}

bool FilesDesk::has_room() const {
    if (dispatcher_.draining()) return true;  // whoever leaves takes nothing new, and leaves nothing behind
    return spool_.folders() < settings_.files.spool_max_jobs &&
           spool_.bytes() < settings_.files.spool_max_bytes;
}

/// Without room in the spool the jobs keep their slots: their files stay where they are.
void FilesDesk::collect_waiting() {
    while (!waiting_.empty() && has_room()) {
        jobs::CollectFiles next = std::move(waiting_.front());
        waiting_.pop_front();
        take(next);
    }
}

void FilesDesk::take(jobs::CollectFiles& what) {
    const auto refuse = [&](const Error& error) {
        fleet_->forget_folder(what.instance, what.job_id);
        change_().not_collected(Clock::now(), what.number,
                                ipc::JobError{error.code, error.message, true, {}});
    };
    files::Delivery delivery;
    delivery.number = what.number;
    delivery.job_id = what.job_id;
    delivery.job_type = what.job_type;
    delivery.connector = what.instance.connector;
    delivery.folder = std::to_string(what.number);
    delivery.date = date_today();
    delivery.result = std::move(what.what.result);
    const std::string work_dir = fleet_->job_folder(what.instance, what.job_id).string();
    std::vector<std::string> places;
    for (ipc::ResultFile& file : what.what.files) {
        const auto place = files::place_of(file, places.size(), work_dir);
        if (!place) return refuse(place.error());
        files::FileOnWay& one = delivery.files.emplace_back();
        one.place = *place;
        one.file = std::move(file);
        places.push_back(*place);
    }
    if (const auto outputs = outputs_.find({what.instance, what.job_id}); outputs != outputs_.end())
        files::assign(delivery, outputs->second.to);
    for (files::FileOnWay& each : delivery.files)
        files::choose_stores(each, what.instance.connector, settings_);
    files::make_names_unique(delivery.files);
    if (const Result<> ready = spool_.prepare(); !ready)
        return refuse({ipc::code::internal, ready.error().message});
    const auto folder = fleet_->take_folder(what.instance, what.job_id, spool_.path_of(delivery.folder));
    if (!folder) return refuse({ipc::code::internal, folder.error().message});
    const std::string name = delivery.folder;
    on_their_way_[name] = std::move(delivery);
    spool_.take(*folder, name, std::move(places),
                [this, name](Result<std::vector<std::uint64_t>> sizes) { taken(name, std::move(sizes)); });
}

void FilesDesk::taken(const std::string& folder, Result<std::vector<std::uint64_t>> sizes) {
    const auto found = on_their_way_.find(folder);
    if (found == on_their_way_.end()) return;  // cancelled meanwhile
    files::Delivery& delivery = found->second;
    if (!sizes) {
        const bool theirs = sizes.error().code == ipc::code::protocol_error;
        change_().not_collected(
            Clock::now(), delivery.number,
            {theirs ? ipc::code::protocol_error : ipc::code::internal, sizes.error().message, true, {}});
        on_their_way_.erase(found);
        return turn_.request();
    }
    for (std::size_t i = 0; i < delivery.files.size(); ++i)
        delivery.files[i].bytes = (*sizes)[i];
    record(delivery);
}

/// A disk that refuses is the ledger's to tell; the delivery goes on either way.
void FilesDesk::record(const files::Delivery& delivery) {
    ledger_.record_delivery(delivery.number, delivery.job_id, {delivery.result, files::state_text(delivery)},
                            lifetime_.guard([this, folder = delivery.folder, number = delivery.number](
                                                const Result<>&) { recorded(folder, number); }));
}

void FilesDesk::recorded(const std::string& folder, std::uint64_t number) {
    const auto found = on_their_way_.find(folder);
    if (found == on_their_way_.end()) return;
    if (found->second.number != number)
        return record(found->second);  // the Hub assigned it once more meanwhile
    auto node = on_their_way_.extract(found);
    const TimePoint now = Clock::now();
    change_().collected(now, node.mapped().number);
    deliveries_.add(now, std::move(node.mapped()));
    turn_.request();
}

void FilesDesk::renumber(const jobs::RenumberDelivery& change) {
    deliveries_.renumber(change.from, change.to);
    for (auto& [folder, delivery] : on_their_way_)
        if (delivery.number == change.from) delivery.number = change.to;
    for (jobs::CollectFiles& each : waiting_)
        if (each.number == change.from) each.number = change.to;
    turn_.request();
}

void FilesDesk::resume(std::uint64_t number) {
    auto node = found_.extract(number);
    if (node.empty()) return;
    need_courier();
    logger("files")->info("job {}: the delivery of its files goes on", node.mapped().job_id);
    deliveries_.add(Clock::now(), std::move(node.mapped()));
    turn_.request();
}

Result<std::string> FilesDesk::deliver_again(const std::string& name) {
    auto kept = files::find_kept(spool_.folder(), name);
    if (!kept) return kept.error();
    files::Delivery& delivery = kept->delivery;
    if (deliveries_.holds_folder(delivery.folder))
        return Error{"busy", "the files of job " + delivery.job_id + " are on their way already"};
    delivery.refused.reset();
    for (files::FileOnWay& each : delivery.files) {
        if (each.entry) continue;
        each.passed_over.clear();
        each.failed.reset();
        each.deaths = 0;
        files::choose_stores(each, delivery.connector, settings_);
        // Its job has ended: there is no result any more in which it could stand.
        std::erase_if(each.stores,
                      [](const auto& store) { return store == "inline" || store == "reference"; });
        if (each.stores.empty())
            return Error{"no_store",
                         "\"" + each.file.name +
                             "\" goes to no store but `inline` or `reference`, and its job has ended; name "
                             "one in files.deliver, or export it"};
    }
    spool_.count(delivery.folder, delivery.bytes());  // its note stays until it is delivered
    need_courier();
    const std::string text =
        "delivering the files of job " + delivery.job_id + " once more; the log says where they go";
    deliveries_.add(Clock::now(), std::move(delivery));
    turn_.request();
    return text;
}

void FilesDesk::drop(std::uint64_t number) {
    if (const auto left = found_.find(number); left != found_.end()) {
        spool_.remove(left->second.folder);
        found_.erase(left);
    }
    std::erase_if(on_their_way_, [&](const auto& each) {
        if (each.second.number != number) return false;
        spool_.remove(each.first);
        return true;
    });
    std::erase_if(waiting_, [&](const auto& each) {
        if (each.number != number) return false;
        fleet_->forget_folder(each.instance, each.job_id);
        return true;
    });
    const bool delivering = deliveries_.holds(number);
    if (delivering) deliveries_.drop(Clock::now(), number);
    if (delivering || !waiting_.empty()) turn_.request();
}

void FilesDesk::outcome_recorded(std::uint64_t number) {
    const auto ended = ended_.find(number);
    if (ended == ended_.end()) return;
    spool_.remove(ended->second);
    ended_.erase(ended);
    collect_waiting();
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
                   [&](const ipc::ServiceRequest& m) { deliveries_.upload_begun(now, m); },
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
    collect_waiting();
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
    const files::Delivery& delivery = ended.delivery;
    auto* failed = std::get_if<jobs::Failed>(&ended.value);
    if (failed != nullptr) {
        if (const Result<> noted = files::write_note(spool_.folder(), delivery, failed->error); !noted)
            logger("files")->error("the files of job {} are in {} until the next start only: {}",
                                   delivery.job_id, spool_.path_of(delivery.folder).string(),
                                   noted.error().message);
        spool_.keep(delivery.folder);
        failed->error.message += ". They are kept in " + spool_.path_of(delivery.folder).string() +
                                 " for now: `emprops-worker files` lists, exports and retries them";
    }
    if (delivery.number == 0) {  // a retry: nobody waits for it
        if (failed == nullptr) spool_.remove(delivery.folder);
        const std::string text = failed != nullptr ? failed->error.message : files::whereabouts(delivery);
        logger("files")->log(failed != nullptr ? spdlog::level::warn : spdlog::level::info,
                             "job {}, which has ended: {}", delivery.job_id, text);
        return;
    }
    const std::uint64_t number = delivery.number;
    const std::string folder = delivery.folder;
    const bool done = failed == nullptr;
    if (done) ended_[number] = folder;
    if (change_().delivered(now, number, std::move(ended.value)) || ended_.erase(number) == 0) return;
    spool_.remove(folder);  // cancelled meanwhile
}

}  // namespace emprops
