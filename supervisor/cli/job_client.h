#pragma once
// The client side of a Hub, for `submit` and `demo`: submits jobs over a WebSocket and tells what becomes of
// them. Survives a lost connection: it connects again and asks for the state of its jobs (a Hub forgets
// subscriptions), every 2 s. A job that the Hub has neither taken nor refused within 30 s, or whose
// acceptance was lost with a connection and cannot be asked for (it had no id), is given up as `uncertain`:
// submitting it again could run it twice. Event loop thread only; callbacks come from the loop.

#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "config/settings.h"
#include "ipc/hub/messages.h"
#include "ipc/result.h"
#include "supervisor/base/time.h"
#include "supervisor/base/timer.h"
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
        /// `position` 0: not told.
        std::function<void(const std::string& job_id, int position)> accepted;
        /// The Hub answered the submission with an error. `job_id` is empty when none was asked for.
        std::function<void(const std::string& job_id, const std::string& why)> not_taken;
        /// `progress` -1: alive. `details` as the connector gave them.
        std::function<void(const std::string& job_id, int progress, const std::string& status,
                           const std::string& message)>
            progress;
        /// One attempt failed; the Hub may try again.
        std::function<void(const std::string& job_id, int attempt, const std::string& error)> attempt_failed;
        std::function<void(const std::string& job_id, const std::string& result)> completed;
        /// The end: failed for good, cancelled, or the Hub has forgotten the job.
        std::function<void(const std::string& job_id, const std::string& why)> failed;
        /// A connection on which the Hub had welcomed us has ended, or a further one could not be made; the next
        /// attempt follows. May be empty.
        std::function<void(const std::string& why)> lost;
        /// The Hub was never reached, or refused us: nothing more will come. `refused`: it was the token.
        std::function<void(const std::string& why, bool refused)> unreachable;
        /// Nobody knows whether the Hub took a job; `why` is a whole sentence. Nothing more will come.
        std::function<void(const std::string& why)> uncertain;
    };
    struct Limits {
        Ms poll_interval{2'000};
        Ms acceptance{30'000};
    };

    /// `link` is for tests; default: a WebSocket.
    JobClient(boost::asio::io_context& loop, const config::HubSettings& settings, Events events,
              Limits limits, std::unique_ptr<hub::Link> link = nullptr);
    JobClient(boost::asio::io_context& loop, const config::HubSettings& settings, Events events)
        : JobClient(loop, settings, std::move(events), Limits{}) {}
    ~JobClient();

    void connect();
    /// Sent as soon as the Hub has welcomed us. Error "too_large": above hub.send_limit, not sent.
    Result<> submit(JobRequest request);
    /// `done` (may be empty) is called when the connection is closed, 2 s later at most.
    void close(std::function<void()> done);

  private:
    /// Submitted by our caller, not yet answered by the Hub.
    struct Pending {
        std::string job_id;
        std::string frame;
        bool sent = false;
        bool asked = false;  ///< after a reconnect: does the Hub have it?
    };
    struct Job {
        int attempts = 0;
        bool ended = false;
    };

    void on_frame(std::string_view text);
    void on_closed(const std::string& reason);
    void on_job_status(const hub::JobStatus& status);
    void on_error(const hub::HubError& error);
    bool is_running(const std::string& job_id) const;
    void on_accepted(const std::string& job_id, int position);
    void on_welcome();
    void send_pending(Pending& pending);
    void limit_acceptance();
    void drop();
    std::deque<Pending>::iterator find_pending(const std::string& job_id);
    void give_up_waiting(const std::string& why);
    void ask_for(const std::string& job_id);
    void poll();
    void end_job(const std::string& job_id, const std::function<void()>& tell);

    config::HubSettings settings_;
    Events events_;
    std::string client_id_;
    Limits limits_;
    std::unique_ptr<hub::Link> link_;
    Timer timer_;
    Timer acceptance_;
    std::function<void()> closed_;
    std::deque<Pending> pending_;
    std::map<std::string, Job> jobs_;
    bool refused_ = false;  ///< the Hub's last error was about our token
    bool linked_ = false;   ///< a connection exists or is being made
    bool welcomed_ = false;
    bool was_welcomed_ = false;
    bool polling_ = false;
    bool closing_ = false;
};

}  // namespace emprops::cli
