#pragma once
// The REST side (ipc/hub/PROTOCOL.md 3.4) as texts. Pure.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/local_hub/jobs.h"

namespace emprops::local_hub {

struct HttpRequest {
    std::string method;
    std::string target;
    std::string body;
};
struct HttpResponse {
    unsigned status = 200;
    std::string body;  ///< JSON text
};
/// How a request is answered: once, now or later.
struct Reply {
    std::function<void(HttpResponse)> send;
    std::function<bool()> hung_up;  ///< the client does not wait any more; empty: that is not known
};

HttpResponse rest_problem(unsigned status, const Json& detail);
/// GET /
HttpResponse rest_alive();
/// POST /api/jobs without `wait`.
HttpResponse rest_submitted(const std::string& job_id);
/// GET /api/jobs/{id} and the end of a waiting POST. `payload`: JSON text; nullopt: null, as in the Hub's
/// answer to a waiting POST. `error` replaces the job's own.
HttpResponse rest_job(const JobView& view, const std::optional<std::string>& payload,
                      const std::optional<std::string>& error = {});

}  // namespace emprops::local_hub
