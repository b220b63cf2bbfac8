#include "supervisor/hub/hub_link.h"

#include <chrono>
#include <random>
#include <type_traits>
#include <utility>

#include "ipc/web/digest.h"
#include "supervisor/base/alarm.h"
#include "supervisor/base/lifetime.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/timer.h"
#include "supervisor/base/turn.h"
#include "supervisor/hub/link.h"
#include "supervisor/hub/session.h"

namespace emprops::hub {
namespace {

namespace asio = boost::asio;

Sources system_sources(const Link& worker, const Link& bulk) {
    Sources sources;
    sources.wall_seconds = [] {
        return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    };
    sources.random_unit = [engine = std::mt19937_64(std::random_device{}())]() mutable {
        return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
    };
    sources.random_id = [] { return random_hex(8); };
    sources.queued_bytes = [&worker] { return worker.queued_bytes(); };
    sources.bulk_queued_bytes = [&bulk] { return bulk.queued_bytes(); };
    return sources;
}

SessionSettings session_settings(const HubLinkSettings& settings) {
    SessionSettings session;
    session.id_base = settings.id_base;
    session.exact_id = settings.exact_id;
    if (const auto fixed = fixed_worker_id(settings.hub)) {
        session.id_base = *fixed;  // the Hub knows us by the id in the URL
        session.exact_id = true;
    }
    session.watch_possible = watch_target(settings.hub, "x").ok();
    session.bulk_possible = bulk_target(settings.hub, "x").ok();
    session.bulk = settings.bulk;
    session.hub = settings.hub;
    session.heartbeat_interval = settings.heartbeat_interval;
    session.first_number = settings.first_number;
    return session;
}

class HubLink final : public jobs::JobLink {
  public:
    HubLink(asio::any_io_executor executor, HubLinkSettings settings, jobs::LinkCallbacks callbacks,
            std::optional<Proxy> proxy, std::string address)
        : settings_(std::move(settings)),
          callbacks_(std::move(callbacks)),
          proxy_(std::move(proxy)),
          address_(std::move(address)),
          worker_(settings_.make_connection()),
          watch_(settings_.make_connection()),
          bulk_(settings_.make_connection()),
          session_(session_settings(settings_), system_sources(*worker_, *bulk_)),
          executor_(executor),
          end_of_batch_(
              executor, [this] { advance(); }, Turn::When::at_rest),
          wakeup_(executor, [this] { input([this](TimePoint now) { session_.on_time(now); }); }),
          connect_at_(executor),
          watch_at_(executor) {}

    void adopt(jobs::LedgerEntry entry) override { session_.adopt(Clock::now(), std::move(entry)); }
    void start() override {
        input([this](TimePoint now) { session_.start(now); });
    }
    void stop(std::function<void()> done) override {
        advance();  // what was given just now leaves, too
        input([this, done = std::move(done)](TimePoint) mutable {
            const bool connected = session_.view().link == jobs::LinkView::Link::connected;
            stopped_ = std::move(done);
            connect_at_.cancel();
            watch_at_.cancel();
            session_.stop();
            if (!connected) {
                worker_->drop();
                later(executor_, lifetime_.guard([this] { report_stopped(); }));
            }
        });
    }
    void place(const std::string& job_id, jobs::Place place) override {
        input([=, this](TimePoint now) { session_.place(now, job_id, place); });
    }
    void begun(const std::string& job_id, std::uint64_t number) override {
        input([=, this](TimePoint) { session_.begun(job_id, number); });
    }
    void ran_again() override {
        input([this](TimePoint) { session_.ran_again(); });
    }
    void room_changed() override {
        input([](TimePoint) {});
    }
    void set_capabilities(ipc::Json capabilities) override {
        input([this, capabilities = std::move(capabilities)](TimePoint now) mutable {
            session_.set_capabilities(now, std::move(capabilities));
        });
    }
    void set_connector_status(const std::string& connector, const ipc::Status& status) override {
        input([=, this](TimePoint) { session_.set_connector_status(connector, status); });
    }
    void forget_connector_status(const std::string& connector) override {
        input([=, this](TimePoint) { session_.forget_connector_status(connector); });
    }
    void report_progress(const std::string& job_id, std::uint64_t number,
                         const ipc::Progress& progress) override {
        input([=, this](TimePoint) { session_.report_progress(job_id, number, progress); });
    }
    void service_request(const ipc::ServiceRequest& request) override {
        input([=, this](TimePoint) { session_.service_request(request); });
    }
    void deliver(jobs::Outcome outcome) override {
        input([this, outcome = std::move(outcome)](TimePoint now) mutable {
            session_.deliver(now, std::move(outcome));
        });
    }
    void undelivered(const std::string& job_id, std::uint64_t number) override {
        input([=, this](TimePoint) { session_.undelivered(job_id, number); });
    }
    void cancel(const std::string& job_id, const std::string& reason) override {
        input([=, this](TimePoint now) { session_.cancel(now, job_id, reason); });
    }
    void set_token(const std::string& token) override {
        settings_.hub.token = token;
        input([this](TimePoint now) { session_.token_changed(now); });
    }
    jobs::LinkMetrics metrics() const override { return session_.metrics(Clock::now()); }
    jobs::LinkView view() const override { return session_.view(); }
    bool nothing_left() const override { return session_.nothing_left(); }
    std::string address() const override { return address_; }

  private:
    /// One input, and what it leads to at once. What the Hub must be told when everything is known follows in a
    /// later turn: outcomes given together leave together. A callback may give further inputs.
    template <class Input>
    void input(Input take) {
        end_of_batch_.request();
        take(Clock::now());
        perform_all();
    }

    void advance() {
        session_.advance(Clock::now(), callbacks_.room());
        if (perform_all()) arm_wakeup();
    }

    /// The session is not inside a call here: a callback may reach it again. False: one has ended us.
    bool perform_all() {
        const auto living = lifetime_.watch();
        for (auto& action : session_.take_actions()) {
            perform(std::move(action));
            if (living.expired()) return false;
        }
        return true;
    }

    void perform(Action action) {
        if (auto* send = std::get_if<Send>(&action))
            return send->urgent ? worker_->send_first(std::move(send->text))
                                : worker_->send(std::move(send->text));
        if (auto* send = std::get_if<SendWatch>(&action)) return watch_->send(std::move(send->text));
        if (auto* connect = std::get_if<Connect>(&action)) return connect_worker(*connect);
        if (auto* close = std::get_if<Disconnect>(&action)) return worker_->close(close->reason);
        if (auto* open = std::get_if<OpenWatch>(&action)) return open_watch(*open);
        if (std::holds_alternative<CloseWatch>(action)) {
            watch_at_.cancel();
            return watch_->drop();
        }
        if (auto* send = std::get_if<SendBulk>(&action)) return bulk_->send(std::move(send->text));
        if (auto* open = std::get_if<OpenBulk>(&action)) return open_bulk(*open);
        if (std::holds_alternative<CloseBulk>(action)) return bulk_->drop();
        std::visit(
            [this](auto& fact) {
                using Fact = std::remove_reference_t<decltype(fact)>;
                if constexpr (std::is_constructible_v<jobs::LinkEvent, Fact>)
                    callbacks_.on_event(std::move(fact));
            },
            action);
    }

    template <class Then>
    void after(Timer& timer, Ms wait, Then then) {
        timer.expires_after(wait);
        timer.async_wait(
            lifetime_.guard([then = std::move(then)](const boost::system::error_code& error) mutable {
                if (!error) then();
            }));
    }

    void connect_worker(const Connect& connect) {
        after(connect_at_, connect.after, [this, id = connect.worker_id] {
            // create() has seen this URL succeed; only the id differs.
            worker_->connect(*worker_target(settings_.hub, id), proxy_,
                             {[this] { input([this](TimePoint now) { session_.on_connected(now); }); },
                              [this](std::string_view text) {
                                  input([this, text](TimePoint now) { session_.on_frame(now, text); });
                              },
                              [this](std::string reason) {
                                  if (stopped_) return report_stopped();
                                  input([this, reason = std::move(reason)](TimePoint now) {
                                      session_.on_disconnected(now, reason);
                                  });
                              }});
        });
    }

    void open_watch(const OpenWatch& open) {
        after(watch_at_, open.after, [this, id = open.client_id] {
            watch_->connect(*watch_target(settings_.hub, id), proxy_,
                            {[this] { input([this](TimePoint) { session_.on_watch_connected(); }); },
                             [this](std::string_view text) {
                                 input([this, text](TimePoint now) { session_.on_watch_frame(now, text); });
                             },
                             [this](std::string reason) {
                                 input([this, reason = std::move(reason)](TimePoint) {
                                     session_.on_watch_disconnected(reason);
                                 });
                             }});
        });
    }

    void open_bulk(const OpenBulk& open) {
        bulk_->connect(*bulk_target(settings_.hub, open.worker_id), proxy_,
                       {[] {},  // the Hub's welcome counts: a wrong token is told after the handshake
                        [this](std::string_view text) {
                            input([this, text](TimePoint now) { session_.on_bulk_frame(now, text); });
                        },
                        [this](std::string reason) {
                            input([this, reason = std::move(reason)](TimePoint now) {
                                session_.on_bulk_disconnected(now, reason);
                            });
                        }});
    }

    void arm_wakeup() {
        const auto at = session_.next_wakeup();
        // Never below a millisecond: a mistake in a due time must not become a busy loop.
        wakeup_.set(at ? std::optional(std::max(*at, Clock::now()) + Ms(1)) : std::nullopt);
    }

    void report_stopped() {
        if (auto done = std::exchange(stopped_, {})) done();
    }

    HubLinkSettings settings_;
    jobs::LinkCallbacks callbacks_;
    std::optional<Proxy> proxy_;
    std::string address_;
    std::unique_ptr<Link> worker_;
    std::unique_ptr<Link> watch_;
    std::unique_ptr<Link> bulk_;
    Session session_;  // asks worker_ and bulk_ how much waits there
    asio::any_io_executor executor_;
    Turn end_of_batch_;
    Alarm wakeup_;
    Timer connect_at_;
    Timer watch_at_;
    std::function<void()> stopped_;
    Lifetime lifetime_;  // the last member: it ends first
};

}  // namespace

Result<std::unique_ptr<jobs::JobLink>> make_hub_link(const asio::any_io_executor& executor,
                                                     HubLinkSettings settings,
                                                     jobs::LinkCallbacks callbacks) {
    const auto target = worker_target(settings.hub, settings.id_base.empty() ? "worker" : settings.id_base);
    if (!target.ok()) return target.error();
    auto proxy = choose_proxy(settings.hub, settings.proxy_environment, *target);
    if (!proxy.ok()) return proxy.error();
    if (!settings.make_connection)
        settings.make_connection = [executor, hub = settings.hub] { return make_ws_link(executor, hub); };
    return std::unique_ptr<jobs::JobLink>(std::make_unique<HubLink>(
        executor, std::move(settings), std::move(callbacks), std::move(*proxy), target->printable));
}

}  // namespace emprops::hub
