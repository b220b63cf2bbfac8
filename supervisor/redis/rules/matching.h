#pragma once
// Whether this worker may take a pending job: the rules by which the queue's own function `findMatchingJob` gives jobs to
// workers, so that both kinds of worker can run side by side (supervisor/redis/PROTOCOL.md, "Matching"). Pure.
//
// Some requirements make that function fail for every worker whose search reaches the job. Here such a job is passed
// over, and told of: nobody behind it has to wait.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace emprops::redis {

/// The fields of a job's hash that the rules look at.
struct JobFields {
    std::optional<std::string> service_required;  ///< absent: anybody may take it
    std::string requirements;                     ///< JSON text; empty or no JSON: none
    std::string customer_id;
    std::string workflow_id;
};

enum class Verdict {
    takes,
    passes,  ///< it is another worker's
    poison,  ///< nobody can take it: its requirements are none
};

struct Judgement {
    Verdict verdict = Verdict::takes;
    std::string why{};  ///< the member that decided, and how; empty: it takes
};

/// `capabilities`: the document that this worker registers with, an object.
Judgement judge(const nlohmann::json& capabilities, const JobFields& job);

}  // namespace emprops::redis
