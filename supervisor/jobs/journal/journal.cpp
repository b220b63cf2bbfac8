#include "supervisor/jobs/journal/journal.h"

#include <algorithm>
#include <utility>

#include "supervisor/jobs/journal/line.h"

namespace emprops::jobs::journal {
namespace {

constexpr std::size_t longest_head = 128;           // of a line, with its end
constexpr std::size_t moved_at_a_time = 256 << 10;  // bytes: the event loop is not held up

}  // namespace

Journal::Journal(Disk& disk, Options options, const Recovered& found, std::map<std::uint64_t, DataFiles> data)
    : disk_(disk), options_(options), last_sequence_(found.last_sequence), unsynced_(options.sync_interval) {
    for (const FoundSegment& each : found.segments) {
        Segment& segment = segments_.emplace_back();
        segment.id = last_id_ = each.id;
        segment.used = each.used;
    }
    for (const auto& [number, records] : found.records) {
        const Found& newest = records.front();
        replace(number,
                {newest.sequence, newest.segment, newest.offset, newest.size, std::move(data[number])});
    }
}

bool Journal::fits(std::size_t members_bytes) const {
    if (segments_.empty()) return false;
    const Segment& last = segments_.back();
    return last.writable && !last.given_up &&
           last.used + longest_head + members_bytes <= options_.segment_bytes;
}

bool Journal::has_room(std::size_t members_bytes) const {
    return fits(members_bytes) || (spare_ && can_hold(members_bytes));
}

bool Journal::can_hold(std::size_t members_bytes) const {
    return longest_head + members_bytes <= options_.segment_bytes;
}

Journal::Segment& Journal::at(std::uint64_t id) {
    return *std::find_if(segments_.begin(), segments_.end(),
                         [&](const Segment& each) { return each.id == id; });
}

Result<Journal::Record> Journal::write(TimePoint now, std::uint64_t number, std::string_view members) {
    if (!fits(members.size())) {
        Segment& next = segments_.emplace_back();
        next.id = last_id_;
        next.file = std::exchange(spare_, nullptr);
        next.writable = true;
    }
    Segment& segment = segments_.back();
    const std::string line = encode_line(last_sequence_ + 1, number, members);
    if (auto written = segment.file->write(segment.used, line); !written.ok()) return written.error();
    const Record record{last_sequence_ + 1, segment.id, segment.used, line.size()};
    segment.used += line.size();
    unsynced_.wrote(now, {++last_sequence_, number, std::string(members)}, segment.file);
    return record;
}

void Journal::replace(std::uint64_t number, Record record) {
    forget(number, record.data);
    living_bytes_ += record.size;
    for (const auto& [name, data] : record.data)
        data_bytes_ += data.bytes;
    at(record.segment).living.insert(number);
    records_[number] = std::move(record);
}

void Journal::forget(std::uint64_t number, const DataFiles& still_named) {
    const auto found = records_.find(number);
    if (found == records_.end()) return;
    const Record& record = found->second;
    living_bytes_ -= record.size;
    at(record.segment).living.erase(number);
    for (const auto& [name, data] : record.data) {
        data_bytes_ -= data.bytes;
        if (!still_named.contains(name)) removable_.emplace(last_sequence_, name);
    }
    records_.erase(found);
}

Result<> Journal::append(TimePoint now, std::uint64_t number, std::string_view members, DataFiles data) {
    for (const auto& [name, each] : data) {
        if (each.file) unsynced_.stored(each.file);
    }
    auto written = write(now, number, members);
    if (!written.ok()) return written.error();
    written->data = std::move(data);
    replace(number, std::move(*written));
    return Ok{};
}

Result<> Journal::remove(TimePoint now, std::uint64_t number) {
    if (!knows(number)) return Ok{};
    if (auto written = write(now, number, removed); !written.ok()) return written.error();
    forget(number, {});
    return Ok{};
}

std::optional<std::string> Journal::read(const Record& record) {
    Segment& segment = at(record.segment);
    if (!segment.file) segment.file = disk_.open(segment_name(segment.id));
    if (!segment.file) return {};
    const auto line = segment.file->read(record.offset, record.size);
    if (!line) return {};
    const Scan scan = scan_segment(*line, 0);
    if (scan.lines.size() != 1) return {};
    return std::string(scan.lines.front().members);
}

std::optional<std::string> Journal::members_of(std::uint64_t number) {
    const auto found = records_.find(number);
    if (found == records_.end()) return {};
    return read(found->second);
}

DataFiles Journal::data_of(std::uint64_t number) const {
    const auto found = records_.find(number);
    return found == records_.end() ? DataFiles() : found->second.data;
}

void Journal::give_up_segment(TimePoint now, const std::string& why) {
    problem_ = why;
    if (std::exchange(troubled_, true) && !creating_) {
        if (std::exchange(spare_, nullptr)) removable_.emplace(0, segment_name(last_id_));
        retry_at_ = now + options_.retry_interval;
    }
    for (Unsynced::Entry& entry : unsynced_.failed())
        rescue_.push_back(std::move(entry));
    for (Segment& segment : segments_)
        segment.given_up = segment.given_up || segment.writable;
}

// ---- what lives is moved

void Journal::rescue(TimePoint now) {
    while (!rescue_.empty() && has_room(rescue_.front().members.size())) {
        const Unsynced::Entry& entry = rescue_.front();
        const auto found = records_.find(entry.number);
        const bool counts = entry.members == removed
                                ? found == records_.end()
                                : found != records_.end() && found->second.sequence == entry.sequence;
        if (counts) {
            auto written = write(now, entry.number, entry.members);
            if (!written.ok()) return;
            if (found != records_.end()) {
                written->data = found->second.data;
                replace(entry.number, std::move(*written));
            }
        }
        rescue_.pop_front();
    }
}

void Journal::move_living(TimePoint now, Segment& segment) {
    std::size_t moved = 0;
    while (!segment.living.empty() && !segment.unreadable) {
        const std::uint64_t number = *segment.living.begin();
        const Record& record = records_.at(number);
        if (!has_room(record.size)) return;
        if (moved > 0 && moved + record.size > moved_at_a_time) {
            more_to_move_ = true;
            return;
        }
        const auto members = read(record);
        if (!members) {
            segment.unreadable = true;
            return;
        }
        auto written = write(now, number, *members);
        if (!written.ok()) return;
        moved += written->size;
        written->data = record.data;
        replace(number, std::move(*written));
    }
}

void Journal::win_space(TimePoint now) {
    if (segments_.size() < 2) return;
    std::uint64_t used = 0;
    for (const Segment& segment : segments_)
        used += segment.used;
    const std::uint64_t dead = used - living_bytes_;
    if (dead > std::max(living_bytes_, options_.dead_bytes)) move_living(now, segments_.front());
}

void Journal::drop_empty() {
    while (segments_.size() > 1 && segments_.front().living.empty()) {
        removable_.emplace(last_sequence_, segment_name(segments_.front().id));
        segments_.pop_front();
    }
}

// ---- tasks

std::vector<Task> Journal::take_tasks(TimePoint now) {
    more_to_move_ = false;
    rescue(now);
    for (std::size_t i = 0; i < segments_.size(); ++i) {  // what is moved may begin another one
        if (segments_[i].given_up && rescue_.empty()) move_living(now, segments_[i]);
    }
    win_space(now);
    drop_empty();

    std::vector<Task> tasks;
    if (!spare_ && !creating_ && (!retry_at_ || *retry_at_ <= now)) {
        creating_ = true;
        retry_at_.reset();
        tasks.emplace_back(CreateSegment{segment_name(++last_id_), options_.segment_bytes});
    }
    if (auto sync = unsynced_.begin(now)) tasks.emplace_back(std::move(*sync));
    RemoveFiles remove;
    while (rescue_.empty() && !removable_.empty() && removable_.begin()->first <= unsynced_.durable()) {
        remove.names.push_back(std::move(removable_.begin()->second));
        removable_.erase(removable_.begin());
    }
    if (!remove.names.empty()) tasks.emplace_back(std::move(remove));
    return tasks;
}

void Journal::created(TimePoint now, SegmentCreated done) {
    creating_ = false;
    if (done.file.ok()) {
        spare_ = std::move(*done.file);
        if (unsynced_.empty() && rescue_.empty()) problem_.clear();
        return;
    }
    problem_ = done.file.error().message;
    retry_at_ = now + options_.retry_interval;
}

void Journal::synced(TimePoint now, const FilesSynced& done) {
    if (done.result.ok()) {
        troubled_ = false;
        unsynced_.succeeded();
        if (!retry_at_) problem_.clear();
        return;
    }
    give_up_segment(now, done.result.error().message);
}

std::optional<TimePoint> Journal::next_wakeup() const {
    if (more_to_move_) return TimePoint{};
    Earliest first;
    first.add(unsynced_.next_wakeup());
    if (!spare_ && !creating_) first.add(retry_at_);
    return first.at();
}

}  // namespace emprops::jobs::journal
