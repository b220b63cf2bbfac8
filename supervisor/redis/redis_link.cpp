#include "supervisor/redis/redis_link.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "ipc/time/clock.h"
#include "supervisor/base/alarm.h"
#include "supervisor/base/lifetime.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/timer.h"
#include "supervisor/base/turn.h"
#include "supervisor/redis/wire/address.h"
#include "supervisor/redis/wire/connection.h"

namespace emprops::redis {
namespace {

namespace asio = boost::asio;

constexpr Ms settled{10'000};

std::int64_t wall_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// That of the URL wins.
std::string password_of(const RedisLinkSettings& settings, const Address& address) {
    return address.password.empty() ? settings.hub.token : address.password;
}

SessionSettings session_settings(const RedisLinkSettings& settings, const Address& address) {
    SessionSettings out;
    out.id_base = out.machine = settings.id_base;
    out.version = settings.version;
    out.identity = settings.identity;
    out.user = address.user;
    out.password = password_of(settings, address);
    out.database = address.database;
    out.first_number = settings.first_number;
    out.held = settings.held;
    out.claim = settings.claim;
    out.presence = settings.presence;
    out.reaper = settings.reaper;
    return out;
}

class RedisLink final : public jobs::JobLink, private Wire {
  public:
    RedisLink(const asio::any_io_executor& executor, RedisLinkSettings settings, Address address,
              jobs::LinkCallbacks callbacks)
        : settings_(std::move(settings)),
          address_(std::move(address)),
          callbacks_(std::move(callbacks)),
          executor_(executor),
          commands_(executor, settings_.hub,
                    {[this] { input([this](TimePoint now) { session_.connected(now); }); },
                     [](const auto&) {}, [this](const std::string& why) { commands_closed(why); }}),
          listener_(executor, settings_.hub,
                    {[this] { listen(); },
                     [this](Pipeline::Pushed pushed) {
                         input([&](TimePoint now) { session_.message(now, pushed.channel, pushed.text); });
                     },
                     [this](const std::string& why) { listener_closed(why); }}),
          random_engine_(std::random_device{}()),
          session_(session_settings(settings_, address_), *this, wall_ms,
                   [this] { return std::uniform_real_distribution<double>(0.0, 1.0)(random_engine_); }),
          end_of_batch_(
              executor, [this] { advance(); }, Turn::When::at_rest),
          wakeup_(executor, [this] { input([this](TimePoint now) { session_.on_time(now); }); }),
          connect_at_(executor),
          listen_at_(executor),
          stop_at_(executor) {}

    void adopt(jobs::LedgerEntry entry) override { session_.adopt(std::move(entry)); }
    void start() override {
        commands_.connect(address_.target);
        listener_.connect(address_.target);
    }
    void stop(std::function<void()> done) override {
        stopped_ = std::move(done);
        stopping_ = true;
        connect_at_.cancel();
        listen_at_.cancel();
        listener_.drop();
        input([this](TimePoint now) { session_.stop(now); });
        stop_at_.expires_after(Ms{2'000});
        stop_at_.async_wait(lifetime_.guard([this](const boost::system::error_code&) { report_stopped(); }));
        if (!session_.is_open()) stop_at_.cancel();
    }
    void place(const std::string& job_id, jobs::Place place) override {
        input([=, this](TimePoint now) { session_.place(now, job_id, place); });
    }
    void begun(const std::string& job_id, std::uint64_t number) override {
        input([=, this](TimePoint) { session_.begun(job_id, number); });
    }
    void ran_again() override {
        input([this](TimePoint now) { session_.ran_again(now); });
    }
    void room_changed() override {
        input([](TimePoint) {});
    }
    void set_capabilities(ipc::Json capabilities) override {
        input([&](TimePoint) { session_.set_capabilities(std::move(capabilities)); });
    }
    void report_progress(const std::string& job_id, std::uint64_t number,
                         const ipc::Progress& progress) override {
        input([&](TimePoint now) { session_.report_progress(now, job_id, number, progress); });
    }
    void deliver(jobs::Outcome outcome) override {
        input([&](TimePoint now) { session_.deliver(now, std::move(outcome)); });
    }
    void undelivered(const std::string& job_id, std::uint64_t number) override {
        input([=, this](TimePoint) { session_.undelivered(job_id, number); });
    }
    void cancel(const std::string& job_id, const std::string& reason) override {
        input([=, this](TimePoint) { session_.cancel(job_id, reason); });
    }
    void set_token(const std::string& token) override {
        if (!address_.password.empty()) return;
        settings_.hub.token = token;
        session_.set_password(token);
        if (session_.is_open() || stopping_) return;
        connect_at_.cancel();
        commands_.connect(address_.target);
    }
    jobs::LinkMetrics metrics() const override { return session_.metrics(); }
    jobs::LinkView view() const override {
        jobs::LinkView view;
        view.link = session_.is_open()           ? jobs::LinkView::Link::connected
                    : attempt_at_ > Clock::now() ? jobs::LinkView::Link::waiting
                                                 : jobs::LinkView::Link::connecting;
        view.attempt_at = attempt_at_;
        view.last_error = last_error_;
        session_.show(view);
        return view;
    }
    bool nothing_left() const override { return session_.nothing_left(); }
    std::string address() const override { return address_.target.printable; }

  private:
    // ---- Wire
    void send(Command command, Server::Then then) override {
        commands_.ask(command, [this, then = std::move(then)](const Reply& reply) {
            input([&](TimePoint) { then(reply); });
        });
    }
    void drop(const std::string& why) override { commands_.close(why); }

    /// One input, and what it leads to at once. A callback may give further inputs, which are handled after this one.
    template <class Input>
    void input(Input take) {
        end_of_batch_.request();
        take(Clock::now());
        tell_worker();
    }

    bool tell_worker() {
        const auto living = lifetime_.watch();
        for (auto& event : session_.take_events()) {
            callbacks_.on_event(std::move(event));
            if (living.expired()) return false;
        }
        return true;
    }

    void advance() {
        session_.advance(Clock::now(), callbacks_.room());
        if (!tell_worker()) return;
        wakeup_.set(session_.next_wakeup());
        if (stopping_ && commands_.is_quiet()) stop_at_.cancel();
    }

    void commands_closed(const std::string& why) {
        if (why != last_error_ || session_.is_open())
            callbacks_.on_event(
                Note{Note::Level::warn, "no connection to " + address() + ": " + why, "", ""});
        last_error_ = why;
        const bool was_open = session_.is_open();
        input([this](TimePoint now) { session_.disconnected(now); });
        if (was_open) pause_ = std::chrono::duration_cast<Ms>(settings_.hub.reconnect_min);
        if (!stopping_) connect_later(commands_, connect_at_, pause_);
    }

    /// Who is heard for a while has been let in. A server that says no at once is asked more and more seldom.
    void listener_closed(const std::string& why) {
        if (Clock::now() - listening_since_ > settled) listen_pause_ = Ms{0};
        if (session_.is_open() && why != std::exchange(listen_error_, why))
            callbacks_.on_event(
                Note{Note::Level::warn,
                     "new jobs and cancels are not heard of at once, but within seconds: no second "
                     "connection to " +
                         address() + ": " + why,
                     "", ""});
        connect_later(listener_, listen_at_, listen_pause_);
    }

    void connect_later(Connection& connection, Timer& timer, Ms& pause) {
        if (stopping_) return;
        const Ms least = std::chrono::duration_cast<Ms>(settings_.hub.reconnect_min),
                 most = std::chrono::duration_cast<Ms>(settings_.hub.reconnect_max);
        const Ms wait = std::clamp(pause, least, most);
        pause = wait * 2;
        // A fleet does not come back in step.
        const Ms spread = std::chrono::duration_cast<Ms>(
            wait * std::uniform_real_distribution<double>(0.0, 0.25)(random_engine_));
        if (&connection == &commands_) attempt_at_ = Clock::now() + wait + spread;
        timer.expires_after(wait + spread);
        timer.async_wait(lifetime_.guard([this, &connection](const boost::system::error_code& error) {
            if (!error && !stopping_) connection.connect(address_.target);
        }));
    }

    void listen() {
        if (const std::string password = password_of(settings_, address_); !password.empty())
            listener_.ask(auth_command(address_.user, password), [](const Reply&) {});
        listening_since_ = Clock::now();
        listener_.subscribe({"job_submitted", "cancel_job", "job_cancelled"});
    }

    void report_stopped() {
        if (stopped_) std::exchange(stopped_, {})();
    }

    RedisLinkSettings settings_;
    const Address address_;
    jobs::LinkCallbacks callbacks_;
    asio::any_io_executor executor_;
    Connection commands_, listener_;
    std::mt19937_64 random_engine_;
    Session session_;
    Turn end_of_batch_;
    Alarm wakeup_;
    Timer connect_at_, listen_at_, stop_at_;
    Ms pause_{0}, listen_pause_{0};
    TimePoint attempt_at_{};
    std::string last_error_, listen_error_;
    TimePoint listening_since_{};
    bool stopping_ = false;
    std::function<void()> stopped_;
    Lifetime lifetime_;
};

}  // namespace

Result<std::unique_ptr<jobs::JobLink>> make_redis_link(const asio::any_io_executor& executor,
                                                       RedisLinkSettings settings,
                                                       jobs::LinkCallbacks callbacks) {
    auto address = parse_address(settings.hub.url);
    if (!address.ok()) return address.error();
    return std::unique_ptr<jobs::JobLink>(std::make_unique<RedisLink>(
        executor, std::move(settings), std::move(address).value(), std::move(callbacks)));
}

}  // namespace emprops::redis
