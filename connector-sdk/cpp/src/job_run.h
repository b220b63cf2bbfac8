#pragma once
// One job: the context the connector gets, and what becomes of what it returns or throws. No threads of its
// own.

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "connector-sdk/cpp/src/cancel_token.h"
#include "connector-sdk/cpp/src/job_files.h"
#include "connector-sdk/cpp/src/job_outlet.h"
#include "emprops/connector.h"
#include "ipc/messages.h"

namespace emprops::sdk {

class RunningJob : public JobContext {
  public:
    /// `releases` are counted for the whole process, where there is an offer.
    RunningJob(const ipc::Job& job, JobOutlet& outlet, const std::optional<ipc::FilesOffer>& offer = {},
               std::shared_ptr<Releases> releases = nullptr);

    const Job& job() const { return job_; }
    CancelToken& token() { return token_; }
    /// From now on the context does nothing, whoever still calls it.
    void close();
    /// It takes no slot any more.
    bool released() const { return released_; }
    /// The line that ends the job is on its way: another one may be released instead of it.
    void end_release();
    std::vector<ipc::ResultFile> take_files() { return files_.take(); }

    void progress(std::optional<double> percent, const std::string& message, const std::string& status,
                  const Json& details) override;
    bool cancelled() const override { return token_.cancelled(); }
    std::string cancel_reason() const override { return token_.reason(); }
    bool supervisor_gone() const override {
        return token_.cancelled() && token_.cause() == CancelToken::Cause::gone;
    }
    bool wait_cancelled(std::chrono::milliseconds duration) override { return token_.wait(duration); }
    bool wait_turn() override { return token_.wait_turn(); }
    bool has_turn() const override { return token_.has_turn(); }
    void on_cancel(std::function<void()> callback) override { token_.on_cancel(std::move(callback)); }
    void service_request(const std::string& service, const std::string& request_type,
                         const Json& content) override;
    void accepted() override;
    bool release() override;
    Json add_file(OutputFile file) override { return files_.add(std::move(file)); }

  private:
    void send_droppable(std::string line);

    Job job_;
    CancelToken token_;
    JobFiles files_;
    const int max_released_;
    std::shared_ptr<Releases> releases_;
    std::atomic<bool> released_{false};
    std::mutex mutex_;
    JobOutlet* outlet_;  // null once closed
};

/// Runs the job on the calling thread and returns the line that ends it: a result or a failure, never longer
/// than `max_line_bytes`. Does not throw.
std::string run_job(Connector& connector, RunningJob& run, std::size_t max_line_bytes);

/// The line that ends a job without running it.
std::string failed_line(const std::string& job_id, const char* code, const std::string& message);

/// What an author means by a percentage: within 0..100, rounded; nothing for what is no number.
std::optional<int> to_percent(std::optional<double> percent);

/// What initialize() or process_job() threw; call inside a catch block.
ipc::JobError error_of_exception();

}  // namespace emprops::sdk
