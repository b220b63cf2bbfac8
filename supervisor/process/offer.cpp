#include "supervisor/process/offer.h"

#include <algorithm>
#include <utility>

#include "supervisor/process/job_types.h"

namespace emprops::process {

namespace {

/// `status` and `capabilities` are passed on at most this often.
constexpr Ms change_interval{100};

}  // namespace

std::optional<std::string> Offer::take(ipc::Ready ready, int pid, bool attached) {
    if (job_types_.empty()) {
        if (auto problem = tidy_job_types(ready.job_types)) return problem;
    }
    info_.pid = pid;
    info_.attached = attached;
    info_.job_types = job_types_.empty() ? std::move(ready.job_types) : job_types_;
    info_.concurrency = std::max(1, concurrency_ ? static_cast<int>(*concurrency_) : ready.concurrency);
    info_.features = ready.features;
    info_.name = std::move(ready.name);
    info_.version = std::move(ready.version);
    info_.capabilities = std::move(ready.capabilities);
    if (info_.features.status && !info_.status) {
        info_.available = false;
        info_.unavailable_reason = "it has not reported the state of its service yet";
    }
    return std::nullopt;
}

void Offer::take(const ipc::Status& status) {
    info_.status = status;
    info_.available = status.available;
    info_.unavailable_reason = status.available        ? ""
                               : status.reason.empty() ? "its service is not available"
                                                       : status.reason;
    changed_ = status_changed_ = true;
}

std::optional<std::string> Offer::take(const ipc::Capabilities& change) {
    ++info_.offers;
    changed_ = true;
    if (change.capabilities) info_.capabilities = *change.capabilities;
    if (change.concurrency && !concurrency_) info_.concurrency = std::max(1, *change.concurrency);
    if (!change.job_types || !job_types_.empty()) return std::nullopt;
    std::vector<std::string> types = *change.job_types;
    if (auto problem = tidy_job_types(types)) return problem;
    info_.job_types = std::move(types);
    return std::nullopt;
}

std::optional<Offer::Change> Offer::take_change(TimePoint now) {
    if (!changed_) return std::nullopt;
    tell_after_ = now + change_interval;
    Change change{status_changed_, false};
    if (status_changed_)
        change.says_otherwise = std::exchange(said_available_, info_.available) != info_.available;
    forget_change();
    return change;
}

}  // namespace emprops::process
