#pragma once
// One job from payload to result: the shell around Run, Progress and Fetching. Blocking; on the job's thread.

#include <atomic>
#include <string>

#include "connectors/comfyui/job/times.h"
#include "connectors/comfyui/server/deaths.h"
#include "connectors/comfyui/server/mailbox.h"
#include "connectors/comfyui/server/monitor.h"
#include "connectors/comfyui/server/object_info.h"
#include "connectors/comfyui/server/socket.h"
#include "connectors/comfyui/text/prompt_id.h"
#include "emprops/connector.h"

namespace emprops::comfyui {

/// What all jobs of a connector share; outlives them.
struct Shared {
    const Settings& settings;
    const PromptNames& names;
    std::string client_id;
    std::string connector;
    int instance = 0;
    std::string work_dir;  ///< the instance's
    Mailboxes& boxes;
    TimeBook& times;
    ObjectInfo& object_info;
    DeathBook& deaths;
    Monitor& monitor;
    Socket* socket = nullptr;  ///< null: polling only
    FilesOffer files;          ///< the stores of the worker, which delivers files of results
    /// A file of a job was replaced by another prompt's before it was here: slots are given back after that.
    std::atomic<bool>& keeps_slot;
};

/// Returns the result; throws JobFailure.
Json process(const Shared& shared, const Job& job, JobContext& context);

}  // namespace emprops::comfyui
