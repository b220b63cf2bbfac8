#include "supervisor/jobs/messages.h"

#include <utility>

#include "supervisor/jobs/result_rules.h"
#include "supervisor/process/evidence.h"

namespace emprops::jobs {
namespace {

/// How long an instance gets nothing after it could not take a job (too much waits for its stdin).
constexpr Ms pause_after_refusal{250};
/// Likewise when its folder could not be made: a full disk is not empty so soon.
constexpr Ms pause_after_failure{2000};

}  // namespace

void Messages::not_given(TimePoint now, const process::InstanceId& id, const std::string& job_id,
                         const std::string& why) {
    const ActiveJob* job = records_.book.given(id, job_id);
    if (job == nullptr) return;
    records_.history.undo_attempt(job_id);
    if (Instance* instance = records_.pool.find(id)) {
        instance->paused_until = now + (why.empty() ? pause_after_refusal : pause_after_failure);
        instance->refusals.trouble(why);
    }
    if (!why.empty() && why != job->waiting.trouble)
        records_.note(Note::Level::error, id.connector, job_id,
                      "could not be given to " + process::to_string(id) + ": " + why);
    records_.book.trouble(*job, why);
    if (job->live()) return placing_.take_back(now, *job);
    placing_.unbind(*job);  // cancelled between GiveJob and this answer
    records_.book.remove(*job);
}

void Messages::not_begun(TimePoint now, const process::InstanceId& id, const std::string& job_id) {
    const ActiveJob* job = records_.book.given(id, job_id);
    if (job == nullptr || job->state != JobState::running || job->run.started) return;
    placing_.withdraw(*job, "it cannot be begun here");
    placing_.not_prepared(now, *job);
}

void Messages::accepted(TimePoint now, const process::InstanceId& id, const ipc::Accepted& message) {
    const ActiveJob* job = of_sender(id, message.job_id, "accepted");
    if (job == nullptr || !job->begun()) return;
    sign_of_life(now, *job);
    records_.blame.begun({id.connector, id.index, true}, message.job_id);
}

void Messages::progress(TimePoint now, const process::InstanceId& id, const ipc::Progress& message) {
    const ActiveJob* job = of_sender(id, message.job_id, "progress");
    if (job == nullptr || !job->begun()) return;
    sign_of_life(now, *job);
    if (!job->live()) return;
    records_.book.progress(now, *job, message);
    records_.actions.push_back(ReportProgress{message.job_id, job->assignment.number, message});
}

void Messages::released(TimePoint now, const process::InstanceId& id, const ipc::Released& message) {
    const ActiveJob* job = of_sender(id, message.job_id, "released");
    if (job == nullptr || !job->begun()) return;
    sign_of_life(now, *job);
    collecting_.release(*job);
}

void Messages::result(TimePoint now, const process::InstanceId& id, ipc::JobResult message) {
    if (answered(id, message.job_id)) return;
    const ActiveJob* job = of_sender(id, message.job_id, "a result");
    if (job == nullptr) return;
    records_.pool.find(id)->refusals.began_one();
    if (job->live()) {
        auto judged = judge_result(std::move(message.result));
        auto* completed = std::get_if<Completed>(&judged);
        if (completed != nullptr && !message.files.empty())
            return collecting_.begin(now, *job, {std::move(completed->result), std::move(message.files)});
        ending_.finish(now, *job, std::move(judged));
    } else
        records_.note(Note::Level::info, id.connector, message.job_id,
                      "finished after its end; nothing is reported");
    ending_.let_go(*job);
}

void Messages::failed(TimePoint now, const process::InstanceId& id, const ipc::Failed& message) {
    if (answered(id, message.job_id)) return;
    const ActiveJob* job = of_sender(id, message.job_id, "a failure");
    if (job == nullptr) return;
    if (job->state == JobState::prepared && not_prepared(now, *job, message.error)) return;
    const bool refused = message.error.code == ipc::code::not_started && !job->run.started;
    if (job->live() && refused) return handed_back(now, *job, message.error);
    if (!refused) records_.pool.find(id)->refusals.began_one();
    if (job->live()) ending_.finish(now, *job, Failed{message.error});
    ending_.let_go(*job);
}

void Messages::service_request(const process::InstanceId& id, const ipc::ServiceRequest& message) {
    const ActiveJob* job = of_sender(id, message.job_id, "a service request");
    if (job == nullptr || !job->begun()) return;
    records_.blame.sent({id.connector, id.index, true}, message.job_id);
    if (job->live())
        records_.actions.push_back(
            ForwardServiceRequest{message.job_id, job->assignment.number, id, message});
}

void Messages::protocol_error(TimePoint now, const process::InstanceId& id,
                              const std::optional<std::string>& job_id, const std::string& code,
                              const std::string& text) {
    const ActiveJob* job = job_id ? records_.book.given(id, *job_id) : records_.book.only_given(id);
    if (job == nullptr) {
        records_.note(Note::Level::warn, id.connector, job_id.value_or(""), text);
        return;
    }
    if (job->live())
        ending_.finish(now, *job, Failed{ipc::JobError{code, text, code != ipc::code::result_too_large, {}}});
    // The line may have been the job's last. If the job still runs it must end; if not, this is ignored.
    records_.actions.push_back(CancelJob{id, job->id(), text});
    records_.actions.push_back(JobUnanswered{id, job->id()});
    Instance& instance = *records_.pool.find(id);
    instance.unanswered.insert(job->id());
    instance.refusals.began_one();
    placing_.unbind(*job);
    records_.book.remove(*job);
}

const ActiveJob* Messages::of_sender(const process::InstanceId& id, const std::string& job_id,
                                     const char* what) {
    if (const ActiveJob* job = records_.book.given(id, job_id)) return job;
    // What a connector says of a run that has ended here changes nothing.
    const Instance* instance = records_.pool.find(id);
    if (instance != nullptr && instance->unanswered.contains(job_id)) return nullptr;
    ++records_.stats.ignored;
    records_.note(Note::Level::warn, id.connector, job_id,
                  process::to_string(id) + " sent " + what + " for a job it does not hold; ignored");
    return nullptr;
}

void Messages::sign_of_life(TimePoint now, const ActiveJob& job) {
    records_.book.sign_of_life(now, job);
    Instance& instance = *records_.pool.find(*job.instance);
    instance.refusals.began_one();
    // The job has begun and is not given again, so that its payload can go: payloads reach 100 MB.
    if (!instance.info.features.resume) records_.book.drop_payload(job);
}

/// The connector's answer about a run whose assignment has ended already.
bool Messages::answered(const process::InstanceId& id, const std::string& job_id) {
    Instance* instance = records_.pool.find(id);
    if (instance == nullptr || instance->unanswered.erase(job_id) == 0) return false;
    records_.note(Note::Level::info, id.connector, job_id,
                  process::to_string(id) + " has answered a run that had ended already; nothing is reported");
    instance->refusals.began_one();  // perhaps that run was why it refused others
    records_.actions.push_back(JobEnded{id, job_id});
    return true;
}

/// It will not prepare the job, or leaves before its begin: the job waits for a slot.
bool Messages::not_prepared(TimePoint now, const ActiveJob& job, const ipc::JobError& error) {
    const bool refused = error.code == ipc::code::not_started;
    if (!refused && error.code != ipc::code::drained) return false;
    const process::InstanceId id = *job.instance;
    if (refused) records_.pool.find(id)->refuses_ahead = true;
    records_.actions.push_back(JobEnded{id, job.id()});
    placing_.not_prepared(now, job);
    records_.note(Note::Level::info, id.connector, job.id(),
                  process::to_string(id) + " does not prepare it: " + process::cut(error.message) +
                      (refused ? "; it is not asked for that again" : ""));
    return true;
}

/// The connector answered not_started, which costs the job nothing: it waits for an instance that can begin it, this
/// one included.
void Messages::handed_back(TimePoint now, const ActiveJob& job, const ipc::JobError& error) {
    const process::InstanceId id = *job.instance;
    Instance& instance = *records_.pool.find(id);
    records_.history.undo_attempt(job.id());
    ++records_.stats.not_started;
    const std::string words = process::cut(error.message);
    const int others = records_.book.given_before(job);
    const int slots = instance.slots();
    instance.refused(now, others, "job " + job.id() + " (\"" + words + "\")");
    records_.book.refused(job, words);
    records_.actions.push_back(JobEnded{id, job.id()});
    placing_.take_back(now, job);
    records_.note(
        Note::Level::info, id.connector, job.id(),
        process::to_string(id) + " refused it, not started: " + words + "; the job waits for a slot");
    if (instance.slots() < slots || others == 0)
        records_.note(others == 0 ? Note::Level::info : Note::Level::warn, id.connector, job.id(),
                      instance.refusal(now));
}

}  // namespace emprops::jobs
