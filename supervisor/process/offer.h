#pragma once
// What one process of a connector offers: what its `ready`, `status` and `capabilities` said, with the
// configuration's overrides applied; and which of that others were not told yet. They are told at most ten
// times a second, the newest wins. Pure; owned by the process' Member.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/messages.h"
#include "supervisor/base/time.h"
#include "supervisor/process/types.h"

namespace emprops::process {

class Offer {
  public:
    explicit Offer(const config::ConnectorSettings& settings)
        : job_types_(settings.job_types), concurrency_(settings.concurrency) {}

    const InstanceInfo& info() const { return info_; }

    /// A sentence, if it cannot be taken: then nothing has changed.
    std::optional<std::string> take(ipc::Ready ready, int pid, bool attached);
    void take(const ipc::Status& status);
    /// A sentence, if its job types cannot be taken; the rest is.
    std::optional<std::string> take(const ipc::Capabilities& change);

    /// Something that nobody was told yet.
    bool changed() const { return changed_; }
    /// When it may be told.
    TimePoint tell_after() const { return tell_after_; }
    struct Change {
        bool status = false;  ///< `status` came, too
        bool says_otherwise =
            false;  ///< it says for the first time, or other than before, whether it is available
    };
    /// What has changed since the last call; it is told now.
    std::optional<Change> take_change(TimePoint now);
    /// Others learn everything of it in another way.
    void forget_change() { changed_ = status_changed_ = false; }

  private:
    std::vector<std::string> job_types_;        // instead of those it says
    std::optional<std::uint32_t> concurrency_;  // likewise
    InstanceInfo info_;
    bool changed_ = false;
    bool status_changed_ = false;
    std::optional<bool> said_available_;
    TimePoint tell_after_{};
};

}  // namespace emprops::process
