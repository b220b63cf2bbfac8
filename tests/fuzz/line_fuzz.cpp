// Bytes as a connector may print them: LineFramer, scan_envelope, check_json, both decoders and the marks of files.
// Invariants: the split of the stream into blocks changes nothing; no line is over the limit; opaque ranges
// lie inside the text and are JSON by themselves; what was decoded can be encoded, on one line, as JSON; marks lie in
// the text in order, and a result whose marks are filled is a result.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/codec.h"
#include "ipc/envelope.h"
#include "ipc/file_marks.h"
#include "ipc/lead.h"
#include "ipc/line_framer.h"

namespace {

using namespace emprops::ipc;

void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "invariant broken: %s\n", what);
    std::abort();
}

struct Framed {
    std::vector<std::string> lines;
    std::vector<std::pair<std::string, std::uint64_t>> overlong;
    bool operator==(const Framed&) const = default;
};

Framed frame(std::string_view stream, std::size_t limit, std::size_t step, Returns returns = Returns::kept) {
    Framed out;
    LineFramer framer(limit, returns);
    const LineFramer::Sink sink{
        [&](std::string_view line) { out.lines.emplace_back(line); },
        [&](std::string_view head, std::uint64_t size) { out.overlong.emplace_back(head, size); }};
    while (!stream.empty()) {
        const std::string_view block = stream.substr(0, step);
        framer.feed(block, sink);
        const std::size_t most = returns == Returns::kept ? limit : 2 * limit;
        require(framer.buffered_bytes() <= most, "no more than the limit is buffered");
        stream.remove_prefix(block.size());
    }
    framer.finish(sink);
    require(framer.buffered_bytes() == 0, "nothing is left after the end");
    require(framer.overlong_lines() == out.overlong.size(), "over-long lines are counted");
    return out;
}

void check_framer(std::string_view stream, std::size_t limit, std::size_t step, Returns returns) {
    const Framed whole = frame(stream, limit, stream.size() + 1, returns);
    require(whole == frame(stream, limit, step, returns), "blocks of any size give the same lines");
    for (const std::string& line : whole.lines) {
        require(!line.empty() && line.size() <= limit, "a line is not empty and within the limit");
        require(line.find('\n') == std::string::npos, "a line holds no newline");
    }
    for (const auto& [head, size] : whole.overlong)
        require(size > limit && head.size() <= 4096, "only over-long lines are reported as such");
}

void check_scanner(std::string_view line) {
    const ScanOutcome outcome = scan_envelope(line, {"payload", "result"});
    if (!outcome.envelope) {
        require(outcome.error.offset <= line.size(), "an error lies inside the text");
        require(!outcome.error.reason.empty(), "an error has a reason");
        return;
    }
    require(!check_json(line), "an envelope is JSON");
    for (const auto& [name, range] : outcome.envelope->opaque) {
        const bool inside =
            range.data() >= line.data() && range.data() + range.size() <= line.data() + line.size();
        require(inside && !range.empty(), "an opaque range lies in the text");
        require(!check_json(range), "an opaque value is JSON");
        require(!check_json(on_one_line(range)), "and still is on one line");
    }
    require(!check_json(outcome.envelope->fields.dump()), "the fields can be written as JSON");
}

void check_marks(const std::string& result, std::size_t files) {
    std::size_t done = 0;
    std::uint64_t most = 0;
    for (const FileMark& mark : find_file_marks(result)) {
        require(mark.at >= done && mark.bytes > 0 && mark.at + mark.bytes <= result.size(),
                "marks lie in the text, in order");
        require(!check_json(std::string_view(result).substr(mark.at, mark.bytes)), "a mark is JSON");
        done = mark.at + mark.bytes;
        if (mark.file < 1000) most = std::max(most, mark.file + 1);
    }
    const std::vector<std::string> entries(most, R"({"name":"x"})");
    require(!check_json(fill_file_marks(result, entries)), "a filled result is JSON");
    const emprops::Result<> checked = check_file_marks(result, files);
    require(checked.ok() || !checked.error().message.empty(), "an error has a reason");
    if (checked.ok() && files > 0) require(most == files, "each file is mentioned, and no other");
}

void check_encoded(const std::string& line) {
    require(!line.empty() && line.find('\n') == line.size() - 1, "one line, ended by a newline");
    require(line.rfind("{\"type\":\"", 0) == 0, "`type` is first");
    require(!check_json(line), "an encoded message is JSON");
}

void check_decoders(std::string_view line) {
    const Decoded decoded = decode_from_connector(line);
    if (const auto* message = std::get_if<FromConnector>(&decoded)) {
        const std::string encoded = encode(*message);
        check_encoded(encoded);
        const std::string_view text = std::string_view(encoded).substr(0, encoded.size() - 1);
        const Decoded again = decode_from_connector(text);
        require(std::holds_alternative<FromConnector>(again), "what we encode we decode");
        require(encode(std::get<FromConnector>(again)) == encoded, "a second trip changes nothing");
        if (const auto* result = std::get_if<JobResult>(message)) {
            for (const ResultFile& file : result->files)
                require(!file.name.empty() && file.name.find('/') == std::string::npos, "a file has a name");
            check_marks(result->result.text(), result->files.size());
        }
    } else if (const auto* bad = std::get_if<Malformed>(&decoded)) {
        require(!bad->reason.empty(), "a malformed line has a reason");
        require(bad->at < line.size(), "it begins in the line");
    } else if (const auto* behind = std::get_if<Behind>(&decoded)) {
        require(behind->at > 0 && behind->at < line.size() && line[behind->at] == '{',
                "text stands in front");
        const Decoded alone = decode_from_connector(line.substr(behind->at));
        require(std::holds_alternative<FromConnector>(alone), "what stands behind it is a message by itself");
    }
    const auto order = decode_to_connector(line);
    if (order.ok() && order->has_value()) check_encoded(encode(**order));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    // The first two bytes choose the limit of a line and the size of a block; the rest is the stream.
    const std::size_t limit = std::size_t{data[0]} * 64 + 1;
    const std::size_t step = std::size_t{data[1]} % 61 + 1;
    const std::string_view stream(reinterpret_cast<const char*>(data) + 2, size - 2);
    for (const Returns returns : {Returns::kept, Returns::end_text, Returns::end_lines})
        check_framer(stream, returns == Returns::end_text ? limit + message_lead_bytes : limit, step,
                     returns);
    for (const std::string& line : frame(stream, std::size_t{1} << 20, size).lines) {
        check_scanner(line);
        check_decoders(line);
    }
    return 0;
}
