#include "connectors/comfyui/job/job.h"

#include <utility>

#include "connectors/comfyui/job/groundwork.h"
#include "connectors/comfyui/job/job_run.h"
#include "connectors/comfyui/job/raise.h"
#include "connectors/comfyui/text/api_key.h"

namespace emprops::comfyui {

Json process(const Shared& shared, const Job& job, JobContext& context) {
    auto payload = read_payload(job.payload_text);
    if (!payload.ok()) raise_invalid(payload.error());
    payload->extra_data_text = with_api_key(payload->extra_data_text, shared.settings.api_key_comfy_org);
    auto wanted = wanted_of(shared.settings.outputs, shared.files, payload->outputs);
    if (!wanted.ok()) raise_invalid(wanted.error());
    Groundwork ground(shared, job, context, std::move(*payload), std::move(*wanted));
    ground.prepare();
    return JobRun(ground).go();
}

}  // namespace emprops::comfyui
