#pragma once
// All that belongs to one submission of a job's graph. The next submission is a new value.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/comfyui/run/entry.h"
#include "connectors/comfyui/run/outcome.h"
#include "connectors/comfyui/run/place.h"
#include "connectors/comfyui/run/told.h"

namespace emprops::comfyui {

struct Submission {
    Submission(int its_number, std::string id) : number(its_number), prompt_id(std::move(id)) {}

    int number;
    std::string prompt_id;

    int posts = 0;             ///< POSTs that may have arrived
    int server_errors = 0;     ///< how many of them were answered so
    bool attached = false;     ///< the prompt is, or may be, in ComfyUI for this assignment
    bool answer_lost = false;  ///< of the POST that was taken
    bool doubtful = false;     ///< a POST may have been taken
    bool of_earlier = false;   ///< the doubt is about a POST of an earlier process
    std::optional<TimePoint> doubt_since;
    int put_offs = 0;  ///< POSTs that were not taken for now
    std::optional<TimePoint> put_off_since;

    Told told;
    Place place;
    Origin origin;  ///< of its files

    /// The end, once the history has it; and how many values of it could not be kept.
    Ending ending;
    int not_finite = 0, too_deep = 0;

    /// Where the prompt stands in the queue. One that is not there by its id is found by its mark: on a server that
    /// makes ids of its own, or as a submission that we did not think of. `later_too`: also a later submission
    /// of the job; else, while in doubt about this one, only this one answers the question.
    void on_queue(const Queue& queue, const OwnMark& own, bool later_too, TimePoint now);

    bool begun() const { return told.started_at() || place.runs(); }
    const std::vector<std::string>& cached_nodes() const {
        return ending.cached_nodes ? *ending.cached_nodes : told.cached_nodes();
    }
};

}  // namespace emprops::comfyui
