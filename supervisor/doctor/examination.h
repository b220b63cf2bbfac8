#pragma once
// The examination of a connector: scripted conversations, each with a process of its own, that fill a Chart. No I/O: all
// goes through the Patient.

#include <cstdint>
#include <optional>
#include <string>

#include "ipc/messages.h"
#include "supervisor/doctor/check.h"
#include "supervisor/doctor/patient.h"

namespace emprops::doctor {

struct Plan {
    Level level = Level::all;
    std::optional<ipc::RawJson> payload;       ///< of an ordinary job: then it must end with a `result`
    std::optional<ipc::RawJson> slow_payload;  ///< of one that takes some seconds
    std::string job_type;                      ///< empty: the first that it offers
    /// Configured for it, so that its `ready` need not name any.
    bool types_configured = false;
    int concurrency = 0;          ///< configured; 0: what `ready` says
    Ms start_limit{60'000};       ///< start_timeout
    Ms prepare_limit{7'200'000};  ///< prepare_timeout
    Ms job_limit{60'000};         ///< for one job
    Ms ping_limit{5'000};
    Ms cancel_limit{10'000};
    Ms leave_limit{10'000};  ///< from `shutdown` to its exit
    std::uint64_t stderr_lines_per_second = 200;

    /// How many jobs are sent, at most.
    int jobs() const;
};

/// Plays all conversations that the plan allows.
Chart examine(Patient& patient, const Plan& plan);

}  // namespace emprops::doctor
