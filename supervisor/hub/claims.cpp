#include "supervisor/hub/claims.h"

#include <algorithm>
#include <utility>

#include "ipc/overload.h"
#include "ipc/text/people.h"

namespace emprops::hub {
namespace {

/// An offer that came during a claim is worth this long: the Hub makes it again anyway.
constexpr Ms deferred_offer_lifetime{10'000};
/// With a fixed id the Hub offers the same refused job first in every round: end that at the third.
constexpr int refusals_before_fail = 3;
/// With a fixed id the Hub offers a job that it refuses us first in every round, and nothing else: the
/// refusals that lead to its fail_job must come soon, for until then nobody is served.
constexpr Ms exact_id_refusal_memory{2'000};
constexpr Ms probe_lifetime{60'000};

Ms refusal_memory(const SessionSettings& settings) {
    const Ms memory = settings.hub.refusal_memory;
    return settings.exact_id ? std::min(memory, exact_id_refusal_memory) : memory;
}

}  // namespace

Claims::Claims(const SessionSettings& settings, Wire& wire)
    : settings_(settings), wire_(wire), refusals_(refusal_memory(settings)) {}

bool Claims::defers(TimePoint now, const Offer& offer) {
    const auto asking = std::count_if(wishes_.begin(), wishes_.end(), [](const auto& wish) {
        return std::holds_alternative<Offer>(wish.second);
    });
    const bool twice = is_outstanding(offer.job_id) || wishes_.contains(offer.job_id);
    if (!twice && claims_.size() + static_cast<std::size_t>(asking) < at_once_) return false;
    if (!twice) {
        deferred_offer_ = offer;
        deferred_at_ = now;
    }
    return true;
}

void Claims::want_place(Wish wish) {
    auto [job_id, job_type] =
        std::visit([](const auto& about) { return std::pair(about.job_id, about.job_type); }, wish);
    wishes_.insert_or_assign(job_id, std::move(wish));
    wire_.act(PlaceWanted{std::move(job_id), std::move(job_type)});
}

std::optional<Claims::Wish> Claims::take_wish(const std::string& job_id) {
    auto found = wishes_.extract(job_id);
    if (found.empty()) return std::nullopt;
    return std::move(found.mapped());
}

void Claims::send(Claim claim, const std::vector<std::string>& earlier_ids) {
    ++wire_.counters().claims;
    wire_.send(encode(ClaimJob{wire_.stamp(), claim.job_id, earlier_ids}));
    claims_.insert_or_assign(claim.job_id, std::move(claim));
}

void Claims::claim(TimePoint now, const Offer& offer, jobs::Place place) {
    send({offer.job_id, offer.job_type, now, now, false, place}, {});
}

void Claims::claim_again(TimePoint now, const std::string& job_id, const std::string& job_type,
                         const std::vector<std::string>& earlier_ids) {
    send({job_id, job_type, now, now, true, jobs::Place::none}, earlier_ids);
}

Claims::Refused Claims::on_refused(TimePoint now, const std::string& job_id) {
    ++wire_.counters().refusals;
    const int count = refusals_.add(now, job_id);
    const auto claim = claims_.find(job_id);
    if (claim == claims_.end()) return {};  // of a claim given up before
    wire_.note(Note::Level::debug, "the Hub refused the claim of job " + job_id);
    const bool ours = claim->second.readopt;
    Refused refused;
    refused.withheld = claim->second.has_place();
    refused.job_type = claim->second.job_type;
    refused.for_ever = settings_.exact_id && !ours && count >= refusals_before_fail;
    drop(job_id);
    if (deferred_offer_ && now - deferred_at_ < deferred_offer_lifetime)
        refused.next = std::exchange(deferred_offer_, std::nullopt);
    return refused;
}

void Claims::on_sign(TimePoint now, const std::string& job_id) {
    if (!claims_.contains(job_id)) return;
    // The other answers come behind this one.
    for (auto& [id, claim] : claims_)
        claim.last_sign = now;
}

std::optional<Claims::Claim> Claims::on_assigned(const std::string& job_id) {
    refusals_.forget(job_id);
    auto claim = claims_.extract(job_id);
    if (claim.empty()) return std::nullopt;
    return std::move(claim.mapped());
}

void Claims::release(const Claim& claim) {
    if (claim.has_place()) wire_.act(PlaceReleased{claim.job_id});
}

void Claims::forget_again(const std::string& job_id) {
    const auto claim = claims_.find(job_id);
    if (claim != claims_.end() && claim->second.readopt) claims_.erase(claim);
}

void Claims::drop(const std::string& job_id) {
    const auto claim = claims_.extract(job_id);
    if (!claim.empty()) release(claim.mapped());
}

void Claims::drop() {
    for (const auto& [job_id, claim] : std::exchange(claims_, {}))
        release(claim);
}

bool Claims::check(TimePoint now) {
    std::vector<std::string> late;
    for (const auto& [job_id, claim] : claims_)
        if (now - claim.last_sign >= settings_.hub.claim_timeout) late.push_back(job_id);
    for (const auto& job_id : late) {
        ++wire_.counters().claim_timeouts;
        wire_.note(Note::Level::warn, "the Hub did not answer the claim of job " + job_id + " for " +
                                          human_duration(settings_.hub.claim_timeout) +
                                          "; going on without it");
        drop(job_id);
    }
    if (!late.empty()) deferred_offer_.reset();
    return !late.empty();
}

void Claims::on_disconnected(bool fresh_id) {
    drop();
    wishes_.clear();
    deferred_offer_.reset();
    if (fresh_id) refusals_.clear();
}

void Claims::expire_probes(TimePoint now) {
    std::erase_if(probes_, [&](const auto& probe) { return now - probe.second >= probe_lifetime; });
}

std::optional<TimePoint> Claims::next_wakeup() const {
    Earliest first;
    for (const auto& [job_id, claim] : claims_)
        first.add(claim.last_sign + settings_.hub.claim_timeout);
    return first.at();
}

}  // namespace emprops::hub
