#include "connectors/comfyui/job/groundwork.h"

#include <utility>

#include "connectors/comfyui/job/raise.h"
#include "connectors/comfyui/transfer/inputs.h"
#include "ipc/web/digest.h"

namespace emprops::comfyui {
namespace {

/// Instances may share ComfyUI's folders, and a job that waits at one may begin at another one meanwhile.
std::string folder_space(const Shared& shared) {
    const std::string space = shared.names.space();
    return shared.instance == 0 ? space : space + "/" + std::to_string(shared.instance);
}

}  // namespace

Groundwork::Groundwork(const Shared& shared, const Job& job, JobContext& context, Payload payload,
                       Wanted wanted)
    : shared(shared),
      job(job),
      context(context),
      registration(shared.boxes, job.job_id),
      lease(shared.work_dir, job.job_id, [this](Ms time) { return this->context.wait_cancelled(time); }),
      mark{shared.names.space(), shared.connector, shared.instance, job.job_id, sha256_hex(job.payload_text)},
      api(shared.settings, [this] { return scope.cancelled(); }),
      scope{shared,
            job,
            context,
            std::move(payload),
            std::move(wanted),
            api,
            [this] { return this->context.cancelled() && !withdrawing; },
            [this](Ms time, const std::string& setback) {
                report.waiting(setback, time);
                return this->context.wait_cancelled(time);
            },
            input_subfolder(folder_space(shared), job.job_id)},
      report(scope.payload.nodes, shared.settings.previews, shared.times,
             [this](double percent, const std::string& message, const Json& details) {
                 this->context.progress(percent, message, "processing", details);
             }),
      sending(scope, mark, report) {}

void Groundwork::prepare() {
    if (context.has_turn()) return;
    bring_inputs();
    if (context.wait_turn()) return;
    scope.clean_up(true);
    raise_cancelled();
}

/// What may pass is tried once more at its turn.
void Groundwork::bring_inputs() {
    try {
        sending.provide();
    } catch (const JobFailure& failure) {
        if (!failure.retryable() || context.cancelled()) throw;
        sending.provide_again();
    }
}

}  // namespace emprops::comfyui
