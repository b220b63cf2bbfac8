#pragma once
// A job whose connector is done with it, as far as its files have gone: plain values, their text in the ledger, what the
// courier is told of one file, and the entry that the result gets. Pure functions; no clock, no I/O.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/convert_wish.h"
#include "ipc/messages.h"
#include "ipc/result.h"
#include "supervisor/files/destination.h"
#include "supervisor/files/job_files.h"
#include "supervisor/jobs/types.h"

namespace emprops::files {

/// One file of a delivery.
struct FileOnWay {
    ipc::ResultFile file;
    /// Below the folder of its delivery in the spool; empty: it lies only at its url.
    std::string place;
    std::uint64_t bytes = 0;
    std::optional<Destination> to;       ///< that its job has named; its label is then a name among `stores`
    std::vector<std::string> stores;     ///< still to be tried, in this order
    std::vector<std::string> by_job;     ///< among `stores`, but not the operator's choice: a job's place
    std::string image_name, video_name;  ///< its name if it is converted as such; empty: it keeps its own
    int deaths = 0;                      ///< of the courier, with this file in hand
    /// The courier had it in its wanted form, under the name of that: it may lie at a store so.
    bool formed = false;
    /// JSON text of what the store says of it: it is delivered. Only what can be told again after a restart is noted in
    /// the ledger: an inline file is read again.
    std::optional<std::string> entry;
    bool keeps_entry = true;
    std::string arrived_name, arrived_type;  ///< of what was delivered, if it was converted
    std::optional<ipc::JobError> failed;     ///< no store took it
    std::vector<std::string> passed_over;    ///< stores that did not take it, and why
    std::string
        begun;  ///< JSON text: the upload that the courier has told of last; empty: none, or it is over

    bool ended() const { return entry.has_value() || failed.has_value(); }
};

struct Delivery {
    std::uint64_t number = 0;
    std::string job_id;
    std::string job_type;
    std::string connector;
    std::string folder;    ///< its name in the spool
    std::string date;      ///< of its result, "2026-11-30": names of objects stay the same over a restart
    bool resumed = false;  ///< an earlier worker process had it: any of its files may have been begun
    std::optional<ipc::JobError> refused;  ///< nothing is delivered, and the files are kept
    /// Where the folder lay below the scratch folders at the result: it is there still, if the worker was killed before it
    /// was moved.
    std::string from;
    std::optional<std::uint32_t> user;  ///< whose the files may be beside ours, by number
    jobs::PayloadMark payload;          ///< of its job
    ipc::ConvertWish convert;           ///< in which form its files are wanted
    ipc::RawJson result;
    std::vector<FileOnWay> files;
    /// Nobody wants it any more: uploads that were begun are taken back, and nothing is delivered. Not in the ledger.
    bool given_up = false;

    std::uint64_t bytes() const;
    /// With what may lie beside them while they are brought into another form.
    std::uint64_t spool_bytes() const;
    bool changes(const FileOnWay& file) const {
        return file.file.strip_metadata || convert.image.has_value() || convert.video.has_value();
    }
};

/// Where in the job's folder a file lies: `path` as the connector named it, relative or inside of `work_dir`. Errors name
/// the file; code protocol_error.
Result<std::string> place_of(const ipc::ResultFile& file, std::size_t index, const std::string& work_dir);

/// Makes the names of all files different, whatever their letter case: "a.png", "a-2.png". Objects are named after them.
void make_names_unique(std::vector<FileOnWay>& files);

/// Gives the files to the destinations that their job has named; the names of those that are in the result are still as
/// the connector told them. Where one cannot be met, the delivery is refused.
void assign(Delivery& delivery, const std::vector<Destination>& to);
/// What is taken of its folder.
JobFiles job_files(const Delivery& delivery);
/// The names of converted files are then as different as those that they have now. `video_extension`: of what the command
/// makes that `wish` names.
void choose_forms(Delivery& delivery, const ipc::ConvertWish& wish, const std::string& video_extension);

/// For DeliveryRecord::state.
ipc::RawJson state_text(const Delivery& delivery);
/// Of `state`, which state_text() made; number, job and result are the caller's to set. Errors: "bad_record".
Result<Delivery> read_state(const ipc::RawJson& state);

/// The payload of the courier's job for one file. `inline_bytes`: so many may stand in the result itself. `unconverted`:
/// it ended the courier before, perhaps by that.
ipc::RawJson courier_payload(const Delivery& delivery, std::size_t index, std::uint64_t inline_bytes,
                             bool repeat, bool unconverted);

/// What the courier says of a file that it has delivered: entry, new name and type, detours. False: it says no entry.
bool take_answer(FileOnWay& file, const ipc::RawJson& answer);

/// What the result says of a delivered file: what its connector said of it, then what the store says.
std::string entry_text(const ipc::ResultFile& file, std::string_view from_store);

/// "a.png: https://...; b.png: in the result", for people.
std::string whereabouts(const Delivery& delivery);

/// The result with the entries of all files in it.
std::string finished_result(const Delivery& delivery);
/// How long that will be, or a little more. A file may be mentioned many times.
std::uint64_t finished_bytes(const Delivery& delivery);
/// How often the result mentions each.
std::vector<std::size_t> mentions(const Delivery& delivery);

}  // namespace emprops::files
