#include "supervisor/worker/files_intake.h"

#include <algorithm>
#include <set>
#include <utility>

#include "config/conversions.h"
#include "ipc/text/date.h"
#include "ipc/text/people.h"
#include "supervisor/base/log.h"
#include "supervisor/base/time.h"
#include "supervisor/files/courier.h"

namespace emprops {
namespace {

constexpr Ms pause_after_trouble{2'000};

/// Not a word about the files themselves.
bool may_pass(const Error& error) {
    return error.code == "disk" || error.code == "work_dir" || error.code == "state_dir" ||
           error.code == "other_disk";
}

ipc::JobError error_of(const Error& error) {
    const bool told = error.code == ipc::code::protocol_error || error.code == ipc::code::lost;
    return {told ? error.code : ipc::code::internal, error.message, true, {}};
}

/// A connector that went on after its result; nothing: all are as they were.
std::optional<ipc::JobError> changed(const files::Delivery& delivery,
                                     const std::vector<std::uint64_t>& sizes) {
    for (std::size_t i = 0; i < delivery.files.size(); ++i) {
        const files::FileOnWay& each = delivery.files[i];
        if (each.bytes == sizes[i]) continue;
        return ipc::JobError{ipc::code::protocol_error,
                             "the file \"" + each.place + "\" was changed after the result that names it (" +
                                 exact_bytes(each.bytes) + ", then " + exact_bytes(sizes[i]) +
                                 "): once it has said `result` a connector must not write into the job's "
                                 "work_dir any more",
                             true,
                             {}};
    }
    return {};
}

}  // namespace

FilesIntake::Jobs::iterator FilesIntake::find(const std::string& folder) {
    return std::find_if(jobs_.begin(), jobs_.end(),
                        [&](const OnWay& job) { return job.delivery.folder == folder; });
}

// ---- what an earlier process left

bool FilesIntake::found(const jobs::UnfinishedRecord& record) {
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
    parts_.spool.count(delivery->folder, delivery->spool_bytes());
    found_[delivery->number] = std::move(*delivery);
    return true;
}

void FilesIntake::rescue(const std::vector<ipc::RawJson>& foreign) {
    std::set<std::string> wanted;
    for (const auto& [number, delivery] : found_)
        if (move_noted(delivery)) wanted.insert(delivery.folder);
    for (const ipc::RawJson& state : foreign)
        if (const auto delivery = files::read_state(state); delivery && move_noted(*delivery))
            wanted.insert(delivery->folder);
    parts_.spool.remove_leftovers(std::move(wanted));
}

/// False: it is not there.
bool FilesIntake::move_noted(const files::Delivery& delivery) {
    if (parts_.spool.has(delivery.folder)) return true;
    if (delivery.from.empty()) return false;
    const Result<> taken = take(delivery);
    if (taken) return true;
    const bool stays = may_pass(taken.error());
    if (stays) fleet_->work_dirs().hold(delivery.from);
    logger("files")->error("the files of {} {}: {}",
                           delivery.job_id.empty() ? "a job of another Hub" : "job " + delivery.job_id,
                           stays ? "stay where they are for now" : "are lost", taken.error().message);
    return false;
}

bool FilesIntake::resume(std::uint64_t number) {
    auto node = found_.extract(number);
    if (node.empty()) return false;
    logger("files")->info("job {}: the delivery of its files goes on", node.mapped().job_id);
    OnWay& job = jobs_.emplace_back(OnWay{std::move(node.mapped()), {}, false});
    const std::string& from = job.delivery.from;
    std::error_code error;
    const bool left = !parts_.spool.has(job.delivery.folder) && !from.empty() &&
                      std::filesystem::exists(fleet_->work_dirs().root() / from, error);
    if (!left) {
        own(job);
    } else {  // rescue() could not move it
        job.stage = OnWay::Stage::waiting;
        move_waiting();
    }
    return true;
}

// ---- the outcome is noted

void FilesIntake::collect(jobs::CollectFiles what, const files::Outputs& outputs) {
    process::WorkDirs& folders = fleet_->work_dirs();
    auto delivery = delivery_of(what, outputs);
    if (!delivery) {
        fleet_->forget_folder(what.instance, what.job_id);
        return parts_.change().not_collected(Clock::now(), what.number, error_of(delivery.error()));
    }
    folders.hold(delivery->from);
    look(jobs_.emplace_back(OnWay{std::move(*delivery), what.instance, true}));
}

void FilesIntake::look(const OnWay& job) {
    const files::Delivery& delivery = job.delivery;
    parts_.spool.look(
        fleet_->work_dirs().root(), delivery.from, files::job_files(delivery),
        lifetime_.guard([this, folder = delivery.folder](Result<std::vector<std::uint64_t>> sizes) {
            looked(folder, std::move(sizes));
        }));
}

Result<files::Delivery> FilesIntake::delivery_of(jobs::CollectFiles& what,
                                                 const files::Outputs& outputs) const {
    files::Delivery delivery;
    delivery.number = what.number;
    delivery.job_id = what.job_id;
    delivery.job_type = what.job_type;
    delivery.connector = what.instance.connector;
    delivery.folder = std::to_string(what.number);
    delivery.date = date_today();
    delivery.from = process::WorkDirs::place(what.instance.connector, what.instance.index, what.job_id);
    delivery.user = fleet_->user_of(what.instance);
    delivery.payload = what.payload;
    delivery.result = std::move(what.what.result);
    const std::string work_dir = (fleet_->work_dirs().root() / delivery.from).string();
    for (ipc::ResultFile& file : what.what.files) {
        const auto place = files::place_of(file, delivery.files.size(), work_dir);
        if (!place) return place.error();
        files::FileOnWay& one = delivery.files.emplace_back();
        one.place = *place;
        one.file = std::move(file);
    }
    files::assign(delivery, outputs.to);
    for (files::FileOnWay& each : delivery.files)
        files::choose_stores(each, delivery.connector, parts_.settings);
    files::make_names_unique(delivery.files);
    const ipc::ConvertWish form = files::wanted_form(outputs.convert, delivery.connector, parts_.settings);
    files::choose_forms(delivery, form,
                        config::command_extension(parts_.settings.files, form.video.value_or("")));
    return delivery;
}

void FilesIntake::looked(const std::string& folder, Result<std::vector<std::uint64_t>> sizes) {
    const auto job = find(folder);
    if (job == jobs_.end()) return;  // cancelled meanwhile
    if (!sizes && later(*job, sizes.error())) return;
    if (!sizes) return refuse(job, error_of(sizes.error()));
    files::Delivery& delivery = job->delivery;
    for (std::size_t i = 0; i < delivery.files.size(); ++i)
        delivery.files[i].bytes = (*sizes)[i];
    const std::uint64_t most = parts_.settings.files.spool_max_bytes;
    if (delivery.bytes() > most)
        return refuse(job, {ipc::code::result_too_large,
                            "the files of the result have " + human_bytes(delivery.bytes()) +
                                " together, and the spool takes " + human_bytes(most) +
                                " (files.spool_max_bytes; `hello.files.max_bytes` says so)",
                            false,
                            {}});
    record(*job);
}

/// A disk that refuses is the ledger's to tell; the delivery goes on either way.
void FilesIntake::record(OnWay& job) {
    const files::Delivery& delivery = job.delivery;
    job.stage = OnWay::Stage::recording;
    parts_.ledger.record_delivery(
        delivery.number, delivery.job_id, {delivery.result, files::state_text(delivery)},
        lifetime_.guard([this, folder = delivery.folder, number = delivery.number](const Result<>&) {
            recorded(folder, number);
        }));
}

void FilesIntake::recorded(const std::string& folder, std::uint64_t number) {
    const auto job = find(folder);
    // Of an old number: the Hub assigned it once more meanwhile, and the note of the new one follows.
    if (job == jobs_.end() || job->delivery.number != number || job->stage != OnWay::Stage::recording) return;
    if (!job->takes_slot) return own(*job);
    job->stage = OnWay::Stage::waiting;
    move_waiting();
}

// ---- the folder is moved

bool FilesIntake::has_room(const files::Delivery& delivery) const {
    const files::Spool& spool = parts_.spool;
    const config::FilesSettings& limits = parts_.settings.files;
    if (parts_.dispatcher.draining())
        return true;  // whoever leaves takes nothing new, and leaves nothing behind
    return spool.folders() == 0 || (spool.folders() < limits.spool_max_jobs &&
                                    spool.bytes() + delivery.spool_bytes() <= limits.spool_max_bytes);
}

/// Without room in the spool the jobs keep their slots: their files stay where they are.
void FilesIntake::move_waiting() {
    for (;;) {
        const auto next = std::find_if(jobs_.begin(), jobs_.end(), [](const OnWay& job) {
            return job.stage == OnWay::Stage::waiting && !job.again;
        });
        if (next == jobs_.end()) return;
        // What an earlier worker has noted counts already.
        if (!parts_.spool.holds(next->delivery.folder) && !has_room(next->delivery)) return;
        if (!move(next)) return;
    }
}

/// False: there is trouble that others would meet as well.
bool FilesIntake::move(Jobs::iterator job) {
    if (const Result<> taken = take(job->delivery); !taken) {
        if (later(*job, taken.error())) return false;
        refuse(job, error_of(taken.error()));
        return true;
    }
    parts_.spool.count(job->delivery.folder, job->delivery.spool_bytes());
    std::error_code error;
    const bool here = std::filesystem::exists(parts_.spool.path_of(job->delivery.folder), error);
    if (here) free_slot(*job);
    own(*job);
    return true;
}

Result<> FilesIntake::take(const files::Delivery& delivery) {
    files::Spool& spool = parts_.spool;
    if (Result<> ready = spool.prepare(); !ready) return ready;
    process::WorkDirs& folders = fleet_->work_dirs();
    Result<> taken = folders.take(delivery.from, spool.path_of(delivery.folder));
    if (taken || taken.error().code != "other_disk") return taken;
    if (Result<> ready = spool.prepare_other(); !ready) return ready;
    return folders.take(delivery.from, spool.other_path_of(delivery.folder));
}

void FilesIntake::own(OnWay& job) {
    job.stage = OnWay::Stage::moving;
    parts_.spool.own(
        job.delivery.folder, files::job_files(job.delivery),
        lifetime_.guard([this, folder = job.delivery.folder](Result<std::vector<std::uint64_t>> sizes) {
            owned(folder, std::move(sizes));
        }));
}

void FilesIntake::owned(const std::string& folder, Result<std::vector<std::uint64_t>> sizes) {
    const auto job = find(folder);
    if (job == jobs_.end()) return;
    if (!sizes && later(*job, sizes.error())) return;
    if (!sizes && may_pass(sizes.error())) return give_up(job, error_of(sizes.error()));
    auto error = sizes ? std::nullopt : std::optional(error_of(sizes.error()));
    // What an earlier worker noted is the courier's to compare: it was lost then, and by no connector's fault.
    if (!error && !job->delivery.resumed) error = changed(job->delivery, *sizes);
    if (error) {
        refuse(job, std::move(*error));
        return move_waiting();
    }
    free_slot(*job);
    files::Delivery delivery = std::move(job->delivery);
    jobs_.erase(job);
    parts_.ready(std::move(delivery));
}

// ---- trouble

/// What may pass is tried again. False: it does not pass, or has not.
bool FilesIntake::later(OnWay& job, const Error& why) {
    if (!may_pass(why)) return false;
    const TimePoint now = Clock::now();
    if (!job.until) {
        job.until = now + parts_.settings.files.deliver_timeout;
        logger("files")->warn(
            "job {}: its files cannot be taken now ({}); they stay where they are, and it is tried again for {} "
            "(files.deliver_timeout)",
            job.delivery.job_id, why.message, human_duration(parts_.settings.files.deliver_timeout));
    } else if (now >= *job.until) {
        return false;
    }
    job.again = std::min(now + pause_after_trouble, std::max(now, *job.until));
    again_.set(now);
    return true;
}

void FilesIntake::try_again() {
    const TimePoint now = Clock::now();
    Earliest next;
    for (OnWay& job : jobs_) {
        if (!job.again) continue;
        if (now < *job.again) {
            next.add(*job.again);
            continue;
        }
        job.again.reset();
        if (job.stage == OnWay::Stage::looking) look(job);
        if (job.stage == OnWay::Stage::moving) own(job);
    }
    again_.set(next.at());
    move_waiting();
}

/// Its files are in the spool, or wait on the disk of the scratch folders: they stay there.
void FilesIntake::give_up(Jobs::iterator job, ipc::JobError error) {
    free_slot(*job);
    files::Delivery delivery = std::move(job->delivery);
    jobs_.erase(job);
    parts_.keep(std::move(delivery), std::move(error));
}

void FilesIntake::free_slot(OnWay& job) {
    if (std::exchange(job.takes_slot, false)) parts_.change().collected(Clock::now(), job.delivery.number);
}

void FilesIntake::refuse(Jobs::iterator job, ipc::JobError error) {
    const std::uint64_t number = job->delivery.number;
    const bool moved = job->stage == OnWay::Stage::moving;
    if (job->takes_slot) {
        if (!moved) fleet_->forget_folder(job->instance, job->delivery.job_id);
        parts_.change().not_collected(Clock::now(), number, std::move(error));
    } else {
        if (!moved) fleet_->work_dirs().release(job->delivery.from);
        parts_.change().delivered(Clock::now(), number, jobs::Failed{std::move(error)});
    }
    if (moved || !job->takes_slot) parts_.spool.remove(job->delivery.folder);
    jobs_.erase(job);
}

// ---- what happens to jobs meanwhile

void FilesIntake::take_up(files::Delivery delivery) {
    parts_.spool.count(delivery.folder, delivery.spool_bytes());
    record(jobs_.emplace_back(OnWay{std::move(delivery), {}, false}));
}

void FilesIntake::renumber(const jobs::RenumberDelivery& change) {
    for (OnWay& job : jobs_) {
        if (job.delivery.number != change.from) continue;
        job.delivery.number = change.to;
        const auto stage = job.stage;
        if (stage != OnWay::Stage::looking) record(job);
        if (stage != OnWay::Stage::recording) job.stage = stage;
    }
}

void FilesIntake::drop(std::uint64_t number) {
    if (const auto left = found_.find(number); left != found_.end()) {
        fleet_->work_dirs().release(left->second.from);
        parts_.spool.remove(left->second.folder);
        found_.erase(left);
    }
    for (auto job = jobs_.begin(); job != jobs_.end();) {
        const auto each = job++;
        if (each->delivery.number != number) continue;
        if (each->stage == OnWay::Stage::moving || !each->takes_slot) {
            fleet_->work_dirs().release(each->delivery.from);
            parts_.spool.remove(each->delivery.folder);
        } else {
            fleet_->forget_folder(each->instance, each->delivery.job_id);
        }
        jobs_.erase(each);
    }
}

}  // namespace emprops
