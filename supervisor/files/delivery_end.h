#pragma once
// How a delivery ends: with its job's result or failure, or because nobody wants it any more. Pure.

#include <cstdint>
#include <set>
#include <variant>

#include "supervisor/files/delivery.h"
#include "supervisor/jobs/types.h"

namespace emprops::files {

/// The job ends. `kept`: its files did not all arrive, and stay in the spool; else the folder goes.
struct EndDelivery {
    Delivery delivery;
    std::variant<jobs::Completed, jobs::Failed> value;
    bool kept = false;
};

/// Of one whose files have all ended. `frame_bytes`: so long a result may be, as the Hub takes it.
EndDelivery end_of(Delivery delivery, std::uint64_t frame_bytes);

/// Of one that was dropped: for nobody, and all that is left to do is to take back what was begun of the files `waiting`.
/// What is in a courier's hand that one takes back itself.
Delivery given_up(Delivery delivery, const std::set<std::size_t>& waiting);

}  // namespace emprops::files
