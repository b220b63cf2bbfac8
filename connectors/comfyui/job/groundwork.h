#pragma once
// What a job has before its turn: its place among the jobs of this connector, its texts, its inputs. A job that comes
// while another one runs brings its inputs to ComfyUI here, and nothing else: it takes no place in ComfyUI's queue.
// Lives as long as the job, on its thread, blocking; job.cpp makes it.

#include <string>

#include "connectors/comfyui/job/job.h"
#include "connectors/comfyui/job/mail.h"
#include "connectors/comfyui/job/report.h"
#include "connectors/comfyui/job/scope.h"
#include "connectors/comfyui/job/sending.h"
#include "connectors/comfyui/server/lease.h"
#include "connectors/comfyui/text/mark.h"

namespace emprops::comfyui {

struct Groundwork {
    Groundwork(const Shared& shared, const Job& job, JobContext& context, Payload payload, Wanted wanted);
    Groundwork(const Groundwork&) = delete;
    Groundwork& operator=(const Groundwork&) = delete;

    /// Until the job's turn, which is at once unless another one has the slot. Throws JobFailure: the job cannot be
    /// done, or was cancelled meanwhile.
    void prepare();

    const Shared& shared;
    const Job& job;
    JobContext& context;
    const Registration registration;
    const Lease lease;
    const OwnMark mark;
    bool withdrawing = false;  ///< the prompt is being taken back: the requests for that must go through
    Api api;
    const JobScope scope;
    Report report;
    Sending sending;

  private:
    void bring_inputs();
};

}  // namespace emprops::comfyui
