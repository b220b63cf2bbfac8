#pragma once
// What the machines of the session are told at their beginning: limits and times. None of it changes later.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "config/settings.h"
#include "supervisor/hub/bulk_lane.h"

namespace emprops::hub {

struct SessionSettings {
    std::string id_base;         ///< first part of our id at the Hub
    bool exact_id = false;       ///< the id is id_base alone, always
    bool watch_possible = true;  ///< a client URL could be derived from the Hub's URL
    bool bulk_possible = true;   ///< so could the URL of the connection for large results
    BulkPolicy bulk;             ///< when that one is used
    config::HubSettings hub;     ///< timeouts, limits; url, host and token are not looked at
    config::Duration heartbeat_interval = std::chrono::seconds(20);
    std::uint64_t first_number = 1;  ///< number of the first assignment: above every one in the ledger

    /// While outcomes and jobs of an earlier connection are not fenced, nothing new is claimed, but no longer
    /// than this.
    config::Duration fence_hold = std::chrono::seconds(10);
    /// Outcomes that could not be fenced for this long on a working link are sent by the rules without fence:
    /// completed ones, and failures that were never sent before.
    config::Duration fence_patience = std::chrono::seconds(60);
    /// Running jobs that could not be fenced for this long are kept alive without knowing whether they are
    /// ours: the Hub gives a job away after 30 s without progress, the outage before included. Their outcomes
    /// still wait for the fence.
    config::Duration running_patience = std::chrono::seconds(12);
    /// An outcome without an ack for this long after it was written is fenced and sent again if the Hub still
    /// waits for it.
    config::Duration ack_timeout = std::chrono::seconds(30);
    /// What a connector says of itself (`capabilities` of all together, `details` of one status) takes at
    /// most this of our messages to the Hub.
    std::size_t self_description_limit = 64 * 1024;
    /// While more than this waits to be written, what monitors alone read is held back or dropped.
    std::size_t crowded_bytes = std::size_t{1} << 20;
    /// The client connection is kept this long after it was last needed.
    config::Duration watch_linger = std::chrono::seconds(10);

    /// Jobs can be asked about over a client connection.
    bool watch_enabled() const { return hub.cancel_watch && watch_possible; }
    /// From this age on they are: shorter ones never cost a second connection.
    config::Duration watch_age() const {
        return std::min<config::Duration>(std::chrono::seconds(1), hub.cancel_poll);
    }
};

}  // namespace emprops::hub
