#pragma once
// The events of one round of the loop as one transaction: what they change is stored together, and what is said of
// them is said after that, so nothing is promised that is not in the database. An event whose change fails harms only
// itself; when the transaction cannot be stored, nothing was said. Owned by LocalHub; event loop thread only.

#include <functional>
#include <utility>
#include <vector>

#include "ipc/result.h"
#include "supervisor/local_hub/store.h"

namespace emprops::local_hub {

class Batch {
  public:
    /// `lost`: why the changes of its batch were not stored; nullptr: they were.
    using Effect = std::function<void(const Error* lost)>;
    /// `on_lost`: none of the changes since the batch began are in the database, whoever has them in memory must forget
    /// them. Called before the effects.
    Batch(Store& store, std::function<void(const Error&)> on_lost)
        : store_(store), on_lost_(std::move(on_lost)) {}

    /// An event of this batch: its changes are stored at end(). Without it a change is stored at once.
    void begin() { store_.begin(); }
    /// Done at end(), in this order.
    void then(Effect effect) { effects_.push_back(std::move(effect)); }
    void end() {
        const auto stored = store_.commit();
        const auto effects = std::exchange(effects_, {});  // they may begin the next batch
        if (!stored.ok()) on_lost_(stored.error());
        for (const auto& effect : effects)
            effect(stored.ok() ? nullptr : &stored.error());
    }

  private:
    Store& store_;
    std::function<void(const Error&)> on_lost_;
    std::vector<Effect> effects_;
};

}  // namespace emprops::local_hub
