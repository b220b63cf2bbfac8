#include "supervisor/files/delivery_end.h"

#include <optional>
#include <utility>

#include "ipc/text/people.h"
#include "supervisor/files/inline_room.h"

namespace emprops::files {
namespace {

/// The failure of the job: that of its files, with each one's reasons. nullopt: all have arrived.
std::optional<ipc::JobError> failure_of(const Delivery& delivery) {
    std::optional<ipc::JobError> error = delivery.refused;
    std::string reasons;
    std::size_t failures = 0;
    for (const FileOnWay& each : delivery.files) {
        if (!each.failed) continue;
        ++failures;
        if (!error) error = each.failed;
        error->retryable = error->retryable || each.failed->retryable;
        std::string why = each.failed->message;
        for (const std::string& passed : each.passed_over)
            why += "; " + passed;
        add_item(reasons, "\"" + each.file.name + "\": " + why, "; ");
    }
    if (failures > 0)
        error->message = std::to_string(failures) + " of " + counted(delivery.files.size(), "file") +
                         " of the result could not be delivered: " + reasons;
    return error;
}

ipc::JobError too_large(std::uint64_t bytes, std::uint64_t limit) {
    return {ipc::code::result_too_large,
            "with the entries of its files the result has " + human_bytes(bytes) + ", and the Hub takes " +
                human_bytes(limit) +
                " (hub.send_limit); deliver files to a store instead of `inline`, or mention each once",
            false,
            {}};
}

}  // namespace

EndDelivery end_of(Delivery delivery, std::uint64_t frame_bytes) {
    EndDelivery ended{std::move(delivery), jobs::Completed{}, false};
    std::optional<ipc::JobError> error = failure_of(ended.delivery);
    // Of a retry nobody gets the result.
    if (!error && ended.delivery.number != 0) {
        const std::uint64_t bytes = finished_bytes(ended.delivery) + beside_result;
        if (bytes > frame_bytes) error = too_large(bytes, frame_bytes);
    }
    ended.kept = error.has_value();
    if (error)
        ended.value = jobs::Failed{std::move(*error)};
    else
        ended.value = jobs::Completed{finished_result(ended.delivery)};
    return ended;
}

Delivery given_up(Delivery delivery, const std::set<std::size_t>& waiting) {
    delivery.number = 0;
    // Never taken for the job's own, should that come back.
    delivery.folder = "given-up/" + delivery.folder;
    delivery.given_up = true;
    delivery.refused.reset();
    for (std::size_t i = 0; i < delivery.files.size(); ++i)
        if (delivery.files[i].begun.empty() || waiting.count(i) == 0)
            delivery.files[i].failed = ipc::JobError{ipc::code::cancelled, "nobody waits for it", false, {}};
    return delivery;
}

}  // namespace emprops::files
