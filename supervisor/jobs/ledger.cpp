#include "supervisor/jobs/ledger.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "supervisor/jobs/ledger_folder.h"
#include "supervisor/jobs/ledger_record.h"
#include "supervisor/jobs/ledger_writer.h"
#include "supervisor/jobs/state_lock.h"

namespace emprops::jobs {
namespace {

constexpr const char* epoch_file = "epoch";

std::uint64_t parse_epoch(const std::optional<std::string>& text) {
    std::uint64_t epoch = 0;
    for (const char c : text.value_or("")) {
        if (c < '0' || c > '9' || epoch > 0xFFFF'FFFF) break;
        epoch = epoch * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return epoch;
}

/// What the event loop knows of the disk. A report that arrives after the end of the ledger finds this object gone.
struct DiskView {
    LedgerOptions options;
    Ledger::Health callback;
    bool disk_ok = true;
    std::string disk_reason;
    std::uint64_t bytes = 0;
    std::size_t records = 0;
    std::map<std::uint64_t, bool> outcomes;  // of records with one: whether it is written
    std::uint64_t writes = 0;
    std::uint64_t errors = 0;
    bool told_healthy = true;

    std::string problem() const {
        if (!disk_ok) return disk_reason;
        const std::string clear = "; it shrinks when the Hub takes what is finished";
        if (bytes > options.max_bytes)
            return "the job ledger holds " + std::to_string(bytes >> 20) + " MiB, more than its limit of " +
                   std::to_string(options.max_bytes >> 20) + " MiB" + clear;
        if (records > options.max_records)
            return "the job ledger holds " + std::to_string(records) + " records, more than its limit of " +
                   std::to_string(options.max_records) + clear;
        return "";
    }
    void tell() {
        const std::string why = problem();
        if (why.empty() == told_healthy || !callback) return;
        told_healthy = why.empty();
        callback(told_healthy, told_healthy ? "the job ledger can be written" : why);
    }
};

LedgerWriter::Done without_change(Ledger::Done done) {
    if (!done) return {};
    return
        [done = std::move(done)](Result<> result, const LedgerWriter::Change&) { done(std::move(result)); };
}

}  // namespace

struct Ledger::State {
    LedgerOptions options;
    std::uint64_t first_number = 0;
    std::uint64_t bad_files = 0;
    Loaded loaded;
    std::map<std::uint64_t, LedgerRecord> known;  // everything but payload and outcome
    std::shared_ptr<DiskView> health = std::make_shared<DiskView>();
    std::optional<StateLock> lock;       // given back last
    std::optional<LedgerWriter> writer;  // ends first

    void write(LedgerRecord record, LedgerWriter::Done done) {
        LedgerWriter::Operation operation;
        operation.number = record.number;
        operation.file = record_file_name(record.job_id, record.number);
        operation.change = std::move(record);
        operation.done = std::move(done);
        writer->queue(std::move(operation));
        health->records = known.size();
    }
};

Ledger::Ledger(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::open(LedgerOptions options, boost::asio::any_io_executor executor) {
    auto state = std::make_unique<State>();
    state->options = options;
    Result<StateLock> lock = StateLock::acquire(options.state_dir);
    if (!lock.ok()) return lock.error();
    state->lock.emplace(std::move(lock).value());

    LedgerFolder folder(options.state_dir / "ledger", options.durability == Durability::disk);
    if (Result<> ready = folder.prepare(); !ready.ok()) return Error{"state_dir", ready.error().message};
    Result<std::vector<std::string>> files = folder.list();
    if (!files.ok()) return Error{"state_dir", files.error().message};

    Loaded& loaded = state->loaded;
    std::map<std::uint64_t, std::uint64_t> sizes;
    std::uint64_t epoch = parse_epoch(folder.read(epoch_file));
    for (const std::string& file : *files) {
        const std::string path = (folder.path() / file).string();
        const std::optional<std::string> content = folder.read(file);
        if (!content) {
            loaded.warnings.push_back("the job ledger's file " + path + " cannot be read and is left alone");
            continue;
        }
        Result<LedgerRecord> decoded = decode_record(*content);
        if (!decoded.ok() && decoded.error().code == "version") {
            loaded.warnings.push_back("the job ledger's file " + path +
                                      " is left alone: " + decoded.error().message);
            continue;
        }
        if (!decoded.ok()) {
            ++state->bad_files;
            loaded.warnings.push_back("the job ledger's file " + path + " cannot be used (" +
                                      decoded.error().message + "); it lies in " +
                                      folder.set_aside(file, options.max_bad_files) +
                                      " now, and its job is not reported");
            continue;
        }
        LedgerRecord record = std::move(decoded).value();
        epoch = std::max(epoch, record.number >> 32);
        if (record.hub_url != options.hub_url) {
            ++loaded.foreign;
            continue;
        }
        sizes[record.number] = content->size();
        const AssignmentNote note{record.claimed_as, record.connector, record.attempt,
                                  record.payload.has_value()};
        LedgerRecord& known = state->known[record.number];
        known = record;
        known.payload.reset();
        known.outcome.reset();
        if (record.outcome) {
            state->health->outcomes[record.number] = true;
            Outcome outcome{record.job_id, record.number, std::move(*record.outcome)};
            loaded.finished.push_back({std::move(outcome), record.job_type, note});
        } else {
            Assignment assignment{record.job_id, record.job_type, record.priority,
                                  record.payload ? std::move(*record.payload) : ipc::RawJson{},
                                  record.number};
            loaded.unfinished.push_back({std::move(assignment), note});
        }
    }
    std::sort(loaded.finished.begin(), loaded.finished.end(),
              [](const auto& a, const auto& b) { return a.outcome.number < b.outcome.number; });
    std::sort(loaded.unfinished.begin(), loaded.unfinished.end(),
              [](const auto& a, const auto& b) { return a.assignment.number < b.assignment.number; });

    ++epoch;
    state->first_number = (epoch << 32) + 1;
    const std::vector<Result<>> counted = folder.apply({{epoch_file, std::to_string(epoch) + "\n"}});
    if (std::string warning = folder.take_warning(); !warning.empty())
        loaded.warnings.push_back(std::move(warning));

    DiskView& health = *state->health;
    health.options = std::move(options);
    health.records = state->known.size();
    for (const auto& [number, bytes] : sizes)
        health.bytes += bytes;
    health.disk_ok = counted[0].ok();
    if (!health.disk_ok) health.disk_reason = counted[0].error().message;
    const auto on_report = [weak =
                                std::weak_ptr<DiskView>(state->health)](const LedgerWriter::Report& report) {
        const std::shared_ptr<DiskView> alive = weak.lock();
        if (!alive) return;
        alive->disk_ok = report.disk_ok;
        alive->disk_reason = report.reason;
        alive->bytes = report.bytes;
        alive->writes += report.writes;
        alive->errors += report.errors;
        alive->tell();
    };
    const Ms retry_interval = health.options.retry_interval;
    state->writer.emplace(std::move(folder), retry_interval, std::move(executor), std::move(sizes),
                          health.disk_reason, on_report);
    return std::unique_ptr<Ledger>(new Ledger(std::move(state)));
}

Loaded Ledger::take_loaded() {
    return std::exchange(state_->loaded, {});
}

void Ledger::on_health(Health callback) {
    state_->health->callback = std::move(callback);
    state_->health->tell();
}

std::string Ledger::problem() const {
    return state_->health->problem();
}

std::uint64_t Ledger::first_number() const {
    return state_->first_number;
}

void Ledger::record_assignment(const Assignment& assignment, AssignmentNote note, Done done) {
    LedgerRecord& record = state_->known[assignment.number];
    record.hub_url = state_->options.hub_url;
    record.number = assignment.number;
    record.job_id = assignment.job_id;
    record.job_type = assignment.job_type;
    record.priority = assignment.priority;
    for (std::string& id : note.claimed_as) {
        const bool there =
            std::find(record.claimed_as.begin(), record.claimed_as.end(), id) != record.claimed_as.end();
        if (!there && !id.empty()) record.claimed_as.push_back(std::move(id));
    }
    record.connector = std::move(note.connector);
    record.attempt = note.attempt;
    LedgerRecord whole = record;
    if (note.with_payload) whole.payload = assignment.payload;
    state_->write(std::move(whole), without_change(std::move(done)));
}

void Ledger::add_claim(std::uint64_t number, const std::string& claimed_as, Done done) {
    LedgerWriter::Operation operation;
    operation.number = number;
    operation.change = LedgerWriter::AddClaim{claimed_as};
    operation.done = without_change(std::move(done));
    if (const auto it = state_->known.find(number); it != state_->known.end()) {
        LedgerRecord& record = it->second;
        operation.file = record_file_name(record.job_id, number);
        record.claimed_as.push_back(claimed_as);
    }
    state_->writer->queue(std::move(operation));
}

void Ledger::record_outcome(Outcome outcome, OutcomeDone done) {
    LedgerRecord& record = state_->known[outcome.number];
    record.hub_url = state_->options.hub_url;
    record.number = outcome.number;
    record.job_id = outcome.job_id;
    LedgerRecord whole = record;
    whole.outcome = std::move(outcome.value);
    state_->health->outcomes[outcome.number] = false;
    const std::weak_ptr<DiskView> view = state_->health;
    state_->write(std::move(whole),
                  [done = std::move(done), view](Result<> result, LedgerWriter::Change change) {
                      LedgerRecord& written = std::get<LedgerRecord>(change);
                      const std::shared_ptr<DiskView> alive = view.lock();
                      if (alive && result.ok() && alive->outcomes.contains(written.number))
                          alive->outcomes[written.number] = true;
                      done(std::move(result),
                           Outcome{std::move(written.job_id), written.number, std::move(*written.outcome)});
                  });
}

void Ledger::remove(std::uint64_t number, Done done) {
    LedgerWriter::Operation operation;
    operation.number = number;
    operation.change = LedgerWriter::Remove{};
    operation.done = without_change(std::move(done));
    if (const auto it = state_->known.find(number); it != state_->known.end()) {
        operation.file = record_file_name(it->second.job_id, number);
        state_->known.erase(it);
    }
    state_->health->outcomes.erase(number);
    state_->health->records = state_->known.size();
    state_->writer->queue(std::move(operation));
}

Ledger::Stats Ledger::stats() const {
    Stats stats;
    stats.records = state_->known.size();
    const auto& outcomes = state_->health->outcomes;
    stats.outcomes = static_cast<std::size_t>(
        std::count_if(outcomes.begin(), outcomes.end(), [](const auto& entry) { return entry.second; }));
    stats.bytes = state_->health->bytes;
    stats.writes = state_->health->writes;
    stats.write_errors = state_->health->errors;
    stats.bad_files = state_->bad_files;
    return stats;
}

}  // namespace emprops::jobs
