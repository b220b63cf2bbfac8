#pragma once
// A core with an in-memory database and a clock that the test moves; what each connection was sent is kept as
// JSON.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "supervisor/local_hub/core.h"

namespace emprops::local_hub {

inline constexpr ConnectionId w1 = 1, w2 = 2, w3 = 3;

class CoreBench : public testing::Test {
  protected:
    explicit CoreBench(Policy policy = {}) : policy_(policy) {
        store_ = Store::open(":memory:").value();
        restart();
    }

    /// A new hub process on the same database.
    void restart() {
        core_ = std::make_unique<Core>(*store_, policy_, [this] { return "job-" + std::to_string(++made_); });
        ASSERT_TRUE(core_->load(now()).ok());
    }

    Now now() const {
        return {TimePoint() + std::chrono::hours(1) + time_, 1e9 + static_cast<double>(time_.count()) / 1000};
    }

    /// Moves the clock in steps as small as the server's ticks.
    void pass(Ms duration) {
        const auto end = time_ + duration;
        while (time_ < end) {
            time_ = std::min(end, time_ + Ms(200));
            take(core_->tick(now()));
        }
    }

    void connect(ConnectionId connection, Role role, const std::string& id) {
        take(core_->connected(connection, role, id, now()));
    }
    void worker(ConnectionId connection, const std::string& id, const Json& types = {"sim"},
                const std::string& status = "idle") {
        connect(connection, Role::worker, id);
        say(connection, {{"type", "register_worker"},
                         {"capabilities", {{"supported_job_types", types}}},
                         {"status", status}});
    }
    void disconnect(ConnectionId connection, bool politely = false) {
        take(core_->disconnected(connection, politely, now()));
    }
    void say(ConnectionId connection, const Json& message) {
        take(core_->received(connection, message.dump(), now()));
    }
    void say_text(ConnectionId connection, const std::string& text) {
        take(core_->received(connection, text, now()));
    }

    void submit(const std::string& job_id, const std::string& type = "sim", std::int64_t priority = 0) {
        Actions actions;
        hub::SubmitJob job;
        job.job_id = job_id;
        job.job_type = type;
        job.priority = priority;
        ASSERT_TRUE(core_->submit(job, "c", now(), actions).ok());
        take(actions);
    }
    void claim(ConnectionId connection, const std::string& job_id) {
        say(connection, {{"type", "claim_job"}, {"job_id", job_id}});
    }
    void progress(ConnectionId connection, const std::string& job_id, int value = 10) {
        say(connection, {{"type", "update_job_progress"}, {"job_id", job_id}, {"progress", value}});
    }
    void complete(ConnectionId connection, const std::string& job_id, const Json& result = {{"ok", 1}}) {
        say(connection, {{"type", "complete_job"}, {"job_id", job_id}, {"result", result}});
    }
    void fail(ConnectionId connection, const std::string& job_id, const std::string& error = "boom",
              const Json& more = Json::object()) {
        Json message{{"type", "fail_job"}, {"job_id", job_id}, {"error", error}};
        message.update(more);
        say(connection, message);
    }
    void status(ConnectionId connection, const std::string& status) {
        say(connection, {{"type", "worker_status"}, {"status", status}});
    }
    /// A worker takes an offered job and says that it is busy.
    void run(ConnectionId connection, const std::string& job_id) {
        claim(connection, job_id);
        EXPECT_EQ(last(connection)["type"], "job_assigned");
        status(connection, "busy");
    }

    Job job(const std::string& job_id) {
        const auto found = core_->view(job_id);
        if (!found.ok() || !found.value()) return {};
        return found.value()->stored.job;
    }
    JobStatus state(const std::string& job_id) { return job(job_id).status; }

    /// What the connection was sent since it was last asked.
    std::vector<Json> said(ConnectionId connection) { return std::exchange(sent_[connection], {}); }
    Json last(ConnectionId connection) {
        return sent_[connection].empty() ? Json() : sent_[connection].back();
    }
    std::vector<std::string> types_said(ConnectionId connection) {
        std::vector<std::string> types;
        for (const auto& message : said(connection))
            types.push_back(message.value("type", ""));
        return types;
    }
    /// The job offered to it since it was last asked; "" for none. More than one is an error.
    std::string offered(ConnectionId connection) {
        std::string found;
        for (const auto& message : said(connection)) {
            if (message.value("type", "") != "job_available") continue;
            EXPECT_EQ(found, "") << "two offers at once";
            found = message["job_id"];
        }
        return found;
    }

    void take(const Actions& actions) {
        for (const auto& action : actions) {
            if (const auto* message = std::get_if<SendTo>(&action)) {
                for (const auto& frame : message->frames)
                    sent_[message->connection].push_back(Json::parse(frame));
            } else if (const auto* close = std::get_if<Close>(&action)) {
                closed_[close->connection] = *close;
            } else if (const auto* finished = std::get_if<Finished>(&action)) {
                finished_.push_back(finished->job_id);
            } else if (const auto* warning = std::get_if<Warn>(&action)) {
                warnings_.push_back(warning->text);
            }
        }
    }

    Policy policy_;
    std::unique_ptr<Store> store_;
    std::unique_ptr<Core> core_;
    Ms time_{0};
    int made_ = 0;
    std::map<ConnectionId, std::vector<Json>> sent_;
    std::map<ConnectionId, Close> closed_;
    std::vector<std::string> finished_;
    std::vector<std::string> warnings_;
};

}  // namespace emprops::local_hub
