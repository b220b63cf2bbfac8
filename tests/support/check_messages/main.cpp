// check_messages: reads a connector's lines on stdin and tells on stderr, one line each, what the supervisor's decoder or
// the schemas in ipc/schemas have against them. Exit code 0: nothing, and there was a line. For tests of SDKs in other
// languages.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "ipc/codec.h"
#include "ipc/text/values.h"
#include "tests/support/schema_check.h"

namespace {

/// The decoder lets halves of surrogate pairs pass, as clients may send them; a DOM has no such text, and no schema looks
/// at it.
std::string without_surrogates(std::string line) {
    for (std::size_t at = line.find('\\'); at < line.size(); at = line.find('\\', at + 2)) {
        const std::string escape = emprops::text::lower(line.substr(at, 4));
        if (escape.size() == 4 && escape.starts_with("\\ud") && escape[3] >= '8')
            line.replace(at, 6, "\\ufffd");
    }
    return line;
}

std::string fault_of(const emprops::test::SchemaSet& schemas, const std::string& line) {
    const auto decoded = emprops::ipc::decode_from_connector(line);
    if (const auto* stray = std::get_if<emprops::ipc::Stray>(&decoded)) return "stray output " + stray->hint;
    if (const auto* broken = std::get_if<emprops::ipc::Malformed>(&decoded)) return broken->reason;
    // The envelope is known to be good now; the decoder may hold numbers that a parser rounds.
    const auto message = nlohmann::json::parse(without_surrogates(line), nullptr, false);
    if (!message.is_object()) return "no JSON object";
    const std::string type = message.value("type", "");
    const std::string schema = type + ".schema.json";
    const auto names = schemas.names();
    if (std::find(names.begin(), names.end(), schema) == names.end()) return "unknown type \"" + type + "\"";
    std::string faults;
    for (const std::string& error : schemas.errors(schema, message))
        faults += (faults.empty() ? "" : "; ") + error;
    return faults;
}

}  // namespace

int main() {
    const auto schemas = emprops::test::SchemaSet::load(std::string(EMPROPS_SOURCE_DIR) + "/ipc/schemas");
    int lines = 0;
    int wrong = 0;
    for (std::string line; std::getline(std::cin, line); ++lines) {
        const std::string fault = fault_of(schemas, line);
        if (fault.empty()) continue;
        ++wrong;
        std::fprintf(stderr, "line %d: %s: %.500s\n", lines + 1, fault.c_str(), line.c_str());
    }
    return lines > 0 && wrong == 0 ? 0 : 1;
}
