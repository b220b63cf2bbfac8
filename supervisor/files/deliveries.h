#pragma once
// All deliveries of this worker: which file the courier gets next, what its deaths and failures mean, and when a job's
// files have all arrived. A pure machine: events in with the time, actions out through take_actions(), which whoever owns
// it (worker/files_desk.h) performs in their order. Event loop only.
//
//   add --> waiting --GiveFile--> under way --file_delivered, file_failed--> ended; all ended --> EndDelivery
//              ^---- courier_gone ----'
//
// Jobs take turns: the next file is one of the job that has the fewest in the courier's hand. What is to be converted
// leaves one place to what is not.
// The courier's death is a file's fault only when nobody else can be at fault: after two deaths with it in hand a file
// goes alone and as it is (it is not converted, unless it once was), after one more the store at which it stood is passed
// over.

#include <cstdint>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "ipc/messages.h"
#include "supervisor/base/note.h"
#include "supervisor/base/time.h"
#include "supervisor/files/couriers.h"
#include "supervisor/files/delivery.h"
#include "supervisor/files/delivery_end.h"
#include "supervisor/jobs/types.h"
#include "supervisor/process/types.h"

namespace emprops::files {

struct DeliveriesPolicy {
    /// A result with its entries may have so many, as the Hub takes them.
    std::uint64_t frame_bytes = 16ull << 20;
    /// So long a file waits for a courier that is not there.
    Ms courier_patience{1'800'000};
    /// So long the courier may say nothing of a file in its hand; it tells of every few seconds.
    Ms hand_patience{300'000};
    int deaths_alone = 2;  ///< with a file in hand: from here on it goes alone and unconverted
    int deaths_next = 3;   ///< the store is passed over
    Ms pause{250};         ///< after the courier took no file
    Ms told_every{1'000};  ///< at most; what is delivered sooner is not told of
};

/// To the courier, through the fleet; its folder is filled in there. When it is not taken: not_given().
struct GiveFile {
    process::InstanceId courier;
    ipc::Job job;
};
/// Nobody wants the file delivered any more.
struct CancelFile {
    process::InstanceId courier;
    std::string job_id;
};
/// The courier has said the end of it.
struct FileEnded {
    process::InstanceId courier;
    std::string job_id;
};
/// To the fleet: the courier says nothing of a file any more, although it lives.
struct StopCourier {
    process::InstanceId courier;
    std::string text;
};
/// To the ledger, instead of what was noted before.
struct RecordDelivery {
    std::uint64_t number = 0;
    std::string job_id;
    ipc::RawJson result;
    ipc::RawJson state;
};
struct TellDelivery {
    std::uint64_t number = 0;
    ipc::Progress progress;
};
/// To the spool.
struct RemoveFolder {
    std::string folder;
};

class Deliveries {
  public:
    using Action = std::variant<GiveFile, CancelFile, FileEnded, StopCourier, RecordDelivery, TellDelivery,
                                EndDelivery, RemoveFolder, Note>;

    explicit Deliveries(const DeliveriesPolicy& policy = {}) : policy_(policy) {}
    void set_policy(const DeliveriesPolicy& policy) { policy_ = policy; }

    // ---- jobs
    /// Its files lie in the spool, and the ledger knows of it.
    void add(TimePoint now, Delivery delivery);
    /// The Hub assigned its job once more.
    void renumber(std::uint64_t from, std::uint64_t to);
    /// Nobody waits for it any more. Unknown numbers are fine.
    void drop(TimePoint now, std::uint64_t number);
    /// What is delivered once more for nobody (number 0) is its job's from here on. False: nothing of this folder is.
    bool claim(const std::string& folder, std::uint64_t number);
    bool holds(std::uint64_t number) const;
    bool holds_folder(const std::string& folder) const;
    std::size_t size() const { return items_.size(); }

    // ---- the courier
    void courier_ready(TimePoint now, const process::InstanceId& id, int slots);
    /// It gets nothing more; what it has in hand goes on.
    void courier_leaving(const process::InstanceId& id) { couriers_.leaving(id); }
    /// `planned`: an operator, new settings or the worker ended it; that is no file's fault.
    void courier_gone(TimePoint now, const process::InstanceId& id, bool planned, const std::string& how);
    /// `why` if it is nothing that passes by itself (a full disk).
    void not_given(TimePoint now, const process::InstanceId& id, const std::string& job_id,
                   const std::string& why = {});
    void progress(TimePoint now, const ipc::Progress& message);
    /// What has to be known after the courier's death: an upload was begun that the store would keep half done
    /// ("upload_begun"), or a file goes under the name of its wanted form ("form_made"). Noted before more of it goes.
    void told(TimePoint now, const ipc::ServiceRequest& message);
    void file_delivered(TimePoint now, const process::InstanceId& id, const ipc::JobResult& message);
    void file_failed(TimePoint now, const process::InstanceId& id, const std::string& job_id,
                     const ipc::JobError& error);

    std::optional<TimePoint> next_wakeup() const;
    void on_time(TimePoint now);
    std::vector<Action> take_actions();

  private:
    struct Item {
        Delivery delivery;
        std::set<std::size_t> waiting;  ///< its files that are in nobody's hand
        std::set<std::size_t> given_before;
        TimePoint told_at;                  ///< or when it came
        std::vector<std::size_t> mentions;  ///< of each file in the result
    };
    using Items = std::list<Item>;
    struct Found {
        Items::iterator item;
        std::size_t index = 0;
    };

    std::optional<Found> find(const std::string& job_id);
    FileOnWay& file(const Found& found) { return found.item->delivery.files[found.index]; }
    void let_go(const process::InstanceId& id, const std::string& job_id);
    void fail_overdue(TimePoint now);
    void stop_silent(TimePoint now);
    void give(TimePoint now);
    std::optional<Found> next_file(int slots);
    void give_one(TimePoint now, const process::InstanceId& id, Item& item, std::size_t index);
    void pass_over(FileOnWay& file, const std::string& why);
    void record(const Item& item);
    void tell(TimePoint now, Item& item, const std::string& what);
    void file_changed(TimePoint now, Items::iterator item, bool worth_noting);
    void end(Items::iterator item);

    DeliveriesPolicy policy_;
    Items items_;  // the oldest first
    Couriers couriers_;
    std::optional<TimePoint> no_courier_since_;  ///< with files to deliver
    std::string told_trouble_;
    std::optional<TimePoint> paused_until_;
    std::vector<Action> actions_;
};

}  // namespace emprops::files
