// A segment of the job ledger's journal with any bytes in it: what is read are whole lines in their order, and damage
// beside them.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "supervisor/jobs/journal/line.h"
#include "supervisor/jobs/ledger_record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace emprops::jobs;
    const std::string_view segment(reinterpret_cast<const char*>(data), size);
    const journal::Scan scan = journal::scan_segment(segment, 0);
    std::uint64_t last = 0;
    std::size_t end = 0;
    for (const journal::Line& line : scan.lines) {
        if (line.sequence <= last || line.offset < end || line.offset + line.size > size) std::abort();
        last = line.sequence;
        end = line.offset + line.size;
        (void)decode_record(line.number, line.members);
    }
    for (const journal::Damage& damage : scan.damages)
        if (damage.offset + damage.size > size) std::abort();
    // Without a right checksum the fuzzer seldom gets further: what the lines hold is tried by itself.
    const auto record = decode_record(1, segment);
    if (record.ok()) {
        const auto again = decode_record(1, encode_record(*record));
        if (!again.ok() && record->content() == nullptr) std::abort();
    }
    return 0;
}
