#include "supervisor/local_hub/local_hub.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <map>
#include <optional>

#include "ipc/hub/codec.h"
#include "ipc/web/uuid.h"
#include "supervisor/base/alarm.h"
#include "supervisor/base/log.h"
#include "supervisor/base/turn.h"
#include "supervisor/local_hub/batch.h"
#include "supervisor/local_hub/core.h"
#include "supervisor/local_hub/gate.h"
#include "supervisor/local_hub/rest.h"
#include "supervisor/local_hub/server.h"
#include "supervisor/local_hub/store.h"

namespace emprops::local_hub {
namespace {

namespace asio = boost::asio;

constexpr Ms tick_interval{200};
constexpr Ms rest_interval{1'000};    // between ticks while the core rests
constexpr Ms look_interval{1'000};    // whether the database is still where it was
constexpr Ms retry_interval{10'000};  // and could not be made again
/// A larger message is a transaction of its own: nobody else's answer waits for it.
constexpr std::size_t most_batched_bytes = 64 * 1024;
/// After a batch could not be stored each event is stored alone for so long: then a failure is answered, and harms
/// only one.
constexpr Ms careful_for{10'000};
constexpr double longest_wait_seconds = 24 * 3600;
constexpr std::size_t most_waiting_requests = 256;
constexpr const char* rest_client = "rest-api-client";

Now now() {
    const auto epoch = std::chrono::system_clock::now().time_since_epoch();
    return {Clock::now(), std::chrono::duration<double>(epoch).count()};
}

}  // namespace

void lead_to_local_hub(config::HubSettings& hub, const config::LocalHubSettings& settings,
                       std::uint16_t port) {
    const auto& listen = settings.listen;
    hub.url.clear();
    hub.proxy.clear();
    hub.host = listen == "0.0.0.0" ? "127.0.0.1" : (listen == "::" ? "::1" : listen);
    hub.port = port;
    hub.tls = false;
    hub.token = settings.token;
}

struct LocalHub::Impl {
    /// A POST with wait=true.
    struct Waiter {
        std::string job_id;
        TimePoint until;
        double timeout_seconds = 0;
        Reply reply;
    };

    explicit Impl(const asio::any_io_executor& executor)
        : end_of_batch(
              executor,
              [this] {
                  if (batch) batch->end();
              },
              emprops::Turn::When::at_rest),
          ticker(executor, [this] { tick(); }) {}

    Policy policy;
    std::unique_ptr<Store> store;
    std::optional<Batch> batch;
    emprops::Turn end_of_batch;
    std::unique_ptr<Core> core;
    bool loaded = false;  ///< the core has what the store has
    TimePoint careful_until;
    std::unique_ptr<Server> server;
    Alarm ticker;
    std::optional<TimePoint> next_tick;
    std::multimap<std::string, Waiter> waiters;  // by job id
    std::uint16_t port = 0;
    TimePoint next_look;
    std::string told_of_database;  // what is wrong with its file, said once

    Result<> start(const asio::any_io_executor& executor, const config::LocalHubSettings& settings) {
        if (settings.database.empty()) {
            return Error{"database_failed", "the local hub has no database: set local_hub.database"};
        }
        auto opened = Store::open(settings.database);
        if (!opened.ok()) return opened.error();
        store = std::move(opened).value();
        batch.emplace(*store, [this](const Error& why) { begin_anew(why); });
        policy = Policy::from(settings);
        if (auto read = load(); !read.ok()) return read;

        ServerSettings wanted;
        wanted.listen = settings.listen;
        wanted.port = settings.port;
        wanted.token = settings.token;
        wanted.max_message_bytes = settings.max_message_bytes;
        auto listening = Server::listen(executor, std::move(wanted), events());
        if (!listening.ok()) return listening.error();
        server = std::move(listening).value();
        port = server->port();
        logger("local_hub")
            ->info("listening on {}:{}, {} jobs pending, {} running, database {}", settings.listen, port,
                   core->pending_jobs(), core->claimed_jobs(), settings.database.string());
        tick();
        return Ok{};
    }

    Result<> load() {
        core = std::make_unique<Core>(*store, policy, [] { return "job-" + uuid_v4(); });
        auto read = core->load(now());
        loaded = read.ok();
        return read;
    }

    /// What the core believes is not in the database: as after a restart, the database is right, and everybody comes
    /// again.
    void begin_anew(const Error& why) {
        logger("local_hub")
            ->warn("{}; nobody was told of it, and all connections are closed and may come again",
                   why.message);
        careful_until = Clock::now() + careful_for;
        server->close_all(1012, "the database could not be written");
        for (const auto& [job_id, waiter] : std::exchange(waiters, {}))
            waiter.reply.send(rest_problem(500, why.message));
        if (auto read = load(); !read.ok()) logger("local_hub")->warn("{}", read.error().message);
    }

    /// Something happens: what it changes and what is said of it belong to the batch of this round of the loop.
    template <class Event>
    void take(std::size_t bytes, Event event) {
        const bool alone = bytes > most_batched_bytes || Clock::now() < careful_until;
        if (alone) {
            batch->end();
        } else {
            batch->begin();
        }
        event();
        tick_in_time();
        if (alone) return batch->end();
        end_of_batch.request();
    }

    ServerEvents events() {
        ServerEvents events;
        events.on_open = [this](ConnectionId connection, Role role, const std::string& id) {
            logger("local_hub")->debug("connection {} of {} opened", connection, id);
            if (!loaded) return server->close(connection, 1013, "the database cannot be read");
            take(0, [&] { perform(core->connected(connection, role, id, now())); });
        };
        events.on_text = [this](ConnectionId connection, std::string_view text) {
            take(text.size(), [&] { perform(core->received(connection, text, now())); });
        };
        events.on_part = [this](ConnectionId connection) { core->received_part(connection, now()); };
        events.on_close = [this](ConnectionId connection, bool politely) {
            logger("local_hub")
                ->debug("connection {} ended{}", connection, politely ? "" : " without goodbye");
            take(0, [&] { perform(core->disconnected(connection, politely, now())); });
        };
        events.on_request = [this](const HttpRequest& request, const Reply& reply) {
            if (!loaded) return reply.send(rest_problem(500, "the database cannot be read"));
            take(request.body.size(), [&] { handle(request, reply); });
        };
        return events;
    }

    /// After the batch is stored.
    void perform(Actions actions) {
        if (actions.empty()) return;
        batch->then([this, actions = std::move(actions)](const Error* lost) mutable {
            if (lost) return;
            for (auto& action : actions)
                perform(action);
        });
    }
    void answer(const Reply& reply, HttpResponse response) {
        batch->then([reply, response = std::move(response)](const Error* lost) {
            reply.send(lost ? rest_problem(500, lost->message) : response);
        });
    }

    void perform(Action& action) {
        if (auto* message = std::get_if<SendTo>(&action)) {
            server->send(message->connection, std::move(message->frames));
        } else if (const auto* close = std::get_if<Close>(&action)) {
            logger("local_hub")->info("closing connection {}: {}", close->connection, close->reason);
            server->close(close->connection, close->code, close->reason);
        } else if (const auto* finished = std::get_if<Finished>(&action)) {
            answer_waiters(finished->job_id);
        } else if (const auto* warning = std::get_if<Warn>(&action)) {
            logger("local_hub")->warn("{}", warning->text);
        }
    }

    /// What has just happened may have ended the rest: the tick comes sooner then, never later.
    void tick_in_time() {
        const auto at = now();
        const TimePoint soon = next_beat(at.steady, tick_interval);
        if (next_tick && *next_tick <= soon) return;
        const bool rests = waiters.empty() && core->rests(at);
        const TimePoint wanted = rests ? next_beat(at.steady, rest_interval) : soon;
        if (next_tick && *next_tick <= wanted) return;
        next_tick = wanted;
        ticker.set(wanted);
    }

    void look_after_database() {
        if (Clock::now() < next_look || store->in_batch()) return;
        const auto looked = store->look_after_file();
        next_look = next_beat(Clock::now(), looked.ok() ? look_interval : retry_interval);
        const std::string text = looked.ok() ? *looked : looked.error().message;
        if (!text.empty() && text != told_of_database) logger("local_hub")->warn("{}", text);
        told_of_database = looked.ok() ? "" : text;
    }

    void tick() {
        next_tick.reset();
        batch->end();
        look_after_database();
        if (!loaded) loaded = load().ok();
        perform(core->tick(now()));
        batch->end();
        give_up_waiting();
        tick_in_time();
    }

    // ---- REST

    void handle(const HttpRequest& request, const Reply& reply) {
        const auto& path = web::RequestTarget::parse(request.target).segments;
        const bool jobs = path.size() >= 2 && path[0] == "api" && path[1] == "jobs";
        if (path.empty() && request.method == "GET") return answer(reply, rest_alive());
        if (jobs && path.size() == 2 && request.method == "POST") return submit(request, reply);
        if (jobs && path.size() == 3 && request.method == "GET") return answer(reply, show(path[2]));
        if (path.empty() || jobs) return answer(reply, rest_problem(405, "Method Not Allowed"));
        answer(reply, rest_problem(404, "Not Found"));
    }

    HttpResponse show(const std::string& job_id) {
        const auto found = core->view(job_id);
        if (!found.ok()) return rest_problem(500, found.error().message);
        if (!found.value()) return rest_problem(404, fmt::format("Job with ID {} not found", job_id));
        const auto payload = store->payload(job_id);
        return rest_job(*found.value(), payload.ok() ? std::optional(payload.value()) : std::nullopt);
    }

    void submit(const HttpRequest& request, const Reply& reply) {
        auto decoded = hub::decode_rest_submit(request.body);
        if (const auto* problem = std::get_if<Json>(&decoded))
            return answer(reply, rest_problem(422, *problem));
        auto& submit = std::get<hub::RestSubmit>(decoded);
        forget_who_hung_up();
        if (submit.wait && waiters.size() >= most_waiting_requests) {
            return answer(
                reply, rest_problem(503, fmt::format("{} requests wait for jobs already", waiters.size())));
        }
        if (submit.job.job_id.empty()) submit.job.job_id = "job-rest-" + uuid_v4();
        Actions actions;
        const auto accepted = core->submit(submit.job, rest_client, now(), actions);
        if (!accepted.ok()) {
            return answer(
                reply, rest_problem(accepted.error().code == "exists" ? 409 : 500, accepted.error().message));
        }
        if (submit.wait) {
            const auto seconds = std::clamp(submit.timeout_seconds, 0.0, longest_wait_seconds);
            waiters.emplace(*accepted, Waiter{*accepted, Clock::now() + Ms(std::llround(seconds * 1000)),
                                              seconds, reply});
        }
        perform(std::move(actions));
        if (!submit.wait) answer(reply, rest_submitted(*accepted));
    }

    void tell(const Waiter& waiter, const std::optional<std::string>& error) {
        const auto found = core->view(waiter.job_id);
        if (!found.ok() || !found.value()) {
            return waiter.reply.send(rest_problem(500, fmt::format("Job {} cannot be read", waiter.job_id)));
        }
        waiter.reply.send(rest_job(*found.value(), std::nullopt, error));
    }

    void answer_waiters(const std::string& job_id) {
        for (auto found = waiters.find(job_id); found != waiters.end(); found = waiters.find(job_id)) {
            const auto waiter = std::move(found->second);
            waiters.erase(found);
            tell(waiter, std::nullopt);
        }
    }

    void forget_who_hung_up() {
        std::erase_if(waiters, [](const auto& waiting) { return waiting.second.reply.hung_up(); });
    }

    void give_up_waiting() {
        forget_who_hung_up();
        const auto at = Clock::now();
        for (auto next = waiters.begin(); next != waiters.end();) {
            if (next->second.until > at) {
                ++next;
                continue;
            }
            const auto waiter = std::move(next->second);
            next = waiters.erase(next);
            tell(waiter,
                 fmt::format("Timeout: Job did not complete within {} seconds", waiter.timeout_seconds));
        }
    }

    void stop() {
        if (!core) return;
        batch->end();
        ticker.set({});
        waiters.clear();
        server->stop();
        core.reset();
        batch.reset();
        store.reset();
    }
};

LocalHub::LocalHub(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

LocalHub::~LocalHub() {
    stop();
}

Result<std::unique_ptr<LocalHub>> LocalHub::start(asio::any_io_executor executor,
                                                  const config::LocalHubSettings& settings) {
    auto impl = std::make_unique<Impl>(executor);
    if (auto started = impl->start(executor, settings); !started.ok()) return started.error();
    return std::unique_ptr<LocalHub>(new LocalHub(std::move(impl)));
}

std::uint16_t LocalHub::port() const {
    return impl_->port;
}

void LocalHub::stop() {
    impl_->stop();
}

}  // namespace emprops::local_hub
