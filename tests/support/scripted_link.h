#pragma once
// A link that knows no WebSocket: the worker pulls jobs from a queue, several at once, under one id for each
// of its places. The queue outlives the worker, as a queue elsewhere would. Header only, because tests/support
// is linked by tests that know no worker. One event loop, one thread.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/jobs/job_link.h"

namespace emprops::test {

/// The other side. `log` says what it saw: "pull 3", "take j1 w-0@1", "complete j1 w-0@1",
/// "fail j1 CODE w-0@1", "give back j1 w-0@1", "adopt j1 w-0@1".
struct ScriptedQueue {
    std::deque<std::string> waiting;          ///< job ids; all of type "t"
    std::map<std::string, std::string> held;  ///< claim token -> job id
    std::size_t batch = 100;                  ///< this many are pulled at once if there is room for one
    bool deaf = false;                        ///< takes no outcomes
    std::uint64_t clock = 0;                  ///< counts what is taken: the `assigned_at` of a token
    std::vector<std::string> log;
};

class ScriptedLink final : public jobs::JobLink {
  public:
    ScriptedLink(boost::asio::any_io_executor executor, ScriptedQueue& queue, std::uint64_t first_number,
                 jobs::LinkCallbacks callbacks)
        : executor_(std::move(executor)),
          queue_(queue),
          next_number_(first_number),
          callbacks_(std::move(callbacks)) {}

    void adopt(jobs::LedgerEntry entry) override {
        const std::string& token = entry.claimed_as.at(0);
        queue_.log.push_back("adopt " + entry.assignment.job_id + " " + token);
        const auto number = entry.assignment.number;
        const auto held = queue_.held.find(token);
        const bool ours = held != queue_.held.end() && held->second == entry.assignment.job_id;
        if (!ours) {
            if (entry.outcome) return say(jobs::NotDelivered{entry.assignment.job_id, number, "unknown"});
            return say(jobs::JobWithdrawn{entry.assignment.job_id, number, "unknown"});
        }
        mine_[number] = {entry.assignment.job_id, token};
        places_[token] = std::stoi(token.substr(2));  // of "w-N@..."
        taken_.insert(places_[token]);
        if (entry.outcome) return deliver(std::move(*entry.outcome));
        say(jobs::JobConfirmed{entry.assignment.job_id, number});
    }
    void start() override {
        started_ = true;
        room_changed();
    }
    void stop(std::function<void()> done) override {
        started_ = false;
        boost::asio::post(executor_, std::move(done));
    }
    void room_changed() override {
        later([this] { pull(); });
    }
    void place(const std::string& job_id, jobs::Place place) override {
        const std::string token = pulled_.at(job_id);
        pulled_.erase(job_id);
        if (place == jobs::Place::none) return give_back(job_id, token);
        queue_.held[token] = job_id;
        queue_.log.push_back("take " + job_id + " " + token);
        jobs::Assignment assignment;
        assignment.job_id = job_id;
        assignment.job_type = "t";
        assignment.payload = {"{}"};
        assignment.number = next_number_++;
        mine_[assignment.number] = {job_id, token};
        say(jobs::Assigned{std::move(assignment), token});
    }
    void report_progress(const std::string&, std::uint64_t, const ipc::Progress&) override {}
    void deliver(jobs::Outcome outcome) override {
        if (queue_.deaf) return;
        const Mine mine = mine_.at(outcome.number);
        forget(outcome.number);
        const auto* failed = std::get_if<jobs::Failed>(&outcome.value);
        if (failed != nullptr && !failed->begun) {
            give_back(mine.job_id, mine.token);
        } else {
            queue_.held.erase(mine.token);
            queue_.log.push_back(failed == nullptr
                                     ? "complete " + mine.job_id + " " + mine.token
                                     : "fail " + mine.job_id + " " + failed->error.code + " " + mine.token);
        }
        say(jobs::Delivered{mine.job_id, outcome.number});
    }
    void undelivered(const std::string&, std::uint64_t number) override { forget(number); }
    void cancel(const std::string&, const std::string&) override {}

    jobs::LinkMetrics metrics() const override { return {}; }
    jobs::LinkView view() const override { return {}; }
    bool nothing_left() const override { return mine_.empty(); }
    std::string address() const override { return "a queue"; }

  private:
    struct Mine {
        std::string job_id;
        std::string token;
    };

    void pull() {
        if (!started_ || !pulled_.empty()) return;
        const jobs::Room room = callbacks_.room();
        if (room.capacity->free_slots.count("t") == 0 || queue_.waiting.empty()) return;
        std::vector<std::string> jobs;
        while (jobs.size() < queue_.batch && !queue_.waiting.empty()) {
            jobs.push_back(queue_.waiting.front());
            queue_.waiting.pop_front();
        }
        queue_.log.push_back("pull " + std::to_string(jobs.size()));
        for (const auto& job_id : jobs) {
            int place = 0;
            while (taken_.count(place) != 0)
                ++place;
            taken_.insert(place);
            const std::string token = "w-" + std::to_string(place) + "@" + std::to_string(++queue_.clock);
            places_[token] = place;
            pulled_[job_id] = token;
        }
        for (const auto& job_id : jobs)
            say(jobs::PlaceWanted{job_id, "t"});
    }
    /// As it came: nothing is counted against it.
    void give_back(const std::string& job_id, const std::string& token) {
        queue_.log.push_back("give back " + job_id + " " + token);
        queue_.held.erase(token);
        queue_.waiting.push_front(job_id);
        free_place(token);
    }
    void forget(std::uint64_t number) {
        const auto mine = mine_.extract(number);
        if (!mine.empty()) free_place(mine.mapped().token);
    }
    void free_place(const std::string& token) {
        const auto place = places_.extract(token);
        if (!place.empty()) taken_.erase(place.mapped());
    }
    void say(jobs::LinkEvent event) {
        later([this, event = std::make_shared<jobs::LinkEvent>(std::move(event))] {
            callbacks_.on_event(std::move(*event));
        });
    }
    void later(std::function<void()> what) {
        boost::asio::post(executor_, [alive = std::weak_ptr(alive_), what = std::move(what)] {
            if (!alive.expired()) what();
        });
    }

    boost::asio::any_io_executor executor_;
    ScriptedQueue& queue_;
    std::uint64_t next_number_;
    jobs::LinkCallbacks callbacks_;
    bool started_ = false;
    std::map<std::string, std::string> pulled_;  ///< job id -> token; waits for a place
    std::map<std::string, int> places_;          ///< by token
    std::set<int> taken_;
    std::map<std::uint64_t, Mine> mine_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace emprops::test
