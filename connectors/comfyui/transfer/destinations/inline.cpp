#include "connectors/comfyui/transfer/destinations/inline.h"

#include "connectors/comfyui/transfer/destinations/from_store.h"
#include "connectors/stores/kinds/inline.h"
#include "ipc/text/people.h"

namespace emprops::comfyui {

Destination make_inline(std::uint64_t budget, std::uint64_t used) {
    return [budget, used,
            store = from_store(stores::make_inline(budget))](const Cargo& cargo) mutable -> Placement {
        if (used > budget || cargo.size > budget - used) {
            return Spilled{"it has " + exact_bytes(cargo.size) + ", and of inline_max_bytes (" +
                               exact_bytes(budget) + ", for all files and texts of a job together) " +
                               (used == 0 ? "nothing is" : exact_bytes(used) + " are") + " taken",
                           "raise inline_max_bytes (up to 11.5 MiB, as the Hub takes 16 MiB of base64)"};
        }
        Placement placement = store(cargo);
        if (std::holds_alternative<Placed>(placement)) used += cargo.size;
        return placement;
    };
}

}  // namespace emprops::comfyui
