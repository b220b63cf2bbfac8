#pragma once
// Records by assignment, appended to segments: the newest of each counts. A pure machine over a Disk: time is given to
// it, and what blocks is a Task for somebody else. Owned by LedgerDesk; event loop thread only.
//
// Appending survives a kill of this process at once, and a power cut after the next sync, at most `sync_interval` later.
// A segment whose sync failed, or that a cleaner removed, is never written again: all that lives in it is appended once
// more to the next one. Space is won from the oldest segment only, by appending what lives there again; so no mark of a
// removal goes before what it removed.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/jobs/journal/recovery.h"
#include "supervisor/jobs/journal/task.h"
#include "supervisor/jobs/journal/unsynced.h"

namespace emprops::jobs::journal {

struct Options {
    std::uint64_t segment_bytes = 2u << 20;
    std::uint64_t dead_bytes = 16u << 20;  ///< more of them than this, and than living ones: space is won
    Ms sync_interval{20};
    Ms retry_interval{2'000};
};

/// A file beside the segments that a record names.
struct Data {
    std::shared_ptr<File> file;  ///< null: of an earlier process
    std::uint64_t bytes = 0;
};
using DataFiles = std::map<std::string, Data>;  // by name

class Journal {
  public:
    /// `disk` outlives it. Of `found` the first record of each number counts. `data`: what those name, by number.
    Journal(Disk& disk, Options options, const Recovered& found, std::map<std::uint64_t, DataFiles> data);

    bool has_room(std::size_t members_bytes) const;
    /// has_room() must be true. `data`: the files that the record names. An error leaves what was there before.
    Result<> append(TimePoint now, std::uint64_t number, std::string_view members, DataFiles data = {});
    Result<> remove(TimePoint now, std::uint64_t number);
    bool knows(std::uint64_t number) const { return records_.contains(number); }
    /// Reads them from the disk. Empty: there is none, or it cannot be read.
    std::optional<std::string> members_of(std::uint64_t number);
    DataFiles data_of(std::uint64_t number) const;
    /// A name for a file that a record of this number is going to name.
    std::string new_data_name(std::uint64_t number) { return data_name(number, ++last_sequence_); }

    /// Whether a segment could hold so many at all.
    bool can_hold(std::size_t members_bytes) const;
    /// Nothing can be written into the segment, for this reason: the next one is to be used; at the second time in a row
    /// after retry_interval.
    void give_up_segment(TimePoint now, const std::string& why);

    /// To be called after everything else, and at next_wakeup().
    std::vector<Task> take_tasks(TimePoint now);
    void created(TimePoint now, SegmentCreated done);
    void synced(TimePoint now, const FilesSynced& done);
    std::optional<TimePoint> next_wakeup() const;
    /// Nothing is on its way to the disk.
    bool is_settled() const { return unsynced_.empty() && rescue_.empty() && removable_.empty(); }

    /// Why the last segment could not be made, written or synced; empty: it could.
    const std::string& problem() const { return problem_; }
    /// Of what counts, with the files that it names.
    std::uint64_t living_bytes() const { return living_bytes_ + data_bytes_; }

  private:
    struct Segment {
        std::uint64_t id = 0;
        std::shared_ptr<File> file{};  ///< null: not opened yet
        std::size_t used = 0;
        bool writable = false;
        bool given_up = false;
        bool unreadable = false;
        std::set<std::uint64_t> living{};
    };
    struct Record {
        std::uint64_t sequence = 0;
        std::uint64_t segment = 0;
        std::size_t offset = 0, size = 0;
        DataFiles data{};
    };

    bool fits(std::size_t members_bytes) const;
    Segment& at(std::uint64_t id);
    Result<Record> write(TimePoint now, std::uint64_t number, std::string_view members);
    void replace(std::uint64_t number, Record record);
    void forget(std::uint64_t number, const DataFiles& still_named);
    std::optional<std::string> read(const Record& record);
    void move_living(TimePoint now, Segment& segment);
    void rescue(TimePoint now);
    void win_space(TimePoint now);
    void drop_empty();

    Disk& disk_;
    const Options options_;
    std::deque<Segment> segments_;  // oldest first; the last one is written into
    std::map<std::uint64_t, Record> records_;
    std::uint64_t last_sequence_, last_id_ = 0;
    std::uint64_t living_bytes_ = 0, data_bytes_ = 0;
    Unsynced unsynced_;
    std::deque<Unsynced::Entry> rescue_;  // of segments that were given up
    std::shared_ptr<File> spare_;         // the next segment
    bool creating_ = false;
    std::optional<TimePoint> retry_at_;
    std::multimap<std::uint64_t, std::string> removable_;  // once what has this sequence is durable
    bool more_to_move_ = false;
    bool troubled_ = false;  // since the last sync that succeeded
    std::string problem_;
};

}  // namespace emprops::jobs::journal
