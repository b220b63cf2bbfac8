#include "supervisor/jobs/ledger_record.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "ipc/codec.h"
#include "ipc/envelope.h"
#include "ipc/json_text.h"
#include "ipc/object_text.h"
#include "ipc/text/utf8.h"
#include "ipc/web/digest.h"
#include "supervisor/jobs/journal/line.h"

namespace emprops::jobs {
namespace {

using ipc::Json;

constexpr std::string_view before_checksum = R"({"version":1,"checksum":")";
constexpr std::size_t checksum_digits = 64;
constexpr std::string_view after_checksum = R"(",)";
constexpr std::size_t covered_from = before_checksum.size() + checksum_digits + after_checksum.size();

/// Begins as a record does, but with another number.
bool another_version(std::string_view text) {
    constexpr std::string_view before = R"({"version":)";
    if (text.substr(0, before.size()) != before) return false;
    const std::string_view rest = text.substr(before.size());
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    return digits > 0 && digits < rest.size() && rest[digits] == ',' && rest.substr(0, digits) != "1";
}

Error bad(std::string what) {
    return {"bad_record", std::move(what)};
}

template <class T>
T number_of(const Json& fields, const char* key, T otherwise) {
    const auto it = fields.find(key);
    return it != fields.end() && it->is_number_integer() ? it->get<T>() : otherwise;
}

ipc::JobError error_of(const Json& fields) {
    ipc::JobError error;
    const auto it = fields.find("error");
    if (it == fields.end() || !it->is_object()) return error;
    if (std::string code = ipc::text_or_empty(*it, "code"); !code.empty()) error.code = std::move(code);
    error.message = ipc::text_or_empty(*it, "message");
    if (const auto retryable = it->find("retryable"); retryable != it->end() && retryable->is_boolean())
        error.retryable = retryable->get<bool>();
    if (const auto details = it->find("details"); details != it->end() && details->is_object())
        error.details = *details;
    return error;
}

/// After a restart the Hub gets of a very long one what matters.
std::string error_text(ipc::JobError error) {
    std::string text = ipc::dump(ipc::to_json(error));
    if (text.size() <= longest_inline) return text;
    error.details = Json::object();
    error.message = text::cut(error.message, 4096);
    return ipc::dump(ipc::to_json(error));
}

std::optional<DataName> data_of(const Json& fields) {
    const auto data = fields.find("data");
    if (data == fields.end() || !data->is_object()) return {};
    DataName result{ipc::text_or_empty(*data, "name"), number_of<std::uint64_t>(*data, "bytes", 0)};
    const std::string sum = ipc::text_or_empty(*data, "crc32c");
    std::from_chars(sum.data(), sum.data() + sum.size(), result.checksum, 16);
    if (result.name.empty() || result.name.find('/') != std::string::npos) return {};
    return result;
}

Result<LedgerRecord> decode_object(std::string_view text) {
    const ipc::ScanOutcome scanned = ipc::scan_envelope(text, {"payload", "result", "delivery"});
    if (!scanned.envelope) {
        return bad("it is not valid JSON at byte " + std::to_string(scanned.error.offset) + ": " +
                   scanned.error.reason);
    }
    const Json& fields = scanned.envelope->fields;
    LedgerRecord record;
    record.hub_url = ipc::text_or_empty(fields, "hub_url");
    record.number = number_of<std::uint64_t>(fields, "number", 0);
    record.job_id = ipc::text_or_empty(fields, "job_id");
    record.job_type = ipc::text_or_empty(fields, "job_type");
    record.priority = number_of<std::int64_t>(fields, "priority", 0);
    record.connector = ipc::text_or_empty(fields, "connector");
    record.attempt = number_of<int>(fields, "attempt", 1);
    if (const auto ids = fields.find("claimed_as"); ids != fields.end() && ids->is_array()) {
        for (const Json& id : *ids) {
            if (id.is_string()) record.claimed_as.push_back(id.get<std::string>());
        }
    }
    record.data = data_of(fields);
    if (record.job_id.empty() || record.number == 0) return bad("it names no job or no number");

    const std::string state = ipc::text_or_empty(fields, "state");
    const auto word = fields.find("begun");
    const bool begun = word == fields.end() || *word != Json(false);
    if (state == "assigned") {
        if (const auto payload = scanned.envelope->find("payload"))
            record.payload = ipc::RawJson{std::string(*payload)};
        else if (record.data)
            record.payload.emplace();
        record.begun = begun;
    } else if (state == "completed" || state == "delivering") {
        if (const auto delivery = scanned.envelope->find("delivery"); delivery && state == "delivering")
            record.delivery = ipc::RawJson{std::string(*delivery)};
        else if (state == "delivering")
            return bad("its files are on their way, and it does not say which");
        const auto result = scanned.envelope->find("result");
        if (!result && !record.data) return bad("it is completed and has no result");
        record.outcome = Completed{{std::string(result.value_or(""))}};
    } else if (state == "failed") {
        record.outcome = Failed{error_of(fields), begun};
    } else {
        return bad("its state \"" + state + "\" is not known");
    }
    return record;
}

}  // namespace

ipc::RawJson* LedgerRecord::content() {
    if (Completed* completed = outcome ? std::get_if<Completed>(&*outcome) : nullptr)
        return &completed->result;
    return payload && !outcome ? &*payload : nullptr;
}

bool LedgerRecord::needs_file() const {
    const ipc::RawJson* raw = content();
    return raw != nullptr &&
           (raw->text().size() > longest_inline || raw->text().find('\n') != std::string::npos);
}

std::string encode_record(const LedgerRecord& record) {
    const Failed* failed = record.outcome ? std::get_if<Failed>(&*record.outcome) : nullptr;
    const bool completed = record.outcome && failed == nullptr;
    const ipc::RawJson* raw = record.data ? nullptr : record.content();

    ipc::ObjectText out;
    out.add("hub_url", record.hub_url)
        .add("job_id", record.job_id)
        .add("job_type", record.job_type)
        .add("priority", record.priority)
        .add("claimed_as", record.claimed_as)
        .add("connector", record.connector)
        .add("attempt", record.attempt)
        .add("state", record.delivery     ? "delivering"
                      : completed         ? "completed"
                      : failed != nullptr ? "failed"
                                          : "assigned");
    if (failed != nullptr) out.add_raw("error", error_text(failed->error));
    const bool begun = failed != nullptr ? failed->begun : completed || record.begun;
    out.add_if(!begun, "begun", false);
    if (record.delivery) out.add_raw("delivery", record.delivery->text());
    if (record.data) {
        ipc::ObjectText data;
        data.add("name", record.data->name)
            .add("bytes", record.data->bytes)
            .add("crc32c", journal::checksum_text(record.data->checksum));
        out.add_raw("data", data.end());
    }
    if (raw != nullptr) out.add_raw(completed ? "result" : "payload", raw->text());
    return out.members();
}

Result<LedgerRecord> decode_record(std::uint64_t number, std::string_view members) {
    return decode_object("{\"number\":" + std::to_string(number) + "," + std::string(members) + "}");
}

Result<LedgerRecord> decode_file(std::string_view text) {
    if (another_version(text)) return Error{"version", "it is of another version of this worker"};
    if (text.size() <= covered_from || text.back() != '\n') return Error{"torn", "it is cut off"};
    if (text.substr(0, before_checksum.size()) != before_checksum)
        return Error{"torn", "it does not begin like a ledger record"};
    if (text.substr(before_checksum.size(), checksum_digits) != sha256_hex(text.substr(covered_from)))
        return Error{"torn", "its checksum is wrong"};
    return decode_object(text);
}

}  // namespace emprops::jobs
