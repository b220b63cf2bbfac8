#pragma once
// The jobs that are ours in Redis: told as begun, told how far they are, asked about, and ended. Whatever is written is
// fenced (scripts/): who has lost a job finds out and writes nothing. An end that has no answer is sent again. Pure;
// time is a parameter. Owned by the session.
//
//   add --> running --deliver--> ending --"done"--> Delivered
//             |  '--question: not ours--> JobCancelled, JobWithdrawn
//             '--undelivered--> forgotten

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "supervisor/base/time.h"
#include "supervisor/jobs/types.h"
#include "supervisor/redis/rules/end_texts.h"
#include "supervisor/redis/server.h"
#include "supervisor/redis/slots.h"

namespace emprops::redis {

struct HeldPolicy {
    Ms question_every{10'000};  ///< whether each is still ours, when no message says so
    Ms progress_gap{250};       ///< of one job
    Ms quiet{110};              ///< between the last progress and the end, as clients of the API need it
    Ms touch_every{110'000};    ///< progress of a silent job, so that nobody takes it for stuck
    Ms again{1'000};            ///< after an end that Redis refused to write
    std::uint64_t result_bytes = 1u << 20;
    std::int64_t keep_finished_s = 7 * 24 * 3600;
};

/// The claim token: "1795975702.987830 gpu-7-0".
struct Claim {
    std::string worker, token;
    std::string text() const { return token + " " + worker; }
    static std::optional<Claim> of_text(const std::string& text);
};

class HeldJobs {
  public:
    HeldJobs(Server& server, Slots& slots, Teller teller, const HeldPolicy& policy)
        : server_(server), slots_(slots), teller_(std::move(teller)), policy_(policy) {}

    /// Claimed just now, or found again. `begins`: it is told as in progress.
    void add(TimePoint now, JobRecord record, std::uint64_t number, Claim claim, bool begins);
    /// The same job under a newer claim: what waited to be written is.
    void renew(TimePoint now, const std::string& job_id, Claim claim);
    /// It waits in the queue, and is about to be claimed again.
    void retake(const std::string& job_id);
    /// Nothing came of that; `why`: it is not ours any more.
    void not_retaken(const std::string& job_id, const std::string& why);
    bool uses(const std::string& worker) const;
    bool holds(const std::string& job_id) const { return find(job_id) != nullptr; }
    std::uint64_t number_of(const std::string& job_id) const;
    std::optional<Claim> claim_of(const std::string& job_id) const;
    std::size_t size() const { return jobs_.size(); }
    std::size_t outcomes() const;

    void begun(const std::string& job_id, std::uint64_t number);
    void progress(TimePoint now, const std::string& job_id, std::uint64_t number, const ipc::Progress& what);
    void deliver(TimePoint now, jobs::Outcome outcome);
    void undelivered(const std::string& job_id, std::uint64_t number);

    /// Somebody says that this job of this worker was cancelled: looked at at once.
    void look_at(TimePoint now, const std::string& job_id);
    void question_all(TimePoint now);
    /// A new connection: all are asked about, ends are sent again.
    void connected(TimePoint now);
    void disconnected();
    std::optional<TimePoint> next_wakeup() const;
    void on_time(TimePoint now);

    /// Called for a job of ours that waits in the queue again, although it runs here, or is done: the session takes it back.
    std::function<void(const std::string& job_id)> on_pending;
    /// It went back to the queue as it came.
    std::function<void(const std::string& job_id)> on_returned;
    /// It is ours under a newer claim of which we had no answer.
    std::function<void(const std::string& job_id, const Claim& claim)> on_newer;

    std::vector<jobs::LinkView::Outcome> waiting_outcomes() const;
    std::uint64_t delivered = 0;
    std::map<std::string, std::uint64_t> not_delivered;

  private:
    struct Job {
        JobRecord record;
        std::uint64_t number = 0;
        Claim claim;
        TimePoint since, told_at, quiet_until, ask_at;
        std::optional<ipc::Progress> untold;
        ipc::Progress last;  ///< said again for a job that is silent
        std::optional<jobs::Outcome> outcome;
        std::optional<TimePoint> end_at;  ///< with an outcome: when it is sent (again)
        bool asking = false, ask_again = false, ending = false, begun = false, begun_told = false;
        bool doubted = false;   ///< asked once more whose it is before its outcome is given up
        bool retaking = false;  ///< nothing is written until it is known whose it is
    };

    const Job* find(const std::string& job_id) const;
    Job* find(const std::string& job_id) { return const_cast<Job*>(std::as_const(*this).find(job_id)); }
    Job* find(const std::string& job_id, std::uint64_t number);
    void start(Job& job);
    void tell(TimePoint now, Job& job);
    void end(TimePoint now, Job& job);
    void end_completed(Job& job, const jobs::Completed& value);
    void end_failed(Job& job, const jobs::Failed& value);
    void ended(const std::string& job_id, std::uint64_t number, const Claim& claim, const Reply& reply);
    /// `of_ended`: also of one with an outcome.
    void question(TimePoint now, Job& job, bool of_ended = false);
    void lost(const std::string& job_id, std::uint64_t number, const std::string& why);
    void forget(const std::string& job_id);
    Server::Then fenced(const Job& job);
    Server::Then at_end(const Job& job);

    Server& server_;
    Slots& slots_;
    const Teller teller_;
    const HeldPolicy& policy_;
    std::map<std::string, Job> jobs_;
    bool connected_ = false;
};

}  // namespace emprops::redis
