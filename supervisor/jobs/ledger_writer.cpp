#include "supervisor/jobs/ledger_writer.h"

#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <filesystem>
#include <memory>
#include <new>
#include <system_error>

#include "supervisor/base/memory.h"

namespace emprops::jobs {

namespace asio = boost::asio;

LedgerWriter::LedgerWriter(LedgerFolder folder, Ms retry_interval, asio::any_io_executor executor,
                           std::map<std::uint64_t, std::uint64_t> sizes, std::string problem,
                           OnReport on_report)
    : folder_(std::move(folder)),
      retry_interval_(retry_interval),
      executor_(std::move(executor)),
      sizes_(std::move(sizes)),
      problem_(std::move(problem)),
      on_report_(std::move(on_report)),
      thread_([this] { run(); }) {}

LedgerWriter::~LedgerWriter() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    woken_.notify_one();
    thread_.join();
}

void LedgerWriter::queue(Operation operation) {
    Queued queued{std::move(operation), asio::prefer(executor_, asio::execution::outstanding_work.tracked)};
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(queued));
    }
    woken_.notify_one();
}

void LedgerWriter::run() {
    for (;;) {
        std::vector<Queued> batch;
        bool ending = false;
        {
            std::unique_lock lock(mutex_);
            const auto something = [this] { return ending_ || !queue_.empty(); };
            if (problem_.empty())
                woken_.wait(lock, something);
            else
                woken_.wait_for(lock, retry_interval_, something);
            batch.swap(queue_);
            ending = ending_;
        }
        const TimePoint now = Clock::now();
        const bool retry = !problem_.empty() && (ending || now - last_retry_ >= retry_interval_);
        if (retry) last_retry_ = now;
        if (!batch.empty() || retry) work(std::move(batch), retry);
        if (ending) return;  // nothing is queued after the destructor began
    }
}

/// The record of `operation` with one more claim; nothing when there is no such record.
std::optional<std::string> LedgerWriter::with_claim(const Pending& pending,
                                                    const Operation& operation) const {
    std::optional<std::string> content;
    if (const auto it = pending.find(operation.number); it != pending.end())
        content = it->second.content;
    else if (const auto kept = refused_.find(operation.number); kept != refused_.end())
        content = kept->second.content;
    else
        content = folder_.read(operation.file);
    if (!content) return std::nullopt;
    Result<LedgerRecord> record = decode_record(*content);
    if (!record.ok()) return std::nullopt;
    record->claimed_as.push_back(std::get<AddClaim>(operation.change).claimed_as);
    return encode_record(*record);
}

void LedgerWriter::work(std::vector<Queued> batch, bool retry) {
    Pending pending;
    std::map<std::uint64_t, Result<>> too_large;
    if (retry) pending = refused_;
    for (Queued& queued : batch) {
        const Operation& operation = queued.operation;
        if (operation.file.empty()) continue;  // a record that nobody knows
        LedgerFolder::Change change{operation.file, std::nullopt};
        try {
            if (const LedgerRecord* record = std::get_if<LedgerRecord>(&operation.change)) {
                change.content = encode_record(*record);
            } else if (std::holds_alternative<AddClaim>(operation.change)) {
                change.content = with_claim(pending, operation);
                if (!change.content) continue;
            }
        } catch (const std::bad_alloc&) {
            too_large.emplace(operation.number,
                              Error{"no_memory", std::string("for this record ") + no_memory});
            continue;
        }
        pending[operation.number] = std::move(change);  // the newest state of a record is all that counts
    }
    Report report;
    std::map<std::uint64_t, Result<>> results = apply(std::move(pending), report);
    results.merge(too_large);
    report.disk_ok = problem_.empty();
    report.reason = problem_;
    for (const auto& [number, bytes] : sizes_)
        report.bytes += bytes;
    asio::post(executor_, [on_report = on_report_, report] { on_report(report); });
    for (Queued& queued : batch) {
        if (!queued.operation.done) continue;
        const auto it = results.find(queued.operation.number);
        Result<> result = it == results.end() ? Result<>(Ok{}) : it->second;
        asio::post(queued.executor,
                   [done = std::move(queued.operation.done), change = std::move(queued.operation.change),
                    result = std::move(result)]() mutable { done(std::move(result), std::move(change)); });
    }
}

std::map<std::uint64_t, Result<>> LedgerWriter::apply(Pending pending, Report& report) {
    std::vector<LedgerFolder::Change> changes;
    for (auto& [number, change] : pending)
        changes.push_back(std::move(change));
    if (!problem_.empty()) {
        // A write that always takes place tells whether the disk works again.
        std::error_code ignored;
        std::filesystem::create_directories(folder_.path(), ignored);
        changes.push_back({"probe", std::string(4096, '\n')});
    }
    const std::vector<Result<>> applied = folder_.apply(changes);

    std::map<std::uint64_t, Result<>> results;
    std::string problem;
    std::size_t i = 0;
    for (const auto& [number, moved] : pending) {
        LedgerFolder::Change& change = changes[i];
        const Result<>& result = applied[i++];
        results.emplace(number, result);
        if (result.ok()) {
            refused_.erase(number);
            if (change.content)
                sizes_[number] = change.content->size();
            else
                sizes_.erase(number);
            ++report.writes;
        } else {
            problem = result.error().message;
            refused_[number] = std::move(change);
            ++report.errors;
        }
    }
    if (i < applied.size() && !applied[i].ok() && problem.empty()) problem = applied[i].error().message;
    if (problem.empty() && !refused_.empty()) problem = problem_;
    problem_ = std::move(problem);
    return results;
}

}  // namespace emprops::jobs
