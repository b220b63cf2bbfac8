#include "connector-sdk/cpp/src/job_run.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include "connector-sdk/cpp/src/json_limits.h"
#include "ipc/codec.h"
#include "ipc/envelope.h"
#include "ipc/file_marks.h"

namespace emprops::sdk {
namespace {

constexpr std::size_t max_text_bytes = 4096;  // of a progress message: it is for a person

Job to_public(const ipc::Job& job) {
    Job result;
    result.job_id = job.job_id;
    result.job_type = job.job_type;
    result.priority = job.priority;
    result.attempt = job.attempt;
    result.resume = job.resume;
    result.timeout = job.timeout;
    result.traceparent = job.traceparent;
    result.work_dir = job.work_dir;
    result.payload_text = job.payload.text();
    return result;
}

/// Refuses what the supervisor would refuse too, with an error that the connector's author understands.
void check_result(const std::string& text) {
    ipc::ScanLimits limits;
    limits.max_depth = ipc::max_value_depth;
    if (const auto error = ipc::check_json(text, limits))
        throw JobFailure(ipc::code::protocol_error,
                         "the result is not acceptable JSON at byte " + std::to_string(error->offset) + ": " +
                             error->reason,
                         false);
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string::npos || text[first] != '{')
        throw JobFailure(ipc::code::protocol_error, "the result must be a JSON object", false);
}

void check_marks(const std::string& result, std::size_t files) {
    const auto checked = ipc::check_file_marks(result, files);
    if (!checked)
        throw JobFailure(checked.error().code,
                         checked.error().message + " (it is what add_file() has returned)", false);
}

ipc::FromConnector outcome_of(Connector& connector, RunningJob& run) {
    const std::string& job_id = run.job().job_id;
    try {
        RawResult result = connector.process_job_raw(run.job(), run);
        check_result(result.text);
        std::vector<ipc::ResultFile> files = run.take_files();
        check_marks(result.text, files.size());
        return ipc::JobResult{job_id, {std::move(result.text)}, std::move(files)};
    } catch (...) {
        return ipc::Failed{job_id, error_of_exception()};
    }
}

/// A job that was told to stop is not reported as what it returned: that is half done, or its failure is only
/// the echo of the cancel.
std::optional<ipc::JobError> stopped(const CancelToken& token) {
    if (!token.fired()) return std::nullopt;
    ipc::JobError error;
    if (token.cause() == CancelToken::Cause::cancel) {
        error.code = ipc::code::cancelled;
        error.message = "the job was cancelled: " + token.reason();
    } else if (token.observed()) {
        error.code = ipc::code::drained;
        error.message = "the connector had to leave before the job was done: " + token.reason();
    } else {
        return std::nullopt;
    }
    return error;
}

}  // namespace

std::optional<int> to_percent(std::optional<double> percent) {
    if (!percent || std::isnan(*percent)) return std::nullopt;
    return static_cast<int>(std::lround(std::clamp(*percent, 0.0, 100.0)));
}

RunningJob::RunningJob(const ipc::Job& job, JobOutlet& outlet, const std::optional<ipc::FilesOffer>& offer,
                       std::shared_ptr<Releases> releases)
    : job_(to_public(job)),
      files_(offer),
      max_released_(offer ? offer->released : 0),
      releases_(std::move(releases)),
      outlet_(&outlet) {
    token_.set_turn(!job.prepare);
}

void RunningJob::close() {
    std::lock_guard lock(mutex_);
    outlet_ = nullptr;
    files_.take();
    std::string().swap(job_.payload_text);  // the context lives on for a while; the payload need not
}

void RunningJob::progress(std::optional<double> percent, const std::string& message,
                          const std::string& status, const Json& details) {
    if (!token_.has_turn()) return;
    ipc::Progress progress;
    progress.job_id = job_.job_id;
    progress.progress = to_percent(percent);
    progress.message = shortened(message, max_text_bytes);
    progress.status = shortened(status, max_text_bytes);
    progress.details = object_or_null(details);
    std::lock_guard lock(mutex_);
    if (outlet_ != nullptr) outlet_->progress(std::move(progress));
}

void RunningJob::service_request(const std::string& service, const std::string& request_type,
                                 const Json& content) {
    ipc::ServiceRequest request;
    request.job_id = job_.job_id;
    request.service = service;
    request.request_type = request_type;
    request.content = object_or_null(content);
    if (request.content.is_null()) request.content = Json::object();
    send_droppable(ipc::encode(request));
}

void RunningJob::accepted() {
    send_droppable(ipc::encode(ipc::Accepted{job_.job_id}));
}

bool RunningJob::release() {
    if (!token_.has_turn()) return false;
    std::lock_guard lock(mutex_);
    if (released_) return outlet_ != nullptr;
    if (outlet_ == nullptr || releases_ == nullptr || !releases_->take(max_released_)) return false;
    released_ = true;  // before the supervisor can send the next job
    outlet_->send(ipc::encode(ipc::Released{job_.job_id}));
    return true;
}

void RunningJob::end_release() {
    if (released_) releases_->give_back();
}

void RunningJob::send_droppable(std::string line) {
    if (!token_.has_turn()) return;
    std::lock_guard lock(mutex_);
    if (outlet_ != nullptr) outlet_->send_droppable(std::move(line));
}

std::string run_job(Connector& connector, RunningJob& run, std::size_t max_line_bytes) {
    ipc::FromConnector outcome = outcome_of(connector, run);
    const std::string& job_id = run.job().job_id;
    if (auto error = stopped(run.token())) outcome = ipc::Failed{job_id, std::move(*error)};
    std::string line = ipc::encode(outcome);
    const std::size_t size = line.size() - 1;  // the limit does not count the "\n"
    if (size <= max_line_bytes) return line;
    return failed_line(job_id, ipc::code::result_too_large,
                       "the line that ends the job has " + std::to_string(size) +
                           " bytes, and the supervisor takes " + std::to_string(max_line_bytes) +
                           " (max_line_bytes); return less, or put it where the client can fetch it");
}

std::string failed_line(const std::string& job_id, const char* code, const std::string& message) {
    ipc::JobError error;
    error.code = code;
    error.message = message;
    error.retryable = error.code == ipc::code::not_started;
    return ipc::encode(ipc::Failed{job_id, std::move(error)});
}

ipc::JobError error_of_exception() {
    ipc::JobError error;
    try {
        throw;
    } catch (const JobFailure& failure) {
        error.code = failure.code();
        error.message = shortened(failure.what());
        error.retryable = failure.retryable();
        error.details = object_or_null(failure.details());
    } catch (const ConfigurationError& wrong) {
        error.message = shortened(wrong.what());
        error.retryable = false;
    } catch (const std::bad_alloc&) {
        error.code = ipc::code::out_of_memory;
        error.message = "the connector ran out of memory";
    } catch (const std::exception& other) {
        error.message = shortened(other.what());
    } catch (...) {
        error.message = "the connector threw something that is not a std::exception";
    }
    return error;
}

}  // namespace emprops::sdk
