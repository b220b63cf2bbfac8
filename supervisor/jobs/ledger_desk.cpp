#include "supervisor/jobs/ledger_desk.h"

#include <iterator>
#include <new>
#include <utility>

#include "ipc/overload.h"
#include "supervisor/base/memory.h"

namespace emprops::jobs {

LedgerDesk::LedgerDesk(journal::Disk& disk, const journal::Options& options, const journal::Recovered& found,
                       std::map<std::uint64_t, journal::DataFiles> data)
    : journal_(disk, options, found, std::move(data)), retry_interval_(options.retry_interval) {}

void LedgerDesk::put(TimePoint now, Operation operation) {
    const std::uint64_t number = operation.number;
    const auto behind = waiting_.find(number);
    if (behind != waiting_.end()) {
        behind->second.push_back({std::move(operation)});
    } else {
        Waiting waiting{std::move(operation)};
        if (try_now(now, waiting)) return;
        store_if_needed(waiting_[number].emplace_back(std::move(waiting)));
    }
}

void LedgerDesk::on_done(TimePoint now, journal::TaskDone done) {
    std::visit(Overload{
                   [&](journal::SegmentCreated& d) { journal_.created(now, std::move(d)); },
                   [&](journal::FilesSynced& d) { journal_.synced(now, d); },
                   [&](journal::FileStored& d) { stored(now, d); },
                   [](journal::FilesRemoved&) {},
               },
               done);
}

std::vector<journal::Task> LedgerDesk::take_tasks(TimePoint now) {
    if (retry_store_at_ && *retry_store_at_ <= now) retry_store_at_.reset();
    work(now);
    if (!problem().empty()) answer_all(problem());
    std::vector<journal::Task> tasks = journal_.take_tasks(now);
    tasks.insert(tasks.end(), std::make_move_iterator(tasks_.begin()), std::make_move_iterator(tasks_.end()));
    tasks_.clear();
    return tasks;
}

std::vector<LedgerDesk::Answer> LedgerDesk::take_answers() {
    return std::exchange(answers_, {});
}

std::optional<TimePoint> LedgerDesk::next_wakeup() const {
    Earliest first;
    first.add(journal_.next_wakeup());
    first.add(retry_store_at_);
    return first.at();
}

// ---- one operation

void LedgerDesk::work(TimePoint now) {
    // While there is no room, and all wait, none is encoded in vain.
    if (!journal_.has_room(journal::removed.size())) return;
    for (auto each = waiting_.begin(); each != waiting_.end();) {
        auto& queue = each->second;
        while (!queue.empty() && !queue.front().storing && try_now(now, queue.front()))
            queue.pop_front();
        if (!queue.empty()) store_if_needed(queue.front());
        each = queue.empty() ? waiting_.erase(each) : std::next(each);
    }
}

/// False: it has to wait.
bool LedgerDesk::try_now(TimePoint now, Waiting& waiting) {
    try {
        if (!step(now, waiting)) return false;
    } catch (const std::bad_alloc&) {
        waiting.result = Error{"no_memory", std::string("for this record ") + no_memory};
    }
    if (waiting.result.ok()) ++writes_;
    if (!waiting.answered && waiting.operation.done) answer(waiting, std::move(waiting.operation.change));
    return true;
}

bool LedgerDesk::step(TimePoint now, Waiting& waiting) {
    return std::visit(Overload{
                          [&](LedgerRecord& record) { return write(now, waiting, record); },
                          [&](AddClaim& claim) { return add_claim(now, waiting, claim.claimed_as); },
                          [&](Remove&) { return remove(now, waiting.operation.number); },
                      },
                      waiting.operation.change);
}

bool LedgerDesk::write(TimePoint now, Waiting& waiting, const LedgerRecord& record) {
    return (!record.needs_file() || record.data) && append(now, waiting, record);
}

/// Called where it stays: the task points to its content.
void LedgerDesk::store_if_needed(Waiting& waiting) {
    const LedgerRecord* record = std::get_if<LedgerRecord>(&waiting.operation.change);
    if (record == nullptr || !record->needs_file() || record->data || waiting.storing || retry_store_at_)
        return;
    waiting.storing = true;
    const std::uint64_t number = waiting.operation.number;
    tasks_.emplace_back(
        journal::StoreFile{number, journal_.new_data_name(number), &record->content()->text()});
}

bool LedgerDesk::append(TimePoint now, Waiting& waiting, const LedgerRecord& record) {
    const std::string members = encode_record(record);
    if (!journal_.can_hold(members.size())) {
        waiting.result = Error{"too_large", "the ledger takes no record of so many bytes"};
        return true;
    }
    if (!journal_.has_room(members.size())) return false;
    return is_written(now, journal_.append(now, waiting.operation.number, members, waiting.data));
}

bool LedgerDesk::add_claim(TimePoint now, Waiting& waiting, const std::string& claimed_as) {
    const std::uint64_t number = waiting.operation.number;
    const auto members = journal_.members_of(number);
    if (!members) return true;
    auto record = decode_record(number, *members);
    if (!record.ok()) return true;
    record->claimed_as.push_back(claimed_as);
    waiting.data = journal_.data_of(number);
    return append(now, waiting, *record);
}

bool LedgerDesk::remove(TimePoint now, std::uint64_t number) {
    if (!journal_.knows(number)) return true;
    if (!journal_.has_room(journal::removed.size())) return false;
    return is_written(now, journal_.remove(now, number));
}

/// What the disk refused is tried again in the next segment.
bool LedgerDesk::is_written(TimePoint now, const Result<>& result) {
    if (result.ok()) return true;
    ++errors_;
    journal_.give_up_segment(now, result.error().message);
    return false;
}

void LedgerDesk::stored(TimePoint now, journal::FileStored& done) {
    Waiting& waiting = waiting_.at(done.number).front();
    waiting.storing = false;
    if (!done.file.ok()) {
        ++errors_;
        store_problem_ = done.file.error().message;
        retry_store_at_ = now + retry_interval_;
        return;
    }
    store_problem_.clear();
    LedgerRecord& record = std::get<LedgerRecord>(waiting.operation.change);
    const std::uint64_t bytes = record.content()->text().size();
    record.data = {done.name, bytes, done.checksum};
    waiting.data = {{done.name, {std::move(*done.file), bytes}}};
}

void LedgerDesk::answer(Waiting& waiting, Change change) {
    waiting.answered = true;
    answers_.push_back({std::move(waiting.operation.done), waiting.result, std::move(change)});
}

void LedgerDesk::answer_all(const std::string& problem) {
    for (auto& [number, queue] : waiting_) {
        for (Waiting& waiting : queue) {
            if (waiting.answered || waiting.storing || !waiting.operation.done) continue;
            // What is given back is needed here, too: it is written later.
            Change copy = waiting.operation.change;
            waiting.answered = true;
            answers_.push_back({std::move(waiting.operation.done), Error{"disk", problem}, std::move(copy)});
        }
    }
}

}  // namespace emprops::jobs
