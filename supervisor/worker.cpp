#include "supervisor/worker.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "ipc/text/people.h"
#include "supervisor/base/exit_codes.h"
#include "supervisor/base/log.h"
#include "supervisor/base/privacy.h"
#include "supervisor/hub/url.h"
#include "supervisor/worker_impl.h"

namespace emprops {
namespace {

/// While leaving: how long outcomes may wait for the Hub's ack. What is not delivered by then stays in the
/// ledger.
constexpr Ms flush_limit{10'000};
/// A drain notice URL that does not answer within this counts as no notice.
constexpr Ms notice_timeout{4'000};

std::string id_base(const config::WorkerSettings& settings) {
    if (!settings.id.empty()) return settings.id;
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "worker";
    return name;
}

}  // namespace

int exit_code_for(const Error& error) {
    if (error.code == "locked" || error.code == "state_dir") return exit_temporary;
    if (error.code == "address_in_use" || error.code == "listen_failed") return exit_unavailable;
    if (error.code == "database_failed") return exit_temporary;
    return exit_config;
}

Worker::Worker(boost::asio::io_context& loop, WorkerOptions options, std::function<void(int)> on_end)
    : impl_(std::make_unique<Impl>(loop, std::move(options), std::move(on_end))) {}
Worker::~Worker() = default;
Result<> Worker::start() {
    return impl_->start();
}
void Worker::on_stop_signal(const std::string& name) {
    impl_->on_stop_signal(name);
}
void Worker::on_reload_signal() {
    impl_->on_reload_signal();
}
int Worker::ready_instances() const {
    return impl_->ready_instances();
}
std::string Worker::hub_address() const {
    return impl_->hub_address();
}

Worker::Impl::Impl(boost::asio::io_context& loop, WorkerOptions options, std::function<void(int)> on_end)
    : loop_(loop),
      options_(std::move(options)),
      on_end_(std::move(on_end)),
      wake_(loop),
      flush_(loop),
      notice_(loop),
      started_at_(Clock::now()) {}

Worker::Impl::~Impl() = default;

// ---- start ---------------------------------------------------------------------------------------------

Result<> Worker::Impl::start() {
    hub_ = settings().hub;
    if (hub_.embedded) {
        if (auto started = start_local_hub(); !started) return started;
    }
    jobs::LedgerOptions ledger;
    ledger.state_dir = settings().worker.state_dir;
    // Which Hub the records belong to, without the token that a verbatim URL may hold.
    const auto hub_target = hub::worker_target(hub_, "worker");
    if (!hub_target) return Error{"hub_url", hub_target.error().message};
    ledger.hub_url = hub_target->printable;
    ledger.durability =
        settings().worker.durability == "process" ? jobs::Durability::process : jobs::Durability::disk;
    auto opened = jobs::Ledger::open(std::move(ledger), loop_.get_executor());
    if (!opened) return opened.error();
    ledger_ = std::move(opened).value();
    ledger_->on_health([this](bool healthy, const std::string& reason) {
        dispatcher_.set_healthy(Clock::now(), healthy, reason);
        schedule_pump();
    });

    host_ = process::make_process_host(loop_.get_executor());
    process::FleetOptions fleet;
    fleet.worker_id = id_base(settings().worker);
    fleet.hub = hub_target->printable;
    fleet.state_dir = settings().worker.state_dir;
    fleet.bin_dir = options_.bin_dir;
    fleet.connector_dirs = settings().connector_dirs;
    fleet.drain_timeout = settings().worker.drain_timeout;
    fleet_ = std::make_unique<process::Fleet>(loop_.get_executor(), *host_, *this, std::move(fleet));
    fleet_->subscribe("", process::Fleet::Lines::for_people,
                      [this](const process::TraceLine& line) { keep_log_line(line); });

    if (auto linked = start_link(ledger_->take_loaded()); !linked) return linked;
    if (options_.control && settings().control.enabled) {
        auto listening = control::Server::listen(loop_.get_executor(), settings().control.socket, *this);
        if (!listening) return listening.error();
        control_ = std::move(listening).value();
    }
    configure_connectors();
    link_->start();
    watch_drain_notice();
    logger("worker")->info("worker {} started (pid {}), Hub {}, state in {}", id_base(settings().worker),
                           ::getpid(), link_->address(), settings().worker.state_dir.string());
    return Ok{};
}

Result<> Worker::Impl::start_local_hub() {
    make_private_folder(settings().local_hub.database.parent_path());  // usually the state folder
    auto started = local_hub::LocalHub::start(loop_.get_executor(), settings().local_hub);
    if (!started) return started.error();
    local_hub_ = std::move(started).value();
    // Not in the settings: a reload compares those with the file.
    const auto& listen = settings().local_hub.listen;
    hub_.url.clear();
    hub_.host = listen == "0.0.0.0" ? "127.0.0.1" : (listen == "::" ? "::1" : listen);
    hub_.port = local_hub_->port();
    hub_.tls = false;
    hub_.token = settings().local_hub.token;
    return Ok{};
}

Result<> Worker::Impl::start_link(jobs::Loaded left) {
    hub::HubLinkSettings link;
    link.hub = hub_;
    link.id_base = id_base(settings().worker);
    link.exact_id = settings().worker.exact_id;
    link.heartbeat_interval = settings().worker.heartbeat_interval;
    link.first_number = ledger_->first_number();
    hub::HubLink::Callbacks callbacks;
    callbacks.on_action = [this](hub::Action action) { on_hub_action(std::move(action)); };
    auto created = hub::HubLink::create(loop_.get_executor(), link, *this, std::move(callbacks));
    if (!created) return Error{"hub_url", created.error().message};
    link_ = std::move(created).value();

    for (const auto& warning : left.warnings)
        logger("jobs")->warn("{}", warning);
    if (!left.finished.empty() || !left.unfinished.empty()) {
        logger("jobs")->info(
            "the ledger holds {} finished and {} unfinished jobs of an earlier run; the Hub is asked for "
            "each",
            left.finished.size(), left.unfinished.size());
    }
    for (auto& record : left.finished) {
        hub::LedgerEntry entry;
        entry.assignment.job_id = record.outcome.job_id;
        entry.assignment.number = record.outcome.number;
        entry.assignment.job_type = record.job_type;
        entry.claimed_as = record.note.claimed_as;
        entry.outcome = std::move(record.outcome);
        link_->adopt(std::move(entry));
    }
    for (auto& record : left.unfinished) {
        hub::LedgerEntry entry;
        entry.assignment = record.assignment;
        entry.claimed_as = record.note.claimed_as;
        entry.resumable = record.note.with_payload;
        link_->adopt(std::move(entry));
        left_running_.emplace(record.assignment.number, std::move(record));
    }
    return Ok{};
}

/// Also after a reload.
void Worker::Impl::configure_connectors() {
    std::vector<std::string> order;
    policies_.clear();
    for (const auto& connector : settings().connectors) {
        order.push_back(connector.name);
        policies_[connector.name] = connector.supervision;
    }
    dispatcher_.set_connector_order(Clock::now(), std::move(order));
    fleet_->configure(settings().connectors);
    schedule_pump();
}

// ---- leaving -------------------------------------------------------------------------------------------

void Worker::Impl::on_stop_signal(const std::string& name) {
    ++stop_signals_;
    const auto log = logger("worker");
    if (stop_signals_ == 1) {
        const auto running = dispatcher_.running().size();
        log->info(
            "{}: leaving; no new jobs, {} running {} may finish within {} (mode {}). A second signal gives "
            "them back",
            name, running, running == 1 ? "job" : "jobs", human_duration(settings().worker.drain_timeout),
            settings().worker.drain_mode);
        begin_leaving(jobs::drain_mode(settings().worker.drain_mode));
    } else if (stop_signals_ == 2) {
        log->warn(
            "{} again: running jobs are cancelled and given back to the Hub. A third signal kills everything",
            name);
        begin_leaving(jobs::DrainMode::now);
    } else {
        log->warn("{} a third time: killing all connectors", name);
        fleet_->kill_all();
        end(exit_ok);
    }
}

void Worker::Impl::begin_leaving(jobs::DrainMode mode) {
    if (phase_ == Phase::running) phase_ = Phase::leaving;
    const TimePoint now = Clock::now();
    dispatcher_.drain(now, mode, now + settings().worker.drain_timeout);
    schedule_pump();
}

/// Leaves when no job is left here and every outcome has reached the Hub, or the Hub does not take them in
/// time.
void Worker::Impl::check_leaving() {
    if (phase_ != Phase::leaving || !dispatcher_.quiet() || outcomes_being_written_ > 0) return;
    if (link_->nothing_left() || flush_over_) return begin_stopping();
    if (flush_.expiry() > Clock::now()) return;
    flush_.expires_after(flush_limit);
    flush_.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code ec) {
        if (ec || alive.expired()) return;
        flush_over_ = true;
        check_leaving();
    });
}

void Worker::Impl::begin_stopping() {
    if (phase_ == Phase::stopping || phase_ == Phase::ended) return;
    phase_ = Phase::stopping;
    flush_.cancel();
    notice_.cancel();
    if (const auto waiting = link_->metrics().outbox_depth; waiting > 0) {
        logger("worker")->warn(
            "the Hub has not taken {} outcomes; they are kept in {} and delivered at the next start", waiting,
            (settings().worker.state_dir / "ledger").string());
    }
    fleet_->shutdown([this, alive = std::weak_ptr(alive_)] {
        if (alive.expired()) return;
        link_->stop([this, alive] {
            if (!alive.expired()) end(exit_code_);
        });
    });
}

void Worker::Impl::end(int exit_code) {
    if (phase_ == Phase::ended) return;
    phase_ = Phase::ended;
    wake_.cancel();
    later([this, exit_code] {
        control_.reset();
        if (local_hub_) local_hub_->stop();
        logger("worker")->info("worker ended");
        on_end_(exit_code);
    });
}

void Worker::Impl::watch_drain_notice() {
    const auto& worker = settings().worker;
    if (worker.drain_notice_file.empty() && worker.drain_notice_url.empty()) return;
    notice_.expires_after(worker.drain_notice_interval);
    notice_.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code ec) {
        if (ec || alive.expired() || phase_ != Phase::running) return;
        look_for_drain_notice();
    });
}

/// Cloud machines that will be taken away say so by a file or by a URL that begins to answer 200.
void Worker::Impl::look_for_drain_notice() {
    const auto& file = settings().worker.drain_notice_file;
    const auto& url = settings().worker.drain_notice_url;
    const auto leave = [this](const std::string& notice) {
        logger("worker")->warn("the drain notice {} is there: leaving", notice);
        begin_leaving(jobs::DrainMode::deadline);
    };
    std::error_code unused;
    if (!file.empty() && std::filesystem::exists(file, unused)) return leave(file.string());
    if (url.empty()) return watch_drain_notice();
    if (!probe_) probe_ = std::make_unique<HttpProbe>(loop_.get_executor());
    probe_->get(url, notice_timeout, [this, leave, url](Result<HttpAnswer> answer) {
        if (phase_ != Phase::running) return;
        if (answer && answer->status == 200) return leave(url);
        watch_drain_notice();
    });
}

}  // namespace emprops
