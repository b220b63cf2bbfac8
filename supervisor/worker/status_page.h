#pragma once
// The documents of the control API, `status` and `jobs`, out of what the parts of the worker say of
// themselves. Their shape is documented in supervisor/control/README.md. Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipc/messages.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/dispatcher.h"
#include "supervisor/jobs/ledger.h"
#include "supervisor/jobs/link_view.h"
#include "supervisor/process/fleet.h"

namespace emprops {

/// One configured instance, with what the dispatcher makes of it.
struct ConnectorLine {
    process::InstanceStatus instance;
    std::optional<int> slots;
    std::string refusal;
    bool quiet = true;
    std::string takes_no_jobs_because;
};

struct StatusSources {
    TimePoint now;
    const jobs::LinkView& view;
    const jobs::LinkMetrics& metrics;
    int pid = 0;
    std::string state = {};
    Ms uptime{0};
    std::string state_dir = {};
    std::string hub_address = {};
    jobs::Ledger::Stats ledger = {};
    std::string ledger_problem = {};  ///< empty: it is healthy
    std::string disk_problem = {};    ///< empty: there is room for the files of another job
    std::size_t spool_jobs = 0;
    std::uint64_t spool_bytes = 0;
    jobs::Stats jobs = {};
    std::size_t running = 0;
    std::size_t held = 0;        ///< ours at the Hub, and with no connector
    std::size_t delivering = 0;  ///< done but for their files
    std::vector<ConnectorLine> connectors = {};
};
ipc::Json status_page(const StatusSources& sources);

/// `outcomes`: of jobs that have ended here, and that the Hub has not taken yet.
ipc::Json jobs_page(TimePoint now, const std::vector<jobs::JobView>& active,
                    const std::vector<jobs::LinkView::Outcome>& outcomes);

}  // namespace emprops
