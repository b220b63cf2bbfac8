#pragma once
// The C++ SDK for emprops-worker connectors. Derive from Connector, implement job_types() and process_job(),
// and hand an object to run_connector() in main(). The SDK does the protocol (ipc/PROTOCOL.md): handshake,
// pings answered while jobs run, cancel, drain, leaving at the end of stdin, and a guard that turns every
// stray print on stdout into a log line.
//
//     class Echo : public emprops::Connector {
//         std::vector<std::string> job_types() const override { return {"echo"}; }
//         emprops::Json process_job(const emprops::Job& job, emprops::JobContext& context) override {
//             context.progress(50, "half way");
//             return {{"status", "success"}, {"output", job.payload()}};
//         }
//     };
//     int main() { Echo echo; return emprops::run_connector(echo); }

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace emprops {

using Json = nlohmann::json;

/// Throw it from process_job() to fail the job with a code of ipc/PROTOCOL.md ("invalid_payload",
/// "service_unavailable", ...) or one of your own, prefixed with the connector's name and a dot. Any other
/// exception fails the job with code "internal" and its what().
class JobFailure : public std::runtime_error {
  public:
    JobFailure(std::string code, const std::string& message, bool retryable = true, Json details = nullptr);
    const std::string& code() const { return code_; }
    bool retryable() const { return retryable_; }
    const Json& details() const { return details_; }

  private:
    std::string code_;
    bool retryable_;
    Json details_;
};

/// Throw it from initialize() when retrying cannot help: the SDK reports it and exits with 78, and the
/// supervisor waits until the connector's settings change. Any other exception from initialize() is retried
/// with back-off.
class ConfigurationError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// What the worker does with files that the result of a job names (ipc/PROTOCOL.md, "Files").
struct FilesOffer {
    std::vector<std::string> stores;  ///< to which a file may be delivered, by name
    int max_files = 0;                ///< of one result
    int released = 0;                 ///< jobs of this process that may be released at a time
    std::uint64_t max_bytes = 0;      ///< of all files of one result together; 0: not limited
    /// Where files go that name no store, in the order in which they are tried; empty: not told.
    std::vector<std::string> deliver{};
    /// What a job may name beside "inline", "reference" and `deliver`: the operator's other stores are not for jobs.
    std::vector<std::string> jobs{};
};

/// What the supervisor said in `hello`.
struct ConnectorSettings {
    std::string worker_id;
    std::string connector;           ///< configured name
    int instance = 0;                ///< 0-based
    Json settings = Json::object();  ///< [connectors.NAME.settings]
    std::string work_dir;            ///< absolute; scratch folder of this instance
    std::string hub;                 ///< address of the Hub (job ids mean something there only); may be empty
    /// Jobs at a time that are configured, [connectors.NAME] concurrency; the SDK obeys it, whatever
    /// concurrency() says.
    std::optional<int> concurrency;
    /// Nothing: the worker (an older one) takes no files, add_file() throws and release() does nothing.
    std::optional<FilesOffer> files;
};

struct Features {
    bool cancel = true;   ///< process_job() looks at JobContext::cancelled()
    bool status = false;  ///< set_status() is called; no jobs come before the first available status
    bool resume = false;  ///< process_job() can take over a job whose earlier process died (Job::resume)
    /// process_job() may be called while other jobs have all slots: it prepares its job and then calls
    /// JobContext::wait_turn().
    bool prepare = false;
    /// All that the jobs make goes through add_file(): the worker then reads what the payload's `outputs` say of where the
    /// client wants the files (ipc/PROTOCOL.md, "Files").
    bool files = false;
};

/// One job. Valid while process_job() runs.
struct Job {
    std::string job_id;
    std::string job_type;
    std::int64_t priority = 0;
    int attempt = 1;
    bool resume = false;
    std::optional<std::chrono::milliseconds> timeout;
    std::string
        traceparent;       ///< W3C Trace Context of the job, for requests that are made for it; may be empty
    std::string work_dir;  ///< scratch folder of this job, removed at its end
    std::string payload_text;  ///< the payload's JSON, byte for byte as it came from the client

    /// The payload parsed; throws JobFailure("invalid_payload") if it is not a JSON object.
    Json payload() const;
};

/// A result as JSON text that is sent byte for byte (an object); for results that must not be re-encoded.
struct RawResult {
    std::string text;
};

/// A file that a job has made, for the worker to deliver. At least one of path and url; empty: not told.
struct OutputFile {
    /// Of a regular file in Job::work_dir: relative to it, or absolute; without ".." and links.
    std::string path;
    /// Where the service serves it (absolute): what the store "reference" hands out; others need the path.
    std::string url;
    /// For the client, without "/"; empty: the last part of path, else of the URL's path.
    std::string name;
    std::string mime_type;
    std::string kind;  ///< a word for what it is
    std::string node;  ///< the part of the job that made it
    /// Stores in the order in which they are tried; empty: the configured ones.
    std::vector<std::string> deliver;
    /// Prompts and other metadata are taken out on its way; where that cannot be, the job fails.
    bool strip_metadata = false;
    Json more = Json::object();  ///< further members of its entry in the result
};

/// The connector's line to the supervisor while one job runs. All functions may be called from any thread
/// until process_job() returns; later calls do nothing (the object lives until 256 more jobs have ended).
/// None of them throws (but add_file()) or blocks for long.
class JobContext {
  public:
    virtual ~JobContext() = default;

    /// Tells how far the job is. `percent` is clamped to 0..100; nullopt: alive, amount unknown. Calls within
    /// 50 ms of the last one are merged (the newest wins). `details` goes to the Hub as connector_details.
    virtual void progress(std::optional<double> percent, const std::string& message,
                          const std::string& status = "processing", const Json& details = nullptr) = 0;
    /// True once the job was cancelled (or the connector must leave). Return soon; what you return is not
    /// delivered. (A job that ends well without having looked at this while the connector leaves is.)
    virtual bool cancelled() const = 0;
    virtual std::string cancel_reason() const = 0;
    /// Sleeps; returns true at once when the job is cancelled, false when the time is over.
    virtual bool wait_cancelled(std::chrono::milliseconds duration) = 0;
    /// With Features::prepare: everything before this call may be done while another job runs; nothing that
    /// takes from that one (memory of the GPU, a place in a queue) may be. True, at once or when the slot is free:
    /// the job begins now. False: it was cancelled meanwhile. Progress, service_request() and accepted() before it
    /// say nothing to anybody.
    virtual bool wait_turn() { return true; }
    /// False: wait_turn() would wait.
    virtual bool has_turn() const { return true; }
    /// `callback` runs once when the job is cancelled (at once if it already is), on another thread, and may
    /// still run while process_job() returns: capture values or shared_ptrs, or use CancelGuard
    /// (cancel_guard.h), which makes captures by reference safe.
    virtual void on_cancel(std::function<void()> callback) = 0;
    /// True once cancelled() is true because the supervisor has gone without a word: the next one will give
    /// this job again, with `resume` where the connector has that feature. What the job has begun in an
    /// outside service, and can find there again, is then better left alone than taken back.
    virtual bool supervisor_gone() const { return false; }
    /// What is sent to the outside service, for the Hub's monitors. Also how the supervisor knows that the
    /// job has reached the service: call it right before the job is handed over.
    virtual void service_request(const std::string& service, const std::string& request_type,
                                 const Json& content) = 0;
    /// The service has begun this job, which service_request() told of before (it waits there no more). If
    /// the service dies, the job that it had begun is the one that is blamed; may be called again when it
    /// begins anew.
    virtual void accepted() {}
    /// What is scarce (the GPU) is free: the job needs nothing any more for which others wait, and its end follows.
    /// From then on it counts not for the concurrency, here and at the supervisor: process_job() is called for the next
    /// job while this one fetches, writes or checks its files. True: it is released, also if it was before. False: it
    /// keeps its slot, and nothing is lost but time: the worker knows of no releasing, so many jobs are released
    /// already (FilesOffer::released), the job has not begun (wait_turn()) or has ended.
    virtual bool release() { return false; }
    /// Adds a file to the result of this job; the worker delivers it once process_job() has returned, and takes the
    /// whole work_dir then: nothing may write into it any more. Returns what stands for the file's entry in the result
    /// ({"$file": 0} for the first one): put it there, once or more often, whatever process_job() or process_job_raw()
    /// returns. A file that the result does not mention fails the job. Files of a job that fails are not delivered.
    /// Throws JobFailure: "unsupported" if the worker takes no files (ConnectorSettings::files), "result_too_large" for
    /// too many, "protocol_error" for a path, URL or name that cannot be.
    virtual Json add_file(OutputFile file);
};

/// The connector's own line to the supervisor, outside of jobs. Thread-safe.
class ConnectorContext {
  public:
    virtual ~ConnectorContext() = default;
    /// State of the outside service; `available` false: no new jobs until it is true again.
    virtual void set_status(bool connected, bool available, const std::string& reason,
                            const std::string& service, const Json& details = nullptr) = 0;
    /// New capabilities (and job types, concurrency) after a change.
    virtual void update_capabilities(const Json& capabilities) = 0;
    /// Asks the supervisor to restart the companion service.
    virtual void restart_service(const std::string& reason) = 0;
    /// A structured log line: level is trace, debug, info, warn or error.
    virtual void log(const std::string& level, const std::string& message, const Json& fields = nullptr) = 0;
    /// From initialize(): it takes long, and this is how far it is. While these come, at least one within the worker's
    /// start_timeout, its prepare_timeout is the limit for initialize(). Does nothing with an older worker, and later.
    virtual void preparing(std::optional<double> /*percent*/, const std::string& /*message*/) {}
    /// Present values of figures for the operator's monitoring: objects of name to number, as in ipc/PROTOCOL.md,
    /// "metrics". A name that is not mentioned keeps its last value.
    virtual void metrics(const Json& /*counters*/, const Json& /*gauges*/ = Json::object()) {}
    /// True once the supervisor asked us to leave.
    virtual bool stopping() const = 0;
};

/// A connector. The SDK calls initialize() once, then process_job() on a thread per job (up to the
/// configured concurrency, else concurrency(), at a time), then shutdown() once no job runs any more.
class Connector {
  public:
    virtual ~Connector() = default;

    virtual std::string name() const { return {}; }
    virtual std::string version() const { return {}; }
    /// Prepares the connector; called after `hello`. Throw ConfigurationError for wrong settings.
    virtual void initialize(const ConnectorSettings& settings, ConnectorContext& context);
    /// Reads the settings and touches nothing else, for `emprops-worker check-config`: throws the ConfigurationError
    /// that initialize() would throw, and returns what initialize() would warn of. In a process of its own.
    virtual std::vector<std::string> check_settings(const ConnectorSettings& settings);
    virtual std::vector<std::string> job_types() const = 0;
    virtual Json capabilities() const { return Json::object(); }
    /// Jobs at a time where the configuration does not say it.
    virtual int concurrency() const { return 1; }
    virtual Features features() const { return {}; }

    /// Processes one job; returns its result (a JSON object). Throws to fail it. Override this one or
    /// process_job_raw().
    virtual Json process_job(const Job& job, JobContext& context);
    /// As process_job(), for results that are JSON text already.
    virtual RawResult process_job_raw(const Job& job, JobContext& context);

    virtual void shutdown() {}
};

/// Speaks the protocol on stdin/stdout until the supervisor ends it. Returns the exit code for main(): 0
/// after a clean end, 78 for a ConfigurationError, 70 for another failed initialize().
int run_connector(Connector& connector);

}  // namespace emprops
