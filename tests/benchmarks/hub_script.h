#pragma once
// A hub that gives one worker one job after the other and does nothing else, with the messages of the real one in their
// order. For the main thread of a benchmark; it throws std::runtime_error when the worker does not answer.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/hub_double.h"

namespace emprops::bench {

class HubScript {
  public:
    explicit HubScript(std::string job_type = "simulation");
    std::uint16_t port() const { return hub_.port(); }
    std::string url() const;
    /// Until a worker is connected and has said that it is idle.
    void wait_worker();
    /// Milliseconds from the assignment to the outcome; `payload` is JSON text. Throws if the job fails.
    double run_job(const std::string& payload);
    /// Gives a job, does `damage` when its connector has spoken, and waits for the failure: milliseconds from the damage.
    double fail_job(const std::string& payload, const std::function<void()>& damage);
    /// So many, one after the other: the time of each.
    std::vector<double> run_jobs(int count, const std::string& payload);
    /// Lets the connection live for so long.
    void rest(std::chrono::milliseconds time);
    /// Frames of the last job, in the order in which they came.
    const std::vector<std::string>& frames() const { return frames_; }

  private:
    void wait(const std::string& what, const std::function<bool()>& condition);
    bool heard(const std::string& text) const;
    /// Offers and assigns a job, with the claim in between.
    void give(const std::string& payload);
    std::shared_ptr<test::HubDouble::Peer> worker() const;

    boost::asio::io_context io_;
    test::HubDouble hub_;
    std::vector<std::string> frames_;
    std::string job_type_, job_id_;
    std::chrono::steady_clock::time_point assigned_;
    int jobs_ = 0;
};

}  // namespace emprops::bench
