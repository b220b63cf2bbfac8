#pragma once
// The result of a job whose run put something out: fetches it and describes it. On the job's thread, blocking;
// one object per attempt to fetch.

#include <optional>
#include <string>
#include <vector>

#include "connectors/comfyui/job/pictures.h"
#include "connectors/comfyui/job/report.h"
#include "connectors/comfyui/job/scope.h"
#include "connectors/comfyui/run/outcome.h"
#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/transfer/fetching.h"

namespace emprops::comfyui {

/// What is to be delivered, previews too where there is nothing else; says so in `notes`. `pictures`: there
/// are some that came over the WebSocket. Pure.
Outputs outputs_to_deliver(const Json& outputs, const Wanted& wanted, const OutputWishes& wishes,
                           bool pictures, Json& notes);

class ResultMaker {
  public:
    /// `note`: for people; empty: none. `released`: other prompts may run meanwhile, and write files. All of them outlive
    /// it.
    ResultMaker(const JobScope& scope, const Outcome& outcome, SocketPictures& pictures, Report& report,
                const std::string& note, bool released);

    /// The result, or a file that ComfyUI names and does not have. Throws JobFailure.
    std::variant<Json, OutputFile> make();
    /// Throws JobFailure: with where everything that was put out is, since a finished render is not lost.
    [[noreturn]] void give_up(Failure failure) const;

  private:
    std::optional<OutputFile> fetch_files();
    void keep_pictures();
    void tell(const std::string& file) const;
    Json timing(Ms download) const;

    const JobScope& scope_;
    const Outcome& outcome_;
    Report& report_;
    std::vector<SocketPicture> pictures_;
    Json notes_;
    Outputs outputs_;
    Fetching fetching_;
    Json files_ = Json::array();
};

}  // namespace emprops::comfyui
