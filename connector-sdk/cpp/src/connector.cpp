// What connector.h promises about plain values and defaults; no protocol here.
#include "emprops/connector.h"

#include "connector-sdk/cpp/src/job_files.h"
#include "connector-sdk/cpp/src/json_limits.h"
#include "ipc/envelope.h"
#include "ipc/json_text.h"
#include "ipc/messages.h"

namespace emprops {

JobFailure::JobFailure(std::string code, const std::string& message, bool retryable, Json details)
    : std::runtime_error(message),
      code_(std::move(code)),
      retryable_(retryable),
      details_(std::move(details)) {}

Json Job::payload() const {
    Json value = Json::parse(payload_text, nullptr, false);
    if (value.is_discarded())
        throw JobFailure(ipc::code::invalid_payload, "the payload is not valid JSON", false);
    if (!value.is_object())
        throw JobFailure(ipc::code::invalid_payload,
                         std::string("the payload must be a JSON object, not ") + sdk::kind_of(value), false);
    return value;
}

void Connector::initialize(const ConnectorSettings&, ConnectorContext&) {}

Json Connector::process_job(const Job&, JobContext&) {
    throw JobFailure(
        ipc::code::internal,
        "this connector overrides neither process_job() nor process_job_raw(); it is a bug in it", false);
}

std::vector<std::string> Connector::check_settings(const ConnectorSettings&) {
    return {};
}

Json JobContext::add_file(OutputFile) {
    throw sdk::no_files();
}

RawResult Connector::process_job_raw(const Job& job, JobContext& context) {
    const Json result = process_job(job, context);
    if (!result.is_object())
        throw JobFailure(ipc::code::internal,
                         std::string("process_job() must return a JSON object, not ") + sdk::kind_of(result) +
                             "; it is a bug in the connector",
                         false);
    // Before dump(): it recurses, and a result out of somebody's deep JSON would overflow the stack.
    if (!sdk::depth_within(result, ipc::max_value_depth)) throw sdk::too_deep();
    return {ipc::dump(result)};
}

}  // namespace emprops
