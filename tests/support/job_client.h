#pragma once
// A client of a TestHub that submits jobs and waits for what becomes of them. For one test thread.

#include <string>

#include "tests/support/hub_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {

using Json = nlohmann::json;

struct JobClient {
    HubClient hub;

    explicit JobClient(const TestHub& test_hub, HubClientOptions options = {},
                       const std::string& id = "client-1");

    /// Returns the job id.
    std::string submit(const std::string& type, const Json& payload, const std::string& job_id = "");
    /// The result; throws when it does not come.
    Json completed(const std::string& job_id, Ms deadline = Ms(20'000));
    /// The error of the next failed attempt; throws when none comes.
    std::string failed(const std::string& job_id, Ms deadline = Ms(20'000));
    /// Waits for the next progress that the job's connector tells. ("Starting job" is the worker's own: it is said at
    /// the assignment, before the ledger and the connector have the job.)
    void progressed(const std::string& job_id);
};

/// Polls the hub's REST side until the job has this status; returns the status it has at the end.
std::string wait_job_status(const TestHub& hub, const std::string& job_id, const std::string& status,
                            Ms deadline);

}  // namespace emprops::test
