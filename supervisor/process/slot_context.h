#pragma once
// What the slots and services of a fleet share: the door to the OS, scratch folders, and the ways to be
// heard. Implemented and owned by the fleet; event loop thread only.

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <string>
#include <vector>

#include "supervisor/process/fleet.h"
#include "supervisor/process/os/process_host.h"
#include "supervisor/process/work_dirs.h"

namespace emprops::process {

class SlotContext {
  public:
    using News = std::function<void(FleetListener&)>;
    SlotContext(boost::asio::any_io_executor executor, ProcessHost& host, FleetOptions options);
    virtual ~SlotContext() = default;

    /// Told to the listener in a later turn of the loop, in this order.
    virtual void tell(News news) = 0;
    virtual void trace(const TraceLine& line) = 0;
    virtual bool traced() const = 0;  ///< whether somebody looks at protocol lines
    /// Something has happened to a slot: look at its next_wakeup() and gone() again, later in this turn.
    virtual void slot_changed() = 0;
    /// Kills escaped processes of an ended one, several times during the next second.
    virtual void sweep_repeatedly(const std::string& marker) = 0;

    boost::asio::any_io_executor executor;
    ProcessHost& host;
    FleetOptions options;
    WorkDirs work_dirs;
    std::vector<std::string> environment;
    std::uint64_t last_generation = 0;
};

}  // namespace emprops::process
