#pragma once
// What the worker can take, as the Hub is told: the pool's capacity, less what drains and a refusing disk take
// away. Pure; part of the dispatcher.

#include <memory>
#include <string>

#include "supervisor/jobs/records.h"

namespace emprops::jobs {

class CapacityTeller {
  public:
    explicit CapacityTeller(Records& records) : records_(records) {}

    /// False (disk full): nothing new is claimed, the job types stay advertised as busy.
    void set_healthy(bool healthy, const std::string& reason);
    /// Jobs may be claimed at all.
    bool open() const { return healthy_ && !records_.drains.drained(Drains::whole_worker); }
    /// The same object as long as nothing changes.
    std::shared_ptr<const Capacity> capacity() const;
    /// CapacityChanged, unless the same was told last.
    void tell();

  private:
    Records& records_;
    bool healthy_ = true;
    std::shared_ptr<const Capacity> told_ = std::make_shared<const Capacity>();
};

}  // namespace emprops::jobs
