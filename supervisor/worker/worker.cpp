#include "supervisor/worker/worker.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "ipc/overload.h"
#include "ipc/text/people.h"
#include "ipc/web/digest.h"
#include "supervisor/base/alarm.h"
#include "supervisor/base/exit_codes.h"
#include "supervisor/base/lifetime.h"
#include "supervisor/base/log.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/pause_watch.h"
#include "supervisor/base/privacy.h"
#include "supervisor/base/timer.h"
#include "supervisor/control/server.h"
#include "supervisor/hub/hub_link.h"
#include "supervisor/hub/url.h"
#include "supervisor/local_hub/local_hub.h"
#include "supervisor/process/os/process_host.h"
#include "supervisor/redis/redis_link.h"
#include "supervisor/redis/wire/address.h"
#include "supervisor/worker/drain_notice.h"
#include "supervisor/worker/fleet_router.h"
#include "supervisor/worker/operator_desk.h"

namespace emprops {
namespace {

/// How often the paths of lock, sockets and folders are compared with what is behind them.
constexpr Ms path_look_interval{10'000};

/// Empty: nobody knows.
std::string host_name() {
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::string id_base(const config::WorkerSettings& settings) {
    if (!settings.id.empty()) return settings.id;
    const std::string name = host_name();
    return name.empty() ? "worker" : name;
}

/// Where jobs come from, without a password or token.
Result<std::string> printable_address(const config::HubSettings& hub) {
    if (redis::is_redis_url(hub.url)) {
        const auto address = redis::parse_address(hub.url);
        return address.ok() ? Result<std::string>(address->target.printable) : address.error();
    }
    const auto target = hub::worker_target(hub, "worker");
    return target.ok() ? Result<std::string>(target->printable) : target.error();
}

/// The same over restarts, and another one for every other state folder.
std::string worker_identity(const config::WorkerSettings& worker) {
    std::error_code ignored;
    const auto folder = std::filesystem::weakly_canonical(worker.state_dir, ignored);
    std::ifstream id("/etc/machine-id");
    std::string machine;
    std::getline(id, machine);
    return sha256_hex(machine + "\n" + host_name() + "\n" + folder.string()).substr(0, 32);
}

/// What the Hub's monitors show of a worker beside its connectors: the words of the Python worker.
ipc::Json machine(const std::string& version) {
    const auto gib = static_cast<unsigned long long>(::sysconf(_SC_PHYS_PAGES)) *
                         static_cast<unsigned long long>(::sysconf(_SC_PAGESIZE)) >>
                     30;
    return {{"version", version}, {"cpu", true}, {"memory", fmt::format("{}GB", gib)}};
}

}  // namespace

int exit_code_for(const Error& error) {
    if (error.code == "locked" || error.code == "state_dir") return exit_temporary;
    if (error.code == "address_in_use" || error.code == "listen_failed") return exit_unavailable;
    if (error.code == "database_failed") return exit_temporary;
    return exit_config;
}

class Worker::Impl {
  public:
    Impl(boost::asio::io_context& loop, WorkerOptions options, std::function<void(int)> on_end)
        : loop_(loop.get_executor()),
          options_(std::move(options)),
          on_end_(std::move(on_end)),
          roster_(machine(options_.version)),
          leaving_(jobs::drain_mode(settings().worker.drain_mode)),
          leaving_wake_(loop.get_executor(), [this] { after_turn(); }),
          look_at_(loop) {}

    Result<> start();
    void on_stop_signal(const std::string& name);
    void on_reload_signal();
    int ready_instances() const { return roster_.ready_instances(); }
    std::string hub_address() const { return link_ ? link_->address() : std::string(); }

  private:
    const config::Settings& settings() const { return options_.loaded.settings; }
    Result<> start_local_hub(config::HubSettings& hub);
    Result<> open_ledger(const std::string& hub);
    void start_fleet(const std::string& hub);
    Result<> make_link(const config::HubSettings& hub);
    Result<> serve_control();
    void look_at_paths();
    void after_turn();
    void carry_out();
    void perform(const Leaving::Action& action);
    void stop();
    void end(int exit_code);

    boost::asio::any_io_executor loop_;
    WorkerOptions options_;
    std::function<void(int)> on_end_;
    Roster roster_;
    Leaving leaving_;
    Alarm leaving_wake_;
    LogTails tails_;
    std::unique_ptr<jobs::Ledger> ledger_;
    std::unique_ptr<local_hub::LocalHub> local_hub_;
    std::unique_ptr<JobFlow> flow_;
    std::optional<FleetRouter> router_;
    std::unique_ptr<process::ProcessHost> host_;
    std::unique_ptr<process::Fleet> fleet_;
    std::unique_ptr<jobs::JobLink> link_;
    std::optional<OperatorDesk> desk_;
    std::unique_ptr<control::Server> control_;
    std::optional<DrainNotice> notice_;
    std::optional<PauseWatch> pauses_;
    Timer look_at_;
    Lifetime lifetime_;
};

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

// ---- start

Result<> Worker::Impl::start() {
    // Of the Hub in use: not in the settings, which a reload compares with the file.
    config::HubSettings hub = settings().hub;
    if (hub.embedded) {
        if (auto started = start_local_hub(hub); !started) return started;
    }
    const auto address = printable_address(hub);
    if (!address) return Error{"hub_url", address.error().message};
    if (auto opened = open_ledger(*address); !opened) return opened;
    start_fleet(*address);
    if (auto made = make_link(hub); !made) return made;
    flow_->connect(*fleet_, *link_);
    if (auto serving = serve_control(); !serving) return serving;
    flow_->start(settings(), ledger_->take_loaded());
    link_->start();
    pauses_.emplace(loop_, [this](Ms paused) {
        logger("worker")->warn("{}", pause_text(paused));
        link_->ran_again();
    });
    look_at_paths();
    notice_.emplace(loop_, settings().worker, [this](const std::string& notice) {
        if (leaving_.phase() != Leaving::Phase::running) return;
        logger("worker")->warn("the drain notice {} is there: leaving", notice);
        leaving_.notice();
        carry_out();
    });
    logger("worker")->info("worker {} started (pid {}), Hub {}, state in {}", id_base(settings().worker),
                           ::getpid(), link_->address(), settings().worker.state_dir.string());
    return Ok{};
}

Result<> Worker::Impl::start_local_hub(config::HubSettings& hub) {
    make_private_folder(settings().local_hub.database.parent_path());  // usually the state folder
    auto started = local_hub::LocalHub::start(loop_, settings().local_hub);
    if (!started) return started.error();
    local_hub_ = std::move(started).value();
    local_hub::lead_to_local_hub(hub, settings().local_hub, local_hub_->port());
    return Ok{};
}

/// `hub`: which Hub the records belong to, without the token that a verbatim URL may hold.
Result<> Worker::Impl::open_ledger(const std::string& hub) {
    jobs::LedgerOptions options;
    options.state_dir = settings().worker.state_dir;
    options.hub_url = hub;
    options.durability =
        settings().worker.durability == "process" ? jobs::Durability::process : jobs::Durability::disk;
    auto opened = jobs::Ledger::open(std::move(options), loop_);
    if (!opened) return opened.error();
    ledger_ = std::move(opened).value();
    flow_ = std::make_unique<JobFlow>(loop_, settings().worker, roster_, *ledger_, [this] { after_turn(); });
    return Ok{};
}

void Worker::Impl::start_fleet(const std::string& hub) {
    host_ = process::make_process_host(loop_);
    process::FleetOptions options;
    options.worker_id = id_base(settings().worker);
    options.hub = hub;
    options.state_dir = settings().worker.state_dir;
    options.bin_dir = options_.bin_dir;
    options.connector_dirs = settings().connector_dirs;
    options.drain_timeout = settings().worker.drain_timeout;
    router_.emplace(*flow_, flow_->courier());
    fleet_ = std::make_unique<process::Fleet>(loop_, *host_, *router_, std::move(options));
    fleet_->subscribe("", process::Fleet::Lines::for_people, [this](const process::TraceLine& line) {
        if (roster_.known(line.id.connector)) tails_.keep(line);
    });
}

Result<> Worker::Impl::make_link(const config::HubSettings& hub) {
    jobs::LinkCallbacks callbacks;
    callbacks.on_event = [this](jobs::LinkEvent event) { flow_->on_link_event(std::move(event)); };
    callbacks.room = [this] { return flow_->room(); };
    if (options_.link) {
        link_ = options_.link(ledger_->first_number(), std::move(callbacks));
        return Ok{};
    }
    if (redis::is_redis_url(hub.url)) {
        redis::RedisLinkSettings options;
        options.hub = hub;
        options.id_base = id_base(settings().worker);
        options.version = options_.version;
        options.identity = worker_identity(settings().worker);
        options.first_number = ledger_->first_number();
        auto created = redis::make_redis_link(loop_, std::move(options), std::move(callbacks));
        if (!created) return Error{"hub_url", created.error().message};
        link_ = std::move(created).value();
        return Ok{};
    }
    hub::HubLinkSettings options;
    options.hub = hub;
    options.id_base = id_base(settings().worker);
    options.exact_id = settings().worker.exact_id;
    options.heartbeat_interval = settings().worker.heartbeat_interval;
    options.first_number = ledger_->first_number();
    auto created = hub::make_hub_link(loop_, std::move(options), std::move(callbacks));
    if (!created) return Error{"hub_url", created.error().message};
    link_ = std::move(created).value();
    return Ok{};
}

Result<> Worker::Impl::serve_control() {
    desk_.emplace(OperatedParts{options_.loaded.settings, options_.request, leaving_, roster_, tails_,
                                *ledger_, *flow_, *fleet_, *link_});
    if (!settings().control.enabled) return Ok{};
    auto listening = control::Server::listen(loop_, settings().control.socket, *desk_);
    if (!listening) return listening.error();
    control_ = std::move(listening).value();
    return Ok{};
}

void Worker::Impl::look_at_paths() {
    look_at_.expires_at(next_beat(Clock::now(), path_look_interval));
    look_at_.async_wait(lifetime_.guard([this](boost::system::error_code error) {
        if (error) return;
        // The lock first: it makes the state folder again, if that is gone with everything in it.
        for (const std::string& text : ledger_->look())
            logger("worker")->error("{}", text);
        fleet_->look();
        flow_->look();
        if (control_) {
            if (const std::string text = control_->look(); !text.empty()) logger("control")->warn("{}", text);
        }
        look_at_paths();
    }));
}

// ---- signals

void Worker::Impl::on_reload_signal() {
    const auto done = desk_->reload();
    if (done) {
        logger("config")->info("{}", done.value());
    } else {
        logger("config")->error("reload refused, nothing changed:\n{}", done.error().message);
    }
}

void Worker::Impl::on_stop_signal(const std::string& name) {
    leaving_.signal();
    const auto log = logger("worker");
    if (leaving_.signals() == 1) {
        const auto running = flow_->jobs().running().size();
        log->info(
            "{}: leaving; no new jobs, {} running {} may finish within {} (mode {}). A second signal gives "
            "them back",
            name, running, running == 1 ? "job" : "jobs", human_duration(settings().worker.drain_timeout),
            settings().worker.drain_mode);
    } else if (leaving_.signals() == 2) {
        log->warn(
            "{} again: running jobs are cancelled and given back to the Hub. A third signal kills everything",
            name);
    } else {
        log->warn("{} a third time: killing all connectors", name);
    }
    carry_out();
}

// ---- leaving

void Worker::Impl::after_turn() {
    if (flow_->refused()) leaving_.refused();
    // A delivery that is left to the next start keeps its job at the Hub; it is no outcome that waits.
    const bool left_behind = flow_->jobs().leaves_deliveries() && link_->metrics().outbox_depth == 0;
    leaving_.look(Clock::now(), flow_->quiet(), link_->nothing_left() || left_behind);
    carry_out();
}

void Worker::Impl::carry_out() {
    for (const auto& action : leaving_.take_actions())
        perform(action);
    leaving_wake_.set(leaving_.next_wakeup());
}

void Worker::Impl::perform(const Leaving::Action& action) {
    std::visit(Overload{
                   [&](const Leaving::Drain& a) {
                       const TimePoint now = Clock::now();
                       flow_->change().drain(now, a.mode, now + settings().worker.drain_timeout);
                   },
                   [&](const Leaving::Kill&) { fleet_->kill_all(); },
                   [&](const Leaving::Stop&) { stop(); },
                   [&](const Leaving::End& a) { end(a.exit_code); },
               },
               action);
}

void Worker::Impl::stop() {
    leaving_wake_.set({});
    notice_.reset();
    if (const auto waiting = link_->metrics().outbox_depth; waiting > 0) {
        logger("worker")->warn(
            "the Hub has not taken {} outcomes; they are kept in {} and delivered at the next start", waiting,
            (settings().worker.state_dir / "ledger").string());
    }
    fleet_->shutdown(lifetime_.guard([this] {
        link_->stop(lifetime_.guard([this] {
            leaving_.stopped();
            carry_out();
        }));
    }));
}

void Worker::Impl::end(int exit_code) {
    later(loop_, lifetime_.guard([this, exit_code] {
        control_.reset();
        pauses_.reset();
        look_at_.cancel();
        if (local_hub_) local_hub_->stop();
        logger("worker")->info("worker ended");
        on_end_(exit_code);
    }));
}

}  // namespace emprops
