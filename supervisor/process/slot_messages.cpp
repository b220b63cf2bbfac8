// Slot: what its processes say, and how much of it is passed on.

#include "supervisor/base/log.h"
#include "supervisor/process/job_types.h"
#include "supervisor/process/slot.h"

namespace emprops::process {

namespace {

/// `status` and `capabilities` are passed on at most this often.
constexpr Ms change_interval{100};

}  // namespace

void Slot::on_message(ConnectorProcess& process, ipc::FromConnector message) {
    const std::uint64_t generation = process.id().generation;
    if (auto* ready = std::get_if<ipc::Ready>(&message)) {
        on_ready(process, std::move(*ready));
    } else if (const auto* failed = std::get_if<ipc::InitFailed>(&message)) {
        carry_out(lifecycle_.init_failed(generation, failed->error.retryable,
                                         failed->error.code + ": " + cut(failed->error.message),
                                         Clock::now()));
    } else if (const auto* pong = std::get_if<ipc::Pong>(&message)) {
        lifecycle_.pong(generation, pong->id);
    } else if (const auto* status = std::get_if<ipc::Status>(&message)) {
        on_status(process, *status);
    } else if (const auto* change = std::get_if<ipc::Capabilities>(&message)) {
        on_capabilities(process, *change);
    } else if (const auto* line = std::get_if<ipc::LogLine>(&message)) {
        const LogContext context(process.log_fields());
        std::string text = line->message;
        if (line->fields.is_object() && !line->fields.empty())
            text += " " + line->fields.dump(-1, ' ', false, ipc::Json::error_handler_t::replace);
        const auto level = line->level == "warn" ? spdlog::level::warn : spdlog::level::from_str(line->level);
        logger("connector." + settings_.name)
            ->log(level == spdlog::level::off ? spdlog::level::info : level, "{}", cut(text));
    } else if (const auto* unknown = std::get_if<ipc::Unknown>(&message)) {
        const LogContext context(process.log_fields());
        logger("connector." + settings_.name)
            ->debug("message of unknown type \"{}\" ignored", cut(unknown->type));
    } else {
        if (const auto* restart = std::get_if<ipc::RestartService>(&message))
            on_restart_service(process, restart->reason);
        // A job's end may follow from a status ("my service is gone"): it is not told before it.
        const bool ends =
            std::holds_alternative<ipc::JobResult>(message) || std::holds_alternative<ipc::Failed>(message);
        if (Entry* entry = find(generation); entry != nullptr && ends) tell_changes(*entry, Clock::now());
        if (auto* error = std::get_if<ipc::Failed>(&message)) add_service_evidence(*error);
        if (std::holds_alternative<ipc::JobResult>(message)) {
            lifecycle_.job_done(generation);
            if (service_) service_->job_done();
        }
        // std::function wants a copyable callable, and a result can be large: it travels behind a pointer.
        auto shared = std::make_shared<ipc::FromConnector>(std::move(message));
        context_.tell([id = process.id(), shared](FleetListener& listener) {
            listener.on_message(id, std::move(*shared));
        });
    }
}

void Slot::on_ready(ConnectorProcess& process, ipc::Ready ready) {
    const std::uint64_t generation = process.id().generation;
    const ProcessRun* run = lifecycle_.find(generation);
    if (run != nullptr && run->phase() == ProcessRun::Phase::starting) {
        if (const auto problem =
                settings_.job_types.empty() ? tidy_job_types(ready.job_types) : std::nullopt) {
            carry_out(lifecycle_.refused(generation, *problem, Clock::now()));
            return;
        }
        InstanceInfo& info = process.info;
        info.pid = process.pid();
        if (const Entry* entry = find(generation)) info.attached = entry->attached;
        info.job_types = settings_.job_types.empty() ? std::move(ready.job_types) : settings_.job_types;
        info.concurrency =
            std::max(1, settings_.concurrency ? static_cast<int>(*settings_.concurrency) : ready.concurrency);
        info.features = ready.features;
        info.name = std::move(ready.name);
        info.version = std::move(ready.version);
        info.capabilities = std::move(ready.capabilities);
        if (info.features.status && !info.status) {
            info.available = false;
            info.unavailable_reason = "it has not reported the state of its service yet";
        }
        const LogContext context(process.log_fields());
        if (info.job_types.empty())
            logger("process")->warn(
                "{}: neither `ready` nor the configuration (job_types) names a job type: it will get no jobs",
                name_);
        else if (ready.protocol == ipc::protocol_version)
            logger("process")->info(
                "{}: ready{}", name_,
                info.name.empty() && info.version.empty()
                    ? ""
                    : " (" + cut(info.name + (info.version.empty() ? "" : " ") + info.version) + ")");
    }
    carry_out(lifecycle_.ready(generation, ready.protocol, ready.features, Clock::now()));
}

void Slot::on_status(ConnectorProcess& process, const ipc::Status& status) {
    InstanceInfo& info = process.info;
    info.status = status;
    info.available = status.available;
    info.unavailable_reason = status.available        ? ""
                              : status.reason.empty() ? "its service is not available"
                                                      : status.reason;
    note_change(process, true);
}

void Slot::on_capabilities(ConnectorProcess& process, const ipc::Capabilities& change) {
    InstanceInfo& info = process.info;
    ++info.offers;
    if (change.capabilities) info.capabilities = *change.capabilities;
    if (change.job_types && settings_.job_types.empty()) {
        std::vector<std::string> types = *change.job_types;
        if (const auto problem = tidy_job_types(types)) {
            const LogContext context(process.log_fields());
            logger("process")->error("{}: the job types of its `capabilities` are not taken: {}", name_,
                                     *problem);
        } else {
            info.job_types = std::move(types);
        }
    }
    if (change.concurrency && !settings_.concurrency) info.concurrency = std::max(1, *change.concurrency);
    note_change(process, false);
}

/// Told at once if the last change is long enough ago, else with what else changes until then.
void Slot::note_change(ConnectorProcess& process, bool status) {
    Entry* entry = find(process.id().generation);
    if (entry == nullptr) return;
    const bool waited = entry->offer_changed;
    entry->offer_changed = true;
    entry->status_changed = entry->status_changed || status;
    const TimePoint now = Clock::now();
    if (now >= entry->tell_after)
        tell_changes(*entry, now);
    else if (!waited)
        context_.slot_changed();
}

void Slot::tell_changes(Entry& entry, TimePoint now) {
    if (!entry.offer_changed) return;
    const bool status = entry.status_changed;
    entry.offer_changed = entry.status_changed = false;
    entry.tell_after = now + change_interval;
    const ConnectorProcess& process = *entry.process;
    if (status) log_availability(entry);
    if (!entry.announced) return;
    if (status) tell_status(process);
    tell_changed(process);
}

void Slot::tell_changed(const ConnectorProcess& process) {
    if (const Entry* entry = find(process.id().generation); entry == nullptr || !entry->announced) return;
    context_.tell([id = process.id(), info = offered(process)](FleetListener& listener) {
        listener.on_changed(id, info);
    });
}

void Slot::log_availability(Entry& entry) {
    const ipc::Status& status = *entry.process->info.status;
    if (entry.said_available == status.available) return;
    entry.said_available = status.available;
    const LogContext context(entry.process->log_fields());
    logger("process")->log(status.available ? spdlog::level::info : spdlog::level::warn,
                           "{}: its service {} is {}{}", name_, cut(status.service),
                           status.available ? "available" : "not available",
                           status.reason.empty() ? "" : ": " + cut(status.reason));
}

void Slot::on_broken_line(ConnectorProcess& process, const std::optional<std::string>& job_id,
                          const std::string& code, const std::string& message) {
    if (lifecycle_.state() == State::starting) start_problem_ = cut(message);
    context_.tell([id = process.id(), job_id, code, message](FleetListener& listener) {
        listener.on_protocol_error(id, job_id, code, message);
    });
}

void Slot::on_pipe_closed(ConnectorProcess& process, const std::string& what) {
    const std::uint64_t generation = process.id().generation;
    const Entry* entry = find(generation);
    if (entry != nullptr && entry->attached) {
        end_attached(generation);
        return;
    }
    // Now its descendants are still known to be its own; after the exit they are adopted by us.
    if (process.pid() > 0) context_.host.remember_tree(process.pid());
    lifecycle_.expect_exit(generation, "it " + what, Clock::now());
    changed();
}

void Slot::on_stalled(ConnectorProcess& process) {
    carry_out(lifecycle_.stdin_stalled(process.id().generation, Clock::now()));
}

void Slot::on_trace(ConnectorProcess& process, TraceLine::Kind kind, const std::string& text) {
    context_.trace({process.id(), process.pid(), std::chrono::system_clock::now(), kind, text});
}

}  // namespace emprops::process
