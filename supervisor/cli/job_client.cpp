#include "supervisor/cli/job_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ipc/hub/codec.h"
#include "ipc/overload.h"
#include "ipc/text/people.h"
#include "ipc/web/digest.h"
#include "supervisor/base/loop.h"
#include "supervisor/hub/url.h"

namespace emprops::cli {
JobClient::JobClient(boost::asio::io_context& loop, const config::HubSettings& settings, Events events,
                     Limits limits, std::unique_ptr<hub::Link> link)
    : settings_(settings),
      events_(std::move(events)),
      client_id_("submit-" + random_hex(8)),
      limits_(limits),
      link_(link ? std::move(link) : hub::make_ws_link(loop.get_executor(), settings_)),
      timer_(loop),
      acceptance_(loop) {}

JobClient::~JobClient() {
    link_->drop();
}

void JobClient::connect() {
    if (!was_welcomed_) limit_acceptance();
    auto target = hub::watch_target(settings_, client_id_);
    if (!target) return events_.unreachable(target.error().message, false);
    auto proxy = hub::choose_proxy(settings_, web::read_proxy_environment(), target.value());
    if (!proxy) return events_.unreachable(proxy.error().message, false);
    hub::Link::Handlers handlers;
    handlers.on_connected = [] {};
    handlers.on_frame = [this](std::string_view text) { on_frame(text); };
    handlers.on_closed = [this](const std::string& reason) { on_closed(reason); };
    linked_ = true;
    link_->connect(std::move(target).value(), proxy.value(), std::move(handlers));
}

void JobClient::limit_acceptance() {
    acceptance_.expires_after(limits_.acceptance);
    acceptance_.async_wait([this](boost::system::error_code ec) {
        if (ec || closing_ || pending_.empty()) return;
        const auto limit = human_duration(limits_.acceptance);
        const bool sent =
            std::any_of(pending_.begin(), pending_.end(), [](const Pending& each) { return each.sent; });
        if (sent) return give_up_waiting("the Hub has not answered within " + limit);
        drop();
        events_.unreachable("the Hub has not welcomed us within " + limit, false);
    });
}

/// Ends everything at once, without callbacks.
void JobClient::drop() {
    timer_.cancel();
    acceptance_.cancel();
    closing_ = true;
    linked_ = false;
    link_->drop();
}

Result<> JobClient::submit(JobRequest request) {
    std::string text = hub::encode(
        hub::SubmitJob{request.job_id, request.job_type, request.priority, request.payload.text()});
    if (text.size() > settings_.send_limit)
        return Error{
            "too_large",
            fmt::format("the job is a message of {} bytes, the Hub takes at most {} (hub.send_limit); "
                        "put large inputs where the connector can fetch them and send their address",
                        text.size(), settings_.send_limit)};
    pending_.push_back({request.job_id, std::move(text)});
    if (welcomed_) {
        limit_acceptance();
        send_pending(pending_.back());
    }
    return Ok{};
}

void JobClient::send_pending(Pending& pending) {
    pending.sent = true;
    pending.asked = false;
    link_->send(pending.frame);
}

void JobClient::close(std::function<void()> done) {
    closing_ = true;
    timer_.cancel();
    acceptance_.cancel();
    if (!linked_) {
        if (done) later(timer_.get_executor(), std::move(done));
        return;
    }
    closed_ = std::move(done);
    link_->close("done");
}

void JobClient::ask_for(const std::string& job_id) {
    link_->send(hub::encode(hub::RequestJobStatus{job_id}));
}

void JobClient::end_job(const std::string& job_id, const std::function<void()>& tell) {
    Job& job = jobs_[job_id];
    if (job.ended) return;
    job.ended = true;
    tell();
}

std::deque<JobClient::Pending>::iterator JobClient::find_pending(const std::string& job_id) {
    return std::find_if(pending_.begin(), pending_.end(),
                        [&](const Pending& each) { return each.job_id == job_id; });
}

void JobClient::give_up_waiting(const std::string& why) {
    drop();
    events_.uncertain("it is not known whether the Hub took the job: " + why +
                      "; look there before you submit it again (with --id it can be asked for)");
}

void JobClient::on_welcome() {
    welcomed_ = true;
    const bool again = was_welcomed_;
    was_welcomed_ = true;
    for (auto& pending : pending_) {
        if (!pending.sent) {
            send_pending(pending);
        } else if (pending.job_id.empty()) {
            return give_up_waiting("the connection was lost before the Hub had answered");
        } else {
            pending.asked = true;  // sent over the lost connection: the Hub knows whether it arrived
            ask_for(pending.job_id);
        }
    }
    if (again && !polling_) {
        polling_ = true;
        poll();
    }
}

void JobClient::on_accepted(const std::string& job_id, int position) {
    auto pending = find_pending(job_id);
    if (pending == pending_.end()) pending = find_pending("");  // the Hub chose the id
    if (pending == pending_.end()) return;
    pending_.erase(pending);
    if (pending_.empty()) acceptance_.cancel();
    jobs_[job_id] = {};
    events_.accepted(job_id, position);
}

/// The Hub's errors name no message and carry an id in the text at most. It answers in order, so an error
/// before an acceptance belongs to the oldest submission that is not answered.
void JobClient::on_error(const hub::HubError& error) {
    const std::string& text = error.text;
    refused_ = error.kind == hub::HubError::Kind::bad_token;
    if (refused_) return;  // the Hub closes now
    if (error.kind == hub::HubError::Kind::not_found) {
        if (const auto pending = find_pending(error.job_id); pending != pending_.end() && pending->asked)
            return send_pending(*pending);  // it never arrived
        if (jobs_.find(error.job_id) != jobs_.end())
            end_job(error.job_id, [&] { events_.failed(error.job_id, "is not known to the Hub any more"); });
        return;
    }
    auto refused = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& each) {
        return each.sent && !each.asked && !each.job_id.empty() &&
               text.find(each.job_id) != std::string::npos;
    });
    if (refused == pending_.end())
        refused = std::find_if(pending_.begin(), pending_.end(),
                               [](const Pending& each) { return each.sent && !each.asked; });
    if (refused == pending_.end()) return;
    const std::string job_id = refused->job_id;
    pending_.erase(refused);
    if (pending_.empty()) acceptance_.cancel();
    events_.not_taken(job_id, text);
}

void JobClient::on_frame(std::string_view text) {
    if (closing_) return;
    const auto frame = hub::decode_client_frame(text);
    std::visit(
        Overload{[&](const hub::Welcome&) { on_welcome(); },
                 [&](const hub::HubError& error) { on_error(error); },
                 [&](const hub::JobAccepted& accepted) {
                     on_accepted(accepted.job_id, static_cast<int>(accepted.position));
                 },
                 [&](const hub::JobProgress& progress) {
                     if (!is_running(progress.job_id)) return;
                     events_.progress(progress.job_id, progress.progress, progress.status,
                                      progress.message.value_or(""));
                 },
                 [&](const hub::CompleteJob& completed) {
                     if (!is_running(completed.job_id)) return;
                     end_job(completed.job_id,
                             [&] { events_.completed(completed.job_id, std::string(completed.result)); });
                 },
                 [&](const hub::AttemptFailed& failed) {
                     if (!is_running(failed.job_id)) return;
                     events_.attempt_failed(failed.job_id, ++jobs_[failed.job_id].attempts, failed.error);
                     // Only the status tells whether it was the last attempt.
                     ask_for(failed.job_id);
                 },
                 [&](const hub::JobStatus& status) { on_job_status(status); }, [](const hub::Ignored&) {},
                 [](const hub::BadFrame&) {}},
        frame);
}

bool JobClient::is_running(const std::string& job_id) const {
    const auto job = jobs_.find(job_id);
    return job != jobs_.end() && !job->second.ended;
}

void JobClient::on_job_status(const hub::JobStatus& status) {
    const std::string& job_id = status.job_id;
    // Of a submission whose acceptance was lost.
    const auto pending = find_pending(job_id);
    if (!job_id.empty() && pending != pending_.end() && pending->asked) on_accepted(job_id, 0);
    if (closing_ || !is_running(job_id)) return;
    if (status.status == "completed") {
        end_job(job_id, [&] { events_.completed(job_id, std::string(status.result)); });
    } else if (status.status == "failed") {
        end_job(job_id, [&] {
            events_.failed(job_id, "failed for good after " +
                                       std::to_string(std::max(1, jobs_[job_id].attempts)) + " attempts");
        });
    } else if (status.status == "cancelled") {
        end_job(job_id, [&] { events_.failed(job_id, "cancelled: " + status.message.value_or("")); });
    }
}

/// After a lost connection the Hub tells us nothing by itself any more.
void JobClient::poll() {
    if (closing_) return;
    if (welcomed_) {
        for (const auto& [job_id, job] : jobs_) {
            if (!job.ended) ask_for(job_id);
        }
    }
    timer_.expires_after(limits_.poll_interval);
    timer_.async_wait([this](boost::system::error_code ec) {
        if (!ec) poll();
    });
}

void JobClient::on_closed(const std::string& reason) {
    linked_ = welcomed_ = false;
    if (closing_) {
        if (const auto closed = std::exchange(closed_, {})) closed();
        return;
    }
    if (refused_ || !was_welcomed_) {
        return events_.unreachable(
            refused_ ? "the Hub refused our token: check hub.token (WEBSOCKET_AUTH_TOKEN)" : reason,
            refused_);
    }
    if (events_.lost) events_.lost(reason);
    if (closing_) return;  // that was enough for our caller
    timer_.expires_after(limits_.poll_interval);
    timer_.async_wait([this](boost::system::error_code ec) {
        if (ec || closing_) return;
        polling_ = false;
        connect();
    });
}

}  // namespace emprops::cli
