#pragma once
// What a Life is told about the thing whose life it is: a plain value, which its parts read too.

#include <optional>
#include <string>

#include "config/settings.h"
#include "supervisor/base/note.h"
#include "supervisor/process/life/readiness.h"

namespace emprops::process {

struct LifeOptions {
    std::string name;      ///< for sentences: "comfyui/1" or "the service of comfyui/1"
    std::string log_name;  ///< the connector's field of log records
    config::ProcessSettings policy;
    Readiness readiness;
    config::Bytes max_vram = 0;
    /// Two of its processes must never run at the same time. Holds in any case for what cannot be told to leave.
    bool exclusive = false;
    bool attach = false;  ///< Spawn means: wait for somebody to connect; no timeouts, no back-off
    /// It needs a port: before each start CheckPort is asked for, and this long after port_taken() again.
    std::optional<Ms> port_retry;
    Ms drain_timeout{300'000};

    bool told() const { return speaks(readiness); }
    /// Whether an old process has to be gone before a new one starts.
    bool alone() const { return exclusive || attach || !told(); }
    /// `text` completes a sentence that begins with the name.
    Note note(Note::Level level, const std::string& text) const {
        return {level, name + " " + text, log_name, {}};
    }
};

}  // namespace emprops::process
