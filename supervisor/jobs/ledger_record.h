#pragma once
// One record of the job ledger: encode, decode. Pure functions.
//
// It is a line of the journal (journal/line.h), whose members are
//
//   "hub_url":"ws://hub","job_id":"j1","job_type":"comfyui","priority":0,"claimed_as":["w-1a2b3c4d"],
//   "connector":"comfyui","attempt":1,"state":"assigned"
//
// `payload` (only for connectors that resume) and `result` come last and hold the bytes of the Hub and the connector as
// they were; above 64 KiB, or with a line break, they are a file beside it:
//   "data":{"name":"4294967297-17.data","bytes":70000,"crc32c":"9ae0daaf"}
//   state "assigned":  the job was about to be given to a connector, or runs there; perhaps `payload`; with
//                      "begun":false it waits for its slot
//   state "delivering": its files are on their way: `delivery` (supervisor/files), and `result` as its connector said it
//   state "completed": `result`
//   state "failed":    `error` {code, message, retryable, details}
// Unknown members are ignored.
//
// Before the journal a record was a file of its own, "<32 hex digits>.json": one JSON object on one line, with
// "version":1, "checksum":"<sha256 of all behind it>" and "number" before the same members.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ipc/messages.h"
#include "ipc/result.h"
#include "supervisor/jobs/types.h"

namespace emprops::jobs {

/// A payload or result of more bytes is a file beside the journal.
inline constexpr std::size_t longest_inline = 64u << 10;

struct DataName {
    std::string name;
    std::uint64_t bytes = 0;
    std::uint32_t checksum = 0;  ///< CRC-32C
};

struct LedgerRecord {
    std::string hub_url;
    std::uint64_t number = 0;
    std::string job_id;
    std::string job_type;
    std::int64_t priority = 0;
    std::vector<std::string> claimed_as;
    std::string connector;
    int attempt = 1;
    bool begun = true;  ///< of one that has not ended: it was begun, or is about to be
    std::optional<ipc::RawJson> payload;
    std::optional<std::variant<Completed, Failed>> outcome;  ///< empty: not ended yet
    std::optional<ipc::RawJson>
        delivery;                  ///< set: `outcome` is a result whose files are still to be delivered
    std::optional<DataName> data;  ///< where the payload or result lies that is empty here

    /// The payload or result; null: there is none.
    ipc::RawJson* content();
    const ipc::RawJson* content() const { return const_cast<LedgerRecord*>(this)->content(); }
    /// The content has to be a file.
    bool needs_file() const;
};

/// Members of a line. With `data` the content is left out.
std::string encode_record(const LedgerRecord& record);
/// Errors: "bad_record", with what is wrong.
Result<LedgerRecord> decode_record(std::uint64_t number, std::string_view members);

/// A file as it was before the journal. Errors: "torn" (no whole record: cut off, checksum wrong), "version",
/// "bad_record"; the message says what is wrong without naming the file.
Result<LedgerRecord> decode_file(std::string_view text);

}  // namespace emprops::jobs
