#include "supervisor/cli/job_client.h"

#include <fmt/format.h>

#include "ipc/envelope.h"
#include "supervisor/base/digest.h"
#include "supervisor/hub/url.h"

namespace emprops::cli {
namespace {

using ipc::Json;

constexpr auto poll_interval = std::chrono::seconds(2);

std::string text_of(const Json& message, const char* key) {
    const auto found = message.find(key);
    return found != message.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int int_of(const Json& message, const char* key, int fallback) {
    const auto found = message.find(key);
    return found != message.end() && found->is_number() ? static_cast<int>(found->get<double>()) : fallback;
}

}  // namespace

JobClient::JobClient(boost::asio::io_context& loop, const config::HubSettings& settings, Events events)
    : settings_(settings),
      events_(std::move(events)),
      client_id_("submit-" + random_hex(8)),
      link_(hub::make_ws_link(loop.get_executor(), settings_)),
      timer_(loop) {}

JobClient::~JobClient() {
    link_->drop();
}

void JobClient::connect() {
    auto target = hub::watch_target(settings_, client_id_);
    if (!target) return events_.unreachable(target.error().message, false);
    auto proxy = hub::choose_proxy(settings_, hub::read_proxy_environment(), target.value());
    if (!proxy) return events_.unreachable(proxy.error().message, false);
    hub::Link::Handlers handlers;
    handlers.on_connected = [] {};
    handlers.on_frame = [this](std::string_view text) { on_frame(text); };
    handlers.on_closed = [this](const std::string& reason) { on_closed(reason); };
    link_->connect(std::move(target).value(), proxy.value(), std::move(handlers));
}

void JobClient::submit(JobRequest request) {
    if (!welcomed_) {
        waiting_.push_back(std::move(request));
        return;
    }
    Json message{{"type", "submit_job"}, {"job_type", request.job_type}, {"priority", request.priority}};
    if (!request.job_id.empty()) message["message_id"] = request.job_id;
    std::string text = message.dump(-1, ' ', false, Json::error_handler_t::replace);
    text.pop_back();  // the payload goes in as it is, last
    link_->send(text + ",\"payload\":" + request.payload.text + "}");
}

void JobClient::close() {
    closing_ = true;
    timer_.cancel();
    link_->close("done");
}

void JobClient::send(const Json& message) {
    link_->send(message.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void JobClient::ask_for(const std::string& job_id) {
    send({{"type", "request_job_status"}, {"job_id", job_id}});
}

void JobClient::end_job(const std::string& job_id, const std::function<void()>& tell) {
    Job& job = jobs_[job_id];
    if (job.ended) return;
    job.ended = true;
    tell();
}

void JobClient::on_frame(std::string_view text) {
    const auto scanned = ipc::scan_envelope(text, {"result"});
    if (!scanned.envelope) return;  // nothing a client could do about it
    const Json& message = scanned.envelope->fields;
    const std::string type = text_of(message, "type");
    const std::string job_id = text_of(message, "job_id");
    if (type == "connection_established") {
        welcomed_ = true;
        const bool again = was_welcomed_;
        was_welcomed_ = true;
        std::vector<JobRequest> waiting = std::move(waiting_);
        waiting_.clear();
        for (auto& request : waiting)
            submit(std::move(request));
        if (again && !polling_) {
            polling_ = true;
            poll();
        }
    } else if (type == "error") {
        last_error_ = text_of(message, "error");
    } else if (type == "job_accepted") {
        jobs_[job_id] = {};
        events_.accepted(job_id, int_of(message, "position", 0));
    } else if (jobs_.find(job_id) == jobs_.end() || jobs_[job_id].ended) {
        return;  // not ours
    } else if (type == "update_job_progress") {
        events_.progress(job_id, int_of(message, "progress", -1), text_of(message, "status"),
                         text_of(message, "message"));
    } else if (type == "complete_job") {
        const auto result = scanned.envelope->find("result");
        end_job(job_id, [&] { events_.completed(job_id, std::string(result.value_or("{}"))); });
    } else if (type == "fail_job") {
        events_.attempt_failed(job_id, ++jobs_[job_id].attempts, text_of(message, "error"));
        ask_for(
            job_id);  // fail_job is sent for each attempt; only the status tells whether it was the last one
    } else if (type == "response_job_status") {
        on_job_status(message, scanned.envelope->find("result").value_or("{}"));
    }
}

void JobClient::on_job_status(const Json& message, std::string_view result) {
    const std::string job_id = text_of(message, "job_id");
    const std::string status = text_of(message, "status");
    if (status == "completed") {
        end_job(job_id, [&] { events_.completed(job_id, std::string(result)); });
    } else if (status == "failed") {
        end_job(job_id, [&] {
            events_.failed(job_id, "failed for good after " +
                                       std::to_string(std::max(1, jobs_[job_id].attempts)) + " attempts");
        });
    } else if (status == "cancelled") {
        end_job(job_id, [&] { events_.failed(job_id, "cancelled: " + text_of(message, "message")); });
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
    timer_.expires_after(poll_interval);
    timer_.async_wait([this](boost::system::error_code ec) {
        if (!ec) poll();
    });
}

void JobClient::on_closed(const std::string& reason) {
    welcomed_ = false;
    if (closing_) return;
    const bool refused = last_error_.starts_with("Authentication failed");
    if (refused || !was_welcomed_) {
        return events_.unreachable(
            refused ? "the Hub refused our token: check hub.token (WEBSOCKET_AUTH_TOKEN)" : reason, refused);
    }
    timer_.expires_after(poll_interval);
    timer_.async_wait([this](boost::system::error_code ec) {
        if (ec || closing_) return;
        polling_ = false;
        connect();
    });
}

}  // namespace emprops::cli
