#pragma once
// A hub that gives one worker one job after the other and does nothing else, with the messages of the real one in their
// order. For the main thread of a benchmark; it throws std::runtime_error when the worker does not answer.

#include <boost/asio/io_context.hpp>
#include <string>

#include "tests/support/hub_double.h"

namespace emprops::bench {

class HubScript {
  public:
    HubScript();
    std::string url() const;
    /// Until a worker is connected and has said that it is idle.
    void wait_worker();
    /// Milliseconds from the assignment to the outcome; `payload` is JSON text. Throws if the job fails.
    double run_job(const std::string& payload);
    /// Lets the connection live for so long.
    void rest(std::chrono::milliseconds time);
    /// Frames of the last job, in the order in which they came.
    const std::vector<std::string>& frames() const { return frames_; }

  private:
    void wait(const std::string& what, const std::function<bool()>& condition);
    bool heard(const std::string& text) const;

    boost::asio::io_context io_;
    test::HubDouble hub_;
    std::vector<std::string> frames_;
    int jobs_ = 0;
};

}  // namespace emprops::bench
