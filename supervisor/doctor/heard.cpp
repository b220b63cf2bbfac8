#include "supervisor/doctor/heard.h"

#include <algorithm>
#include <utility>

#include "ipc/overload.h"
#include "ipc/text/utf8.h"
#include "supervisor/process/complaints.h"

namespace emprops::doctor {
namespace {

constexpr std::size_t shown_bytes = 120;
constexpr std::size_t most_kept = 20;  // of each kind of sentence

void add(std::vector<std::string>& list, std::string text) {
    if (list.size() < most_kept) list.push_back(std::move(text));
}

std::string in_quotes_of(std::string_view text) {
    return "\"" + text::shortened(text, shown_bytes) + "\"";
}

const char* type_of(const ipc::FromConnector& message) {
    // In the order of the variant.
    static constexpr const char* names[] = {
        "ready",        "init_failed", "preparing", "accepted",        "progress",        "released",
        "result",       "failed",      "status",    "restart_service", "service_request", "log",
        "capabilities", "metrics",     "pong",      "unknown"};
    static_assert(std::size(names) == std::variant_size_v<ipc::FromConnector>);
    return names[message.index()];
}

/// `progress` as it was sent; the decoder moves it to its limits.
std::optional<double> raw_progress(std::string_view text) {
    const auto json = ipc::Json::parse(text, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    const auto found = json.find("progress");
    return found != json.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

}  // namespace

void Heard::line(std::string_view text, TimePoint now) {
    if (text.empty()) return;
    const ipc::Decoded decoded = ipc::decode_from_connector(text);
    std::visit(Overload{
                   [&](const ipc::FromConnector& known) { message(known, text, now); },
                   [&](const ipc::Stray& stray) {
                       ++prints_;
                       if (first_print_.empty()) first_print_ = in_quotes_of(stray.text);
                       if (!stray.hint.empty() && !stray.log) add(hints_, stray.hint);
                   },
                   [&](const ipc::Malformed& malformed) {
                       add(broken_, malformed.reason + process::perhaps_two_writers(text));
                   },
                   [&](const ipc::Behind& behind) {
                       add(prefixed_, "the text " + in_quotes_of(text.substr(0, behind.at)) +
                                          " stands in front of a `" + behind.type + "`");
                       if (ipc::job_id_of(behind.message) != nullptr)
                           message(behind.message, text.substr(behind.at), now);
                   },
               },
               decoded);
}

void Heard::overlong(std::uint64_t size) {
    add(broken_, "a line of " + std::to_string(size) + " bytes is over the limit (hello.max_line_bytes)");
}

void Heard::stderr_line(std::string_view, TimePoint now) {
    if (!second_ || now >= *second_ + Ms{1000}) {
        second_ = now;
        in_second_ = 0;
    }
    most_stderr_ = std::max(most_stderr_, ++in_second_);
}

JobHeard* Heard::about(const std::string& job_id, const char* type, TimePoint now) {
    const auto found = jobs_.find(job_id);
    if (found == jobs_.end()) {
        add(foreign_,
            std::string("`") + type + "` for the job " + in_quotes_of(job_id) + ", which it was not given");
        return nullptr;
    }
    JobHeard& job = found->second;
    if (!job.first_sign) job.first_sign = now;
    if (job.ends > 0) ++job.after_end;
    return &job;
}

void Heard::message(const ipc::FromConnector& message, std::string_view text, TimePoint now) {
    const char* type = type_of(message);
    const bool early =
        std::holds_alternative<ipc::Ready>(message) || std::holds_alternative<ipc::InitFailed>(message) ||
        std::holds_alternative<ipc::Preparing>(message) || std::holds_alternative<ipc::LogLine>(message) ||
        std::holds_alternative<ipc::Unknown>(message);
    if (!ready_ && !early) add(before_ready_, std::string("`") + type + "` came before `ready`");
    std::visit(Overload{
                   [&](const ipc::Ready& ready) {
                       if (ready_) return add(broken_, "a second `ready`");
                       ready_ = ready;
                   },
                   [&](const ipc::InitFailed& failed) { init_failed_ = failed.error; },
                   [&](const ipc::Preparing&) {
                       if (ready_) return add(broken_, "`preparing` after `ready`");
                       preparing_at_ = now;
                   },
                   [&](const ipc::Accepted& accepted) {
                       if (JobHeard* job = about(accepted.job_id, type, now)) job->begun = true;
                   },
                   [&](const ipc::Progress& progress) {
                       JobHeard* job = about(progress.job_id, type, now);
                       if (job == nullptr) return;
                       job->begun = true;
                       const auto raw = raw_progress(text);
                       if (!raw) return;
                       job->most = std::max(job->most, *raw);
                       job->fractions = job->fractions || (*raw > 0 && *raw < 1);
                       if ((*raw < 0 || *raw > 100) && job->strange_progress.empty())
                           job->strange_progress = ipc::Json(*raw).dump();
                   },
                   [&](const ipc::Released& released) { about(released.job_id, type, now); },
                   [&](const ipc::ServiceRequest& request) { about(request.job_id, type, now); },
                   [&](const ipc::JobResult& result) {
                       JobHeard* job = about(result.job_id, type, now);
                       if (job == nullptr || job->ends++ > 0) return;
                       job->result = result;
                       job->end_at = now;
                   },
                   [&](const ipc::Failed& failed) {
                       JobHeard* job = about(failed.job_id, type, now);
                       if (job == nullptr || job->ends++ > 0) return;
                       job->failed = failed;
                       job->end_at = now;
                   },
                   [&](const ipc::Status& status) { available_ = status.available; },
                   [&](const ipc::Metrics& metrics) {
                       for (std::string& sentence : figures_.take(metrics))
                           add(figures_wrong_, std::move(sentence));
                   },
                   [&](const ipc::Pong& pong) { pongs_.insert(pong.id); },
                   [&](const ipc::Unknown& unknown) {
                       if (!unknown.type.starts_with("x_")) add(broken_, process::unknown_type(unknown.type));
                   },
                   [&](const auto&) {},
               },
               message);
}

}  // namespace emprops::doctor
