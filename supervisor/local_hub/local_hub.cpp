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

    explicit Impl(const asio::any_io_executor& executor) : ticker(executor, [this] { tick(); }) {}

    std::unique_ptr<Store> store;
    std::unique_ptr<Core> core;
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
        core = std::make_unique<Core>(*store, Policy::from(settings), [] { return "job-" + uuid_v4(); });
        if (auto loaded = core->load(now()); !loaded.ok()) return loaded;

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

    ServerEvents events() {
        ServerEvents events;
        events.on_open = [this](ConnectionId connection, Role role, const std::string& id) {
            logger("local_hub")->debug("connection {} of {} opened", connection, id);
            perform(core->connected(connection, role, id, now()));
        };
        events.on_text = [this](ConnectionId connection, std::string_view text) {
            perform(core->received(connection, text, now()));
        };
        events.on_part = [this](ConnectionId connection) { core->received_part(connection, now()); };
        events.on_close = [this](ConnectionId connection, bool politely) {
            logger("local_hub")
                ->debug("connection {} ended{}", connection, politely ? "" : " without goodbye");
            perform(core->disconnected(connection, politely, now()));
        };
        events.on_request = [this](const HttpRequest& request, Reply reply) {
            handle(request, std::move(reply));
        };
        return events;
    }

    void perform(Actions actions) {
        for (auto& action : actions) {
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
        tick_in_time();
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
        if (Clock::now() < next_look) return;
        const auto looked = store->look_after_file();
        next_look = next_beat(Clock::now(), looked.ok() ? look_interval : retry_interval);
        const std::string text = looked.ok() ? *looked : looked.error().message;
        if (!text.empty() && text != told_of_database) logger("local_hub")->warn("{}", text);
        told_of_database = looked.ok() ? "" : text;
    }

    void tick() {
        next_tick.reset();
        look_after_database();
        perform(core->tick(now()));
        give_up_waiting();
    }

    // ---- REST

    void handle(const HttpRequest& request, Reply reply) {
        const auto& path = web::RequestTarget::parse(request.target).segments;
        const bool jobs = path.size() >= 2 && path[0] == "api" && path[1] == "jobs";
        if (path.empty() && request.method == "GET") return reply.send(rest_alive());
        if (jobs && path.size() == 2 && request.method == "POST") return submit(request, std::move(reply));
        if (jobs && path.size() == 3 && request.method == "GET") return reply.send(show(path[2]));
        if (path.empty() || jobs) return reply.send(rest_problem(405, "Method Not Allowed"));
        reply.send(rest_problem(404, "Not Found"));
    }

    HttpResponse show(const std::string& job_id) {
        const auto found = core->view(job_id);
        if (!found.ok()) return rest_problem(500, found.error().message);
        if (!found.value()) return rest_problem(404, fmt::format("Job with ID {} not found", job_id));
        const auto payload = store->payload(job_id);
        return rest_job(*found.value(), payload.ok() ? std::optional(payload.value()) : std::nullopt);
    }

    void submit(const HttpRequest& request, Reply reply) {
        auto decoded = hub::decode_rest_submit(request.body);
        if (const auto* problem = std::get_if<Json>(&decoded)) return reply.send(rest_problem(422, *problem));
        auto& submit = std::get<hub::RestSubmit>(decoded);
        forget_who_hung_up();
        if (submit.wait && waiters.size() >= most_waiting_requests) {
            return reply.send(
                rest_problem(503, fmt::format("{} requests wait for jobs already", waiters.size())));
        }
        if (submit.job.job_id.empty()) submit.job.job_id = "job-rest-" + uuid_v4();
        Actions actions;
        const auto accepted = core->submit(submit.job, rest_client, now(), actions);
        if (!accepted.ok()) {
            return reply.send(
                rest_problem(accepted.error().code == "exists" ? 409 : 500, accepted.error().message));
        }
        if (submit.wait) {
            const auto seconds = std::clamp(submit.timeout_seconds, 0.0, longest_wait_seconds);
            Waiter waiter{*accepted, Clock::now() + Ms(std::llround(seconds * 1000)), seconds,
                          std::move(reply)};
            waiters.emplace(*accepted, std::move(waiter));
        }
        perform(std::move(actions));
        if (!submit.wait) reply.send(rest_submitted(*accepted));
    }

    void answer(const Waiter& waiter, const std::optional<std::string>& error) {
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
            answer(waiter, std::nullopt);
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
            answer(waiter,
                   fmt::format("Timeout: Job did not complete within {} seconds", waiter.timeout_seconds));
        }
    }

    void stop() {
        if (!core) return;
        ticker.set({});
        waiters.clear();
        server->stop();
        core.reset();
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
