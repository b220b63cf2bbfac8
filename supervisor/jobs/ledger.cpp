#include "supervisor/jobs/ledger.h"

#include <algorithm>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "ipc/text/values.h"
#include "supervisor/base/alarm.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/privacy.h"
#include "supervisor/jobs/ledger_desk.h"
#include "supervisor/jobs/ledger_folder.h"
#include "supervisor/jobs/ledger_found.h"
#include "supervisor/jobs/ledger_thread.h"
#include "supervisor/jobs/state_lock.h"

namespace emprops::jobs {
namespace {

namespace asio = boost::asio;

constexpr const char* epoch_file = "epoch";
constexpr std::string_view marker =
    R"({"version":2,"note":"the job ledger is in the *.journal files beside this one; an older worker cannot read it"})"
    "\n";
/// Durability::process, where a sync only looks whether the files are in place.
constexpr Ms look_interval{1'000};

std::uint64_t parse_epoch(const std::optional<std::string>& text) {
    std::uint64_t epoch = 0;
    for (const char c : text.value_or("")) {
        if (c < '0' || c > '9' || epoch > 0xFFFF'FFFF) break;
        epoch = epoch * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return epoch;
}

journal::Options journal_options(const LedgerOptions& options) {
    journal::Options result;
    result.sync_interval = options.durability == Durability::disk ? options.sync_interval : look_interval;
    result.retry_interval = options.retry_interval;
    return result;
}

LedgerDesk::Done without_change(Ledger::Done done) {
    if (!done) return {};
    return [done = std::move(done)](Result<> result, const LedgerDesk::Change&) { done(std::move(result)); };
}

}  // namespace

/// What the thread's news reach: gone, they are for nobody.
class Ledger::Core : public std::enable_shared_from_this<Core> {
  public:
    Core(const LedgerOptions& options, asio::any_io_executor executor)
        : folder(options.state_dir / "ledger", options.durability == Durability::disk),
          options_(options),
          executor_(std::move(executor)),
          alarm_(executor_, [this] {
              const auto living = shared_from_this();
              on_news();
          }) {}

    /// Until nothing is on its way to the disk, or it refuses. Blocking; without the thread.
    void settle() {
        TimePoint now = Clock::now();
        for (;;) {
            const auto tasks = desk->take_tasks(now);
            for (const journal::Task& task : tasks)
                desk->on_done(now, journal::carry_out(folder, task));
            if (!desk->problem().empty()) return;
            if (!tasks.empty()) continue;
            if (desk->is_settled()) return;
            const auto next = desk->next_wakeup();
            if (!next) return;
            now = std::max(now, *next);
        }
    }
    void start_thread() {
        thread_.emplace(folder, executor_, [weak = weak_from_this()] {
            if (const auto core = weak.lock()) core->on_news();
        });
    }
    void finish() {
        alarm_.set({});
        if (!thread_) return;
        thread_->finish();
        for (journal::TaskDone& done : thread_->take_done())
            desk->on_done(Clock::now(), std::move(done));
        settle();
        hand_out_answers();
    }

    void put(LedgerDesk::Operation operation) {
        if (operation.done) {
            // Keeps the event loop running until it was answered.
            operation.done = [done = std::move(operation.done),
                              work = asio::prefer(executor_, asio::execution::outstanding_work.tracked)](
                                 Result<> result, LedgerDesk::Change change) {
                done(std::move(result), std::move(change));
            };
        }
        desk->put(Clock::now(), std::move(operation));
        after_turn();
    }
    std::string problem() const {
        if (!lock_problem.empty()) return lock_problem;
        if (!start_problem.empty()) return start_problem;
        if (!desk->problem().empty()) return desk->problem();
        constexpr const char* clear = "; it shrinks when the Hub takes what is finished";
        if (desk->bytes() > options_.max_bytes)
            return "the job ledger holds " + std::to_string(desk->bytes() >> 20) +
                   " MiB, more than its limit of " + std::to_string(options_.max_bytes >> 20) + " MiB" +
                   clear;
        if (known.size() > options_.max_records)
            return "the job ledger holds " + std::to_string(known.size()) +
                   " records, more than its limit of " + std::to_string(options_.max_records) + clear;
        return "";
    }
    void on_health(Health callback) {
        on_health_ = std::move(callback);
        tell();
    }
    void tell() {
        const std::string why = problem();
        if (why.empty() == told_healthy_ || !on_health_) return;
        told_healthy_ = why.empty();
        on_health_(told_healthy_, told_healthy_ ? "the job ledger can be written" : why);
    }

    LedgerFolder folder;
    std::optional<LedgerDesk> desk;
    std::map<std::uint64_t, LedgerRecord> known;  // everything but payload and outcome
    std::map<std::uint64_t, bool> outcomes;       // of records with one: whether it is written
    std::string start_problem;                    // what the disk refused before the first operation
    std::string lock_problem;                     // why the state folder is not ours any more; empty: it is

  private:
    void on_news() {
        for (journal::TaskDone& done : thread_->take_done())
            desk->on_done(Clock::now(), std::move(done));
        after_turn();
    }
    void after_turn() {
        for (journal::Task& task : desk->take_tasks(Clock::now()))
            thread_->queue(std::move(task));
        alarm_.set(desk->next_wakeup());
        start_problem.clear();
        if (problem().empty() != told_healthy_) {
            later(executor_, [weak = weak_from_this()] {
                if (const auto core = weak.lock()) core->tell();
            });
        }
        hand_out_answers();
    }
    void hand_out_answers() {
        auto answers = desk->take_answers();
        if (answers.empty()) return;
        later(executor_, [answers = std::move(answers)]() mutable {
            for (LedgerDesk::Answer& each : answers)
                each.done(std::move(each.result), std::move(each.change));
        });
    }

    const LedgerOptions options_;
    const asio::any_io_executor executor_;
    Alarm alarm_;
    Health on_health_;
    bool told_healthy_ = true;
    std::optional<LedgerThread> thread_;
};

struct Ledger::State {
    LedgerOptions options;
    std::uint64_t first_number = 0;
    std::uint64_t bad_files = 0;
    Loaded loaded;
    std::optional<StateLock> lock;  // given back last
    std::shared_ptr<Core> core;

    ~State() {
        if (core) core->finish();
    }
    /// Takes up what was found; whole records go to `loaded`.
    void take(std::map<std::uint64_t, LedgerRecord> records) {
        for (auto& [number, record] : records) {
            if (record.hub_url != options.hub_url) {
                ++loaded.foreign;
                if (record.delivery) loaded.foreign_deliveries.push_back(std::move(*record.delivery));
                continue;
            }
            const AssignmentNote note{record.claimed_as, record.connector, record.attempt,
                                      record.payload.has_value(), record.begun};
            if (record.delivery) {
                auto& result = std::get<Completed>(*record.outcome).result;
                loaded.unfinished.push_back({{record.job_id, record.job_type, record.priority, {}, number},
                                             note,
                                             DeliveryRecord{std::move(result), std::move(*record.delivery)}});
            } else if (record.outcome) {
                core->outcomes[number] = true;
                loaded.finished.push_back(
                    {{record.job_id, number, std::move(*record.outcome)}, record.job_type, note});
            } else {
                ipc::RawJson payload = record.payload ? std::move(*record.payload) : ipc::RawJson{};
                loaded.unfinished.push_back(
                    {{record.job_id, record.job_type, record.priority, std::move(payload), number},
                     note,
                     {}});
            }
            record.payload.reset();
            record.outcome.reset();
            record.delivery.reset();
            record.data.reset();
            core->known[number] = std::move(record);
        }
    }
    /// The files of a worker from before the journal go into it; each stays until all are there for good.
    void import(const LedgerFound& found) {
        if (found.old_files.empty()) return;
        for (const auto& [number, file] : found.old_files) {
            if (found.journal.records.contains(number)) continue;
            core->desk->put(Clock::now(), {number, found.records.at(number), {}});
        }
        core->settle();
        if (!core->desk->is_settled()) return;
        for (const auto& [number, file] : found.old_files)
            (void)core->folder.remove(file);  // one that stays is imported once more
    }
    void write(LedgerRecord record, LedgerDesk::Done done) {
        const std::uint64_t number = record.number;
        core->put({number, std::move(record), std::move(done)});
    }
};

Ledger::Ledger(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::open(LedgerOptions options, boost::asio::any_io_executor executor) {
    auto state = std::make_unique<State>();
    Result<StateLock> lock = StateLock::acquire(options.state_dir);
    if (!lock.ok()) return lock.error();
    state->lock.emplace(std::move(lock).value());
    state->options = options;

    state->core = std::make_shared<Core>(options, std::move(executor));
    Core& core = *state->core;
    LedgerFolder& folder = core.folder;
    if (Result<> ready = folder.prepare(); !ready.ok()) return Error{"state_dir", ready.error().message};
    auto found = find_ledger(folder, options.max_bad_files);
    if (!found.ok()) return Error{"state_dir", found.error().message};
    core.desk.emplace(folder, journal_options(options), found->journal, found->data);
    core.settle();
    state->import(*found);
    for (const std::string& name : found->leftovers)
        (void)folder.remove(name);

    std::uint64_t epoch = parse_epoch(folder.read(epoch_file));
    for (const auto& [number, record] : found->records)
        epoch = std::max(epoch, number >> 32);
    ++epoch;
    state->first_number = (epoch << 32) + 1;
    state->bad_files = found->bad;
    state->loaded.warnings = std::move(found->warnings);
    Result<> written = folder.replace(epoch_file, std::to_string(epoch) + "\n");
    if (written.ok() && !folder.read(marker_file)) written = folder.replace(marker_file, marker);
    if (std::string warning = folder.take_warning(); !warning.empty())
        state->loaded.warnings.push_back(std::move(warning));
    state->take(std::move(found->records));

    if (!written.ok()) core.start_problem = written.error().message;
    core.start_thread();
    return std::unique_ptr<Ledger>(new Ledger(std::move(state)));
}

Loaded Ledger::take_loaded() {
    return std::exchange(state_->loaded, {});
}

void Ledger::on_health(Health callback) {
    state_->core->on_health(std::move(callback));
}

std::string Ledger::problem() const {
    return state_->core->problem();
}

std::vector<std::string> Ledger::look() {
    std::vector<std::string> told;
    const std::filesystem::path& state_dir = state_->options.state_dir;
    Core& core = *state_->core;
    const Result<bool> made = state_->lock->look();
    if (!made.ok() && made.error().message != core.lock_problem)
        told.push_back(
            "the lock of " + state_dir.string() +
            " was removed (by a cleaner of old files?) and cannot be taken again, so no job is taken: " +
            made.error().message);
    if (made.ok() && *made)
        told.push_back("the file " + (state_dir / "lock").string() +
                       " was removed (by a cleaner of old files?) and is made and locked again");
    core.lock_problem = made.ok() ? "" : made.error().message;
    core.tell();
    if (!made.ok()) return told;

    // What is owed goes into it again by itself.
    const std::filesystem::path folder = state_dir / "ledger";
    std::error_code error;
    if (!std::filesystem::exists(folder, error) && !error && !make_private_folder(folder))
        told.push_back(
            "the job ledger's folder " + folder.string() +
            " was removed (by a cleaner of old files?) and is made again; keep cleaners away from it");
    return told;
}

std::uint64_t Ledger::first_number() const {
    return state_->first_number;
}

void Ledger::record_assignment(const Assignment& assignment, AssignmentNote note, Done done) {
    LedgerRecord& record = state_->core->known[assignment.number];
    record.hub_url = state_->options.hub_url;
    record.number = assignment.number;
    record.job_id = assignment.job_id;
    record.job_type = assignment.job_type;
    record.priority = assignment.priority;
    for (std::string& id : note.claimed_as) {
        const bool there = text::has_item(record.claimed_as, id);
        if (!there && !id.empty()) record.claimed_as.push_back(std::move(id));
    }
    record.connector = std::move(note.connector);
    record.attempt = note.attempt;
    record.begun = note.begun;
    LedgerRecord whole = record;
    if (note.with_payload) whole.payload = assignment.payload;
    state_->write(std::move(whole), without_change(std::move(done)));
}

void Ledger::add_claim(std::uint64_t number, const std::string& claimed_as, Done done) {
    if (const auto it = state_->core->known.find(number); it != state_->core->known.end())
        it->second.claimed_as.push_back(claimed_as);
    state_->core->put({number, LedgerDesk::AddClaim{claimed_as}, without_change(std::move(done))});
}

void Ledger::record_delivery(std::uint64_t number, const std::string& job_id, DeliveryRecord delivery,
                             Done done) {
    LedgerRecord& record = state_->core->known[number];
    record.hub_url = state_->options.hub_url;
    record.number = number;
    record.job_id = job_id;
    LedgerRecord whole = record;
    whole.outcome = Completed{std::move(delivery.result)};
    whole.delivery = std::move(delivery.state);
    state_->write(std::move(whole), without_change(std::move(done)));
}

void Ledger::record_outcome(Outcome outcome, OutcomeDone done) {
    LedgerRecord& record = state_->core->known[outcome.number];
    record.hub_url = state_->options.hub_url;
    record.number = outcome.number;
    record.job_id = outcome.job_id;
    LedgerRecord whole = record;
    whole.outcome = std::move(outcome.value);
    state_->core->outcomes[outcome.number] = false;
    const std::weak_ptr<Core> core = state_->core;
    state_->write(std::move(whole),
                  [done = std::move(done), core](Result<> result, LedgerDesk::Change change) {
                      LedgerRecord& written = std::get<LedgerRecord>(change);
                      if (const auto alive = core.lock(); alive && result.ok()) {
                          const auto outcome = alive->outcomes.find(written.number);
                          if (outcome != alive->outcomes.end()) outcome->second = true;
                      }
                      done(std::move(result),
                           Outcome{std::move(written.job_id), written.number, std::move(*written.outcome)});
                  });
}

void Ledger::remove(std::uint64_t number, Done done) {
    state_->core->known.erase(number);
    state_->core->outcomes.erase(number);
    state_->core->put({number, LedgerDesk::Remove{}, without_change(std::move(done))});
}

Ledger::Stats Ledger::stats() const {
    const Core& core = *state_->core;
    Stats stats;
    stats.records = core.known.size();
    const auto& outcomes = core.outcomes;
    stats.outcomes = static_cast<std::size_t>(
        std::count_if(outcomes.begin(), outcomes.end(), [](const auto& entry) { return entry.second; }));
    stats.bytes = core.desk->bytes();
    stats.writes = core.desk->writes();
    stats.write_errors = core.desk->errors();
    stats.bad_files = state_->bad_files;
    return stats;
}

}  // namespace emprops::jobs
