#pragma once
// The client side of a Hub, for `submit` and `demo`: submits jobs over a WebSocket and tells what becomes of
// them. Survives a lost connection: it connects again and asks for the state of its jobs (a Hub forgets
// subscriptions), every 2 s. Event loop thread only; callbacks come from the loop.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "config/settings.h"
#include "ipc/messages.h"
#include "supervisor/hub/link.h"

namespace emprops::cli {

struct JobRequest {
    std::string job_id;  ///< empty: the Hub chooses
    std::string job_type;
    int priority = 0;
    ipc::RawJson payload;
};

class JobClient {
  public:
    struct Events {
        std::function<void(const std::string& job_id, int position)> accepted;
        /// `progress` -1: alive. `details` as the connector gave them.
        std::function<void(const std::string& job_id, int progress, const std::string& status,
                           const std::string& message)>
            progress;
        /// One attempt failed; the Hub may try again.
        std::function<void(const std::string& job_id, int attempt, const std::string& error)> attempt_failed;
        std::function<void(const std::string& job_id, const std::string& result)> completed;
        /// The end: failed for good, or cancelled.
        std::function<void(const std::string& job_id, const std::string& why)> failed;
        /// The Hub was never reached, or refused us: nothing more will come. `refused`: it was the token.
        std::function<void(const std::string& why, bool refused)> unreachable;
    };

    JobClient(boost::asio::io_context& loop, const config::HubSettings& settings, Events events);
    ~JobClient();

    void connect();
    /// Queued until the Hub has welcomed us.
    void submit(JobRequest request);
    void close();

  private:
    struct Job {
        int attempts = 0;
        bool ended = false;
    };

    void on_frame(std::string_view text);
    void on_closed(const std::string& reason);
    void on_job_status(const ipc::Json& message, std::string_view result);
    void ask_for(const std::string& job_id);
    void poll();
    void send(const ipc::Json& message);
    void end_job(const std::string& job_id, const std::function<void()>& tell);

    config::HubSettings settings_;
    Events events_;
    std::string client_id_;
    std::unique_ptr<hub::Link> link_;
    boost::asio::steady_timer timer_;
    std::vector<JobRequest> waiting_;
    std::map<std::string, Job> jobs_;
    std::string last_error_;
    bool welcomed_ = false;
    bool was_welcomed_ = false;
    bool polling_ = false;
    bool closing_ = false;
};

}  // namespace emprops::cli
