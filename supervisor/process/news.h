#pragma once
// What a fleet tells others: news to its listener, each in a later turn of the loop and in order; lines to those
// who watch. Owned by the fleet, which may be destroyed by what it tells; event loop thread only.

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/base/turn.h"
#include "supervisor/process/fleet_listener.h"

namespace emprops::process {

class News : public std::enable_shared_from_this<News> {
  public:
    using Item = std::function<void(FleetListener&)>;
    News(boost::asio::any_io_executor executor, FleetListener& listener)
        : listener_(&listener), turn_(std::move(executor), [this] { deliver(); }) {}

    void tell(Item item);
    /// Nobody hears of anything any more.
    void close();

    void trace(const TraceLine& line);
    /// Whether somebody looks at protocol lines.
    bool protocol_is_watched() const;
    /// `for_people`: stderr and `log` only. `connector`: empty for all.
    std::uint64_t subscribe(const std::string& connector, bool for_people,
                            std::function<void(const TraceLine&)> on_line);
    void unsubscribe(std::uint64_t id);

  private:
    struct Subscription {
        std::uint64_t id = 0;  // 0: ended, perhaps from inside its own callback
        std::string connector;
        bool for_people = false;
        std::function<void(const TraceLine&)> on_line;
    };
    void deliver();

    FleetListener* listener_;
    std::deque<Item> items_;
    Turn turn_;
    std::vector<Subscription> subscriptions_;
    std::uint64_t last_subscription_ = 0;
};

}  // namespace emprops::process
