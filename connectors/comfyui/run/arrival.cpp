#include "connectors/comfyui/run/arrival.h"

#include <algorithm>
#include <utility>

#include "connectors/comfyui/run/failures.h"
#include "connectors/comfyui/text/web.h"
#include "ipc/overload.h"

namespace emprops::comfyui {
namespace {

constexpr int most_posts = 4;
constexpr Ms pause_before_post{1'000};
// A POST that timed out, or whose sender was killed, may still be on its way through validation. Only time in
// which ComfyUI answers counts: its loop answers nobody while a node validates.
constexpr Ms doubt_period{4'000};

constexpr Ms longest_put_off{60'000};  // at a time, whatever the server asks for

}  // namespace

Arrival::Arrival(const RunRules& rules, const Names& name, Reach& reach, Submission& submission,
                 TimePoint now)
    : rules_(rules),
      name_(name),
      reach_(reach),
      submission_(submission),
      scan_(rules.mark, name, now),
      noted_(rules.resume && rules.resume_from.has_value()) {
    begin(noted_ ? std::clamp(*rules_.resume_from, 0, highest_submission) : 0, now);
    if (rules_.resume && !noted_) phase_ = Phase::scan;
}

void Arrival::begin(int number, TimePoint now) {
    submission_ = Submission(number, name_(number));
    phase_ = Phase::lookup;
    // Mostly it is not there at all, which two questions in this order show.
    look_.begin_with_queue(now);
}

Action Arrival::next(TimePoint now) const {
    if (phase_ == Phase::scan) return scan_.next(now);
    if (phase_ != Phase::post) return look_.next(submission_.prompt_id, now);
    if (now < post_at_) return Wait{post_at_};
    return SendPrompt{submission_.prompt_id, submission_.number};
}

Arrival::Result Arrival::on_post(const PostAnswer& answer, TimePoint now) {
    if (phase_ != Phase::post) return {};
    ++submission_.posts;
    return std::visit(Overload{[&](const Accepted& accepted) {
                                   // Servers before July 2025 ignore our id and make one of their own.
                                   if (!accepted.prompt_id.empty())
                                       submission_.prompt_id = accepted.prompt_id;
                                   reach_.lost_at.reset();
                                   return arrived({{}, {}, accepted.node_errors}, now);
                               },
                               [](const Refused& refused) { return Result(refused); },
                               [&](const PutOff& later) { return put_off(later, now); },
                               [&](const ServerError& error) { return not_taken(error, now); },
                               [&](const AccessDenied& denied) { return Result(denied_failure(denied)); },
                               [&](const Unreachable& problem) {
                                   if (problem.sent) return doubt(problem.what, now);
                                   reach_.problem = problem.what;
                                   reach_.lost(now);
                                   --submission_.posts;
                                   post_at_ = now + pause_before_post;
                                   return Result();
                               }},
                      answer);
}

Arrival::Result Arrival::not_taken(const ServerError& error, TimePoint now) {
    const Meaning meaning = meaning_of(error.status, {});
    if (meaning == Meaning::gateway) return doubt(error.text + " from what stands before ComfyUI", now);
    if (!is_passing(meaning)) return not_taken_failure(error);
    ++submission_.server_errors;
    return doubt(error.text, now);
}

/// Sent again for as long as an answer of ComfyUI is waited for.
Arrival::Result Arrival::put_off(const PutOff& answer, TimePoint now) {
    reach_.problem = answer.what;
    --submission_.posts;
    if (!submission_.put_off_since) submission_.put_off_since = now;
    const Ms pause =
        std::clamp(answer.wait, pause_before_post * std::min(++submission_.put_offs, 10), longest_put_off);
    if (since(*submission_.put_off_since, now) + pause > rules_.limits.unreachable)
        return never_taken_failure(answer.what);
    if (answer.perhaps_taken) doubt(answer.what, now);
    post_at_ = now + pause;
    return {};
}

Arrival::Result Arrival::doubt(std::string what, TimePoint now) {
    reach_.problem = std::move(what);
    phase_ = Phase::doubt;
    submission_.doubtful = true;
    if (!submission_.doubt_since) submission_.doubt_since = now;
    look_.begin(now);
    return {};
}

/// The prompt of this submission is not in ComfyUI: it is sent, unless an earlier process may have begun to.
Arrival::Result Arrival::not_there(TimePoint now) {
    if (rules_.resume && rules_.may_be_sent && !looked_for_earlier_) {
        looked_for_earlier_ = submission_.of_earlier = true;
        doubt("an earlier process of this job may have begun to send it", now);
        look_.begin(now + pause_before_post / 4);
        return {};
    }
    phase_ = Phase::post;
    post_at_ = now;
    return {};
}

Arrival::Result Arrival::arrived(Arrived how, TimePoint now) {
    submission_.answer_lost = phase_ == Phase::doubt;
    submission_.attached = true;
    submission_.doubt_since.reset();
    submission_.place.entered(now);
    looked_for_earlier_ = true;
    noted_ = false;
    return how;
}

Arrival::Result Arrival::on_history(const HistoryAnswer& answer, TimePoint now) {
    if (phase_ == Phase::scan) {
        reach_.answered();
        return scanned(scan_.on_history(answer), now);
    }
    auto result = look_.on_history(answer);
    if (!result) return {};
    reach_.answered();
    return found(std::move(*result), now);
}

Arrival::Result Arrival::on_queue(const Queue& queue, TimePoint now) {
    if (phase_ == Phase::scan) {
        auto result = scan_.on_queue(queue);
        if (!result) return {};
        const auto& own = std::get<OwnPrompt>(*result);
        begin(own.submission, now);
        submission_.prompt_id = own.prompt_id;
    }
    submission_.on_queue(queue, rules_.mark, phase_ == Phase::lookup || submission_.of_earlier, now);
    auto result = look_.on_queue(queue, submission_.prompt_id);
    if (!result) return {};
    reach_.answered();
    return found(std::move(*result), now);
}

Arrival::Result Arrival::on_recent(const RecentAnswer& answer, TimePoint now) {
    // No answer counts as nothing found: only old servers need this, and it must not hold up a job.
    const auto* recent = std::get_if<Recent>(&answer);
    if (recent != nullptr) reach_.answered();
    const Json entries = recent != nullptr ? recent->entries : Json::object();
    if (phase_ == Phase::scan) return scanned(scan_.on_recent(entries), now);
    look_.begin(now);
    if (auto own = find_recent(entries, rules_.mark, submission_.number)) {
        submission_.prompt_id = own->prompt_id;
        return found({own->where, std::move(own->entry)}, now);
    }
    noted_ = false;
    submission_.doubt_since.reset();
    if (phase_ == Phase::lookup) return not_there(now);
    post_at_ = std::max(post_at_, submission_.of_earlier ? now : now + pause_before_post);
    submission_.of_earlier = submission_.doubtful = false;
    phase_ = Phase::post;
    return {};
}

void Arrival::on_no_answer(TimePoint again, TimePoint now) {
    look_.begin(again);
    scan_.postpone(again);
    // Time in which it did not answer says nothing about what it would know.
    if (phase_ == Phase::doubt) submission_.doubt_since = now;
}

Arrival::Result Arrival::scanned(Scan::Result result, TimePoint now) {
    if (!result) return {};
    if (const auto* nothing = std::get_if<Scan::Nothing>(&*result)) {
        if (scan_.is_cancelled()) return NothingToWithdraw{};
        if (nothing->failed && *nothing->failed >= highest_submission) return too_many_failure();
        begin(nothing->failed ? *nothing->failed + 1 : 0, now);
        return {};
    }
    auto& own = std::get<OwnPrompt>(*result);
    begin(own.submission, now);
    submission_.prompt_id = own.prompt_id;
    return found({own.where, std::move(own.entry)}, now);
}

Arrival::Result Arrival::found(Found found, TimePoint now) {
    const bool again = phase_ == Phase::lookup || submission_.of_earlier;
    switch (found.where) {
        case Where::running:
        case Where::pending:
            return arrived({std::move(found), again ? "found the prompt again that was sent before" : "", {}},
                           now);
        case Where::finished:
            return found_over(std::move(found), again, now);
        case Where::unclear:
            look_.begin(now + pause_before_post);
            return {};
        case Where::absent:
            break;
    }
    if (phase_ == Phase::doubt) return in_doubt(now);
    if (!noted_) return not_there(now);
    look_.ask_recent();  // it may be there under an id that the server made
    return {};
}

/// In doubt, or noted by the earlier process: this assignment's own prompt ended already. Else it is an earlier
/// assignment's: its success is this job's result; its failure is the reason why the job came again.
Arrival::Result Arrival::found_over(Found found, bool again, TimePoint now) {
    if (phase_ != Phase::doubt && !noted_ && !is_success(found.entry.entry)) {
        if (submission_.number >= highest_submission) return too_many_failure();
        begin(submission_.number + 1, now);
        return {};
    }
    if (!again) return arrived({std::move(found), {}, {}}, now);
    // An earlier process may have delivered the files and removed them.
    submission_.origin.maybe_old = submission_.origin.was_over = true;
    submission_.origin.earlier = !noted_ && !submission_.of_earlier;
    return arrived({std::move(found), "the prompt had been run before; took its result", {}}, now);
}

/// ComfyUI does not know the prompt. Not yet, perhaps.
Arrival::Result Arrival::in_doubt(TimePoint now) {
    const int errors = submission_.server_errors;
    if (errors >= 2) {
        submission_.doubtful = false;  // it answered each of them
        return server_error_failure(reach_.problem);
    }
    if (submission_.posts >= most_posts) return never_taken_failure(reach_.problem);
    if (errors > 0 || since(*submission_.doubt_since, now) >= doubt_period) {
        look_.ask_recent();
    } else {
        look_.begin(now + pause_before_post);
    }
    return {};
}

bool Arrival::cancel(TimePoint until, TimePoint now) {
    if (phase_ != Phase::scan) return false;
    scan_.cancel(until, now);
    return true;
}

}  // namespace emprops::comfyui
