#include "ipc/hub/errors.h"

#include <optional>

namespace emprops::hub {
namespace {

/// The texts around what varies; read and written with the same words.
struct Frame {
    std::string_view before;
    std::string_view after;

    std::string around(std::string_view what) const { return std::string(before).append(what).append(after); }
    std::optional<std::string> inside(std::string_view text) const {
        if (text.size() <= before.size() + after.size()) return std::nullopt;
        if (!text.starts_with(before) || !text.ends_with(after)) return std::nullopt;
        return std::string(text.substr(before.size(), text.size() - before.size() - after.size()));
    }
};

constexpr Frame claim_failed{"Failed to claim job ", ""};
constexpr Frame not_idle{"Cannot claim job ", " is not idle"};
constexpr std::string_view which_worker = ": Worker ";
constexpr Frame fail_refused{"Failed to mark job ", " as failed"};
constexpr Frame not_found{"Job ", " not found"};
constexpr std::string_view server_trouble = "Server error processing message";

}  // namespace

std::string claim_failed_text(std::string_view job_id) {
    return claim_failed.around(job_id);
}
std::string not_idle_text(std::string_view job_id, std::string_view worker_id) {
    return not_idle.around(std::string(job_id).append(which_worker).append(worker_id));
}
std::string fail_refused_text(std::string_view job_id) {
    return fail_refused.around(job_id);
}
std::string not_found_text(std::string_view job_id) {
    return not_found.around(job_id);
}
std::string server_trouble_text(std::string_view reason) {
    return std::string(server_trouble).append(": ").append(reason);
}
std::string unsupported_text(std::string_view type) {
    return std::string("Unsupported message type: ").append(type);
}

HubError classify_error(std::string text) {
    using Kind = HubError::Kind;
    HubError error{Kind::other, "", std::move(text)};
    const auto about = [&](Kind kind, std::string job_id) {
        error.kind = kind;
        error.job_id = std::move(job_id);
    };
    if (auto claimed = claim_failed.inside(error.text)) {
        about(Kind::claim_failed, std::move(*claimed));
    } else if (const auto busy = not_idle.inside(error.text)) {
        // The job id is the submitter's text and may contain anything: the worker part is the last one.
        const auto worker = busy->rfind(which_worker);
        if (worker != std::string::npos) about(Kind::not_idle, busy->substr(0, worker));
    } else if (auto marked = fail_refused.inside(error.text)) {
        about(Kind::fail_refused, std::move(*marked));
    } else if (auto missing = not_found.inside(error.text)) {
        about(Kind::not_found, std::move(*missing));
    } else if (error.text.starts_with("Authentication failed")) {
        error.kind = Kind::bad_token;
    } else if (error.text.starts_with(server_trouble)) {
        error.kind = Kind::server_trouble;
    }
    return error;
}

}  // namespace emprops::hub
