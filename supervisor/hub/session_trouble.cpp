// Errors of the Hub: what they say about a claim, an outcome, or the Hub itself.

#include <algorithm>

#include "supervisor/hub/session_impl.h"

namespace emprops::hub {
namespace {

/// How soon the Hub is asked again after it could not do something (its redis is away).
constexpr Ms first_pause{1'000};
constexpr Ms longest_pause{4'000};
/// After this long without such an error the next one is a new trouble.
constexpr Ms trouble_over{30'000};

}  // namespace

void Session::Impl::on_error(TimePoint now, const HubError& error) {
    using Kind = HubError::Kind;
    if (!welcomed && error.kind == Kind::bad_token) {
        // The Hub accepts every handshake and refuses a token with an error as its first message.
        auth_refused = true;
        last_error = error.text;
        out.push_back(Disconnect{"the Hub refused the token"});
        return;
    }
    switch (error.kind) {
        case Kind::claim_failed:
            return on_claim_failed(now, error);
        case Kind::not_idle:
            return on_claim_not_idle(now, error);
        case Kind::fail_refused:
            return on_ack(error.job_id);  // retries used up: it has been told, that counts
        case Kind::server_trouble:
            return on_trouble(now, error);
        case Kind::not_found:
        case Kind::bad_token:
        case Kind::other:
            note(Note::Level::warn, "the Hub reports: " + error.text.substr(0, 500));
    }
}

TimePoint Session::Impl::pause_after_trouble(TimePoint now) {
    if (now >= trouble_until) {  // else: one more error of the same moment
        const bool anew = now - trouble_until >= trouble_over;
        trouble_pause = anew ? first_pause : std::min(2 * trouble_pause, longest_pause);
        trouble_until = now + trouble_pause;
    }
    return trouble_until;
}

/// The error does not say which message it answers. What waits for an answer is asked about soon; what the
/// Hub missed is said again.
void Session::Impl::on_trouble(TimePoint now, const HubError& error) {
    const TimePoint again = pause_after_trouble(now);
    watch_writing(now);
    std::string waiting;
    for (auto& item : outbox) {
        if (item.state != OutboxItem::State::sent || !item.written) continue;
        waiting += (waiting.empty() ? "the outcome of job " : ", ") + item.outcome.job_id;
        if (!item.ask_at) item.ask_at = again;
    }
    if (claim) {
        waiting += (waiting.empty() ? "" : " and ") + ("the claim of job " + claim->job_id);
        drop_claim(now);
    }
    announcer.owe_status(again);
    if (now - trouble_told < first_pause && waiting.empty()) return;  // each progress has such an answer
    trouble_told = now;
    note(Note::Level::warn,
         "the Hub reports: " + error.text.substr(0, 500) +
             (waiting.empty() ? "" : " (not answered: " + waiting.substr(0, 500) + "; asked again soon)"));
}

}  // namespace emprops::hub
