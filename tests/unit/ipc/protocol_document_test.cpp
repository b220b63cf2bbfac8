// ipc/PROTOCOL.md, the schemas and the codec say the same, or these tests fail.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "ipc/codec.h"
#include "tests/support/schema_check.h"

namespace emprops::ipc {
namespace {

using test::SchemaSet;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string source_dir = EMPROPS_SOURCE_DIR;

const std::set<std::string> to_connector_types{"hello", "job",   "begin",   "cancel",
                                               "ping",  "drain", "shutdown"};
const std::set<std::string> from_connector_types{"ready",    "init_failed",     "preparing",   "accepted",
                                                 "progress", "released",        "result",      "failed",
                                                 "status",   "restart_service", "log",         "metrics",
                                                 "pong",     "service_request", "capabilities"};

struct Row {
    std::vector<std::string> cells;  // trimmed
};

/// What stands under one heading "### `name`".
struct Section {
    std::vector<Row> rows;  // of tables whose first cell is `word`
    std::vector<std::string> examples;
};

struct Document {
    std::map<std::string, Section> sections;
    std::vector<std::string> scripts;  // the bash blocks
};

std::string trim(const std::string& text) {
    const auto from = text.find_first_not_of(' ');
    if (from == std::string::npos) return {};
    return text.substr(from, text.find_last_not_of(' ') - from + 1);
}

Row to_row(const std::string& line) {
    Row row;
    std::istringstream in(line.substr(1));
    for (std::string cell; std::getline(in, cell, '|');)
        row.cells.push_back(trim(cell));
    return row;
}

std::string word(const std::string& cell) {
    return cell.size() > 2 && cell.front() == '`' && cell.back() == '`' ? cell.substr(1, cell.size() - 2)
                                                                        : "";
}

Document read_document() {
    Document document;
    std::istringstream in(test::read_text_file(source_dir + "/ipc/PROTOCOL.md"));
    std::string section;
    std::string fence;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("```")) {
            fence = fence.empty() ? line.substr(3) : "";
            if (fence == "bash") document.scripts.emplace_back();
        } else if (fence == "json") {
            document.sections[section].examples.push_back(line);
        } else if (fence == "bash") {
            document.scripts.back() += line + "\n";
        } else if (line.starts_with("## ")) {
            section.clear();
        } else if (line.starts_with("### ")) {
            section = word(trim(line.substr(4)));
            document.sections[section];
        } else if (line.starts_with("| `") && !section.empty()) {
            document.sections[section].rows.push_back(to_row(line));
        }
    }
    return document;
}

const Document& document() {
    static const Document read = read_document();
    return read;
}

const SchemaSet& schemas() {
    static const SchemaSet set = SchemaSet::load(source_dir + "/ipc/schemas");
    return set;
}

std::string schema_of(const std::string& type) {
    return type + ".schema.json";
}

/// The schema's rules for one member, with a $ref followed.
Json member_schema(const Json& schema) {
    return schema.contains("$ref") ? schemas().schema(schema["$ref"].get<std::string>()) : schema;
}

/// Why the codec refuses the line; empty if it takes it.
std::string refusal(const std::string& type, const std::string& line) {
    if (to_connector_types.contains(type)) {
        const auto message = decode_to_connector(line);
        if (!message.ok()) return message.error().message;
        return message->has_value() ? "" : "unknown type";
    }
    const Decoded message = decode_from_connector(line);
    if (const auto* bad = std::get_if<Malformed>(&message)) return bad->reason;
    if (const auto* stray = std::get_if<Stray>(&message)) return "stray: " + stray->hint;
    return std::holds_alternative<Unknown>(std::get<FromConnector>(message)) ? "unknown type" : "";
}

/// Calls `visit(type, line)` for each example of the page.
template <class Visit>
void for_each_example(Visit visit) {
    for (const auto& [type, section] : document().sections) {
        for (const std::string& line : section.examples)
            visit(type, line);
    }
}

TEST(ProtocolDocument, EachMessageHasASectionASchemaAndAnExample) {
    std::set<std::string> expected = to_connector_types;
    expected.insert(from_connector_types.begin(), from_connector_types.end());
    for (const std::string& type : expected) {
        ASSERT_TRUE(document().sections.contains(type)) << type;
        EXPECT_FALSE(document().sections.at(type).examples.empty()) << type;
        EXPECT_THAT(schemas().names(), Contains(schema_of(type)));
    }
    EXPECT_EQ(schemas().names().size(), expected.size() + 1) << "the messages and error.schema.json";
    EXPECT_EQ(document().sections.size(), expected.size() + 1) << "the messages and `error`";
}

TEST(ProtocolDocument, EachExampleIsDecodedAndFitsItsSchema) {
    for_each_example([](const std::string& type, const std::string& line) {
        const Json value = Json::parse(line, nullptr, false);
        ASSERT_FALSE(value.is_discarded()) << line;
        EXPECT_EQ(value["type"], type) << "stands in the section of its type";
        EXPECT_THAT(schemas().errors(schema_of(type), value), IsEmpty()) << line;
        EXPECT_EQ(refusal(type, line), "") << line;
    });
}

TEST(ProtocolDocument, ExamplesOfTheSupervisorAreWhatItSendsByteForByte) {
    for_each_example([](const std::string& type, const std::string& line) {
        if (!to_connector_types.contains(type)) return;
        const auto message = decode_to_connector(line);
        ASSERT_TRUE(message.ok());
        EXPECT_EQ(encode(message->value()), line + "\n");
    });
}

TEST(ProtocolDocument, WhatOurEncoderMakesOfAConnectorsExampleFitsTheSchema) {
    for_each_example([](const std::string& type, const std::string& line) {
        if (!from_connector_types.contains(type)) return;
        const std::string encoded = encode(std::get<FromConnector>(decode_from_connector(line)));
        EXPECT_THAT(schemas().errors(schema_of(type), Json::parse(encoded)), IsEmpty()) << encoded;
        ASSERT_EQ(encoded.find('\n'), encoded.size() - 1);
        const Decoded again = decode_from_connector(encoded.substr(0, encoded.size() - 1));
        EXPECT_EQ(encode(std::get<FromConnector>(again)), encoded) << "nothing is lost on the way";
    });
}

TEST(ProtocolDocument, TablesNameTheFieldsTypesAndRequirementsOfTheSchemas) {
    for (const auto& [type, section] : document().sections) {
        if (type.empty()) continue;
        const Json& schema = schemas().schema(schema_of(type));
        std::set<std::string> in_table;
        for (const Row& row : section.rows) {
            if (row.cells.size() != 4) continue;  // the tables of features and codes have fewer columns
            const std::string name = word(row.cells[0]);
            in_table.insert(name);
            ASSERT_TRUE(schema["properties"].contains(name)) << type << "." << name;
            const Json member = member_schema(schema["properties"][name]);
            const std::string kind = member.contains("enum") ? "string" : member["type"].get<std::string>();
            EXPECT_TRUE(row.cells[1].starts_with(kind)) << type << "." << name << " is a " << kind;
            const Json required = schema.value("required", Json::array());
            const bool must = std::find(required.begin(), required.end(), name) != required.end();
            EXPECT_EQ(row.cells[2] == "required", must) << type << "." << name;
            if (member.contains("default") && member["default"].is_string()) {
                EXPECT_EQ(word(row.cells[2]), member["default"].get<std::string>()) << type << "." << name;
            }
        }
        std::set<std::string> in_schema;
        for (const auto& [name, member] : schema["properties"].items())
            in_schema.insert(name);
        in_schema.erase("type");
        EXPECT_EQ(in_table, in_schema) << type;
    }
}

// The fields of all examples of a type together, so that each known field is there once.
Json fullest_example(const std::string& type) {
    Json merged = Json::object();
    for (const std::string& line : document().sections.at(type).examples)
        merged.update(Json::parse(line));
    return merged;
}

TEST(ProtocolDocument, ExamplesShowEachField) {
    for (const std::string& type : from_connector_types) {
        const Json example = fullest_example(type);
        for (const auto& [name, member] : schemas().schema(schema_of(type))["properties"].items())
            EXPECT_TRUE(example.contains(name)) << type << "." << name;
    }
}

TEST(ProtocolDocument, SchemaAndCodecRefuseAFieldOfTheWrongType) {
    for_each_example([](const std::string& type, const std::string& line) {
        const Json example = Json::parse(line);
        for (const auto& [name, value] : example.items()) {
            if (name == "type") continue;
            Json wrong = example;
            wrong[name] = value.is_boolean() ? Json("yes") : Json(true);
            EXPECT_THAT(schemas().errors(schema_of(type), wrong), Each(HasSubstr("/" + name))) << wrong;
            EXPECT_THAT(schemas().errors(schema_of(type), wrong), testing::Not(IsEmpty())) << wrong;
            EXPECT_THAT(refusal(type, wrong.dump()), HasSubstr("\"" + name + "\"")) << wrong;
        }
    });
}

TEST(ProtocolDocument, SchemaAndCodecRefuseAConnectorsMessageWithoutARequiredField) {
    for (const std::string& type : from_connector_types) {
        const Json& required = schemas().schema(schema_of(type))["required"];
        for (const Json& name : required) {
            Json partial = fullest_example(type);
            partial.erase(name.get<std::string>());
            EXPECT_THAT(schemas().errors(schema_of(type), partial), Contains(HasSubstr(name.dump())))
                << partial;
            EXPECT_THAT(refusal(type, partial.dump()), HasSubstr(name.dump())) << partial;
        }
        Json minimal = Json::object();
        for (const Json& name : required)
            minimal[name.get<std::string>()] = fullest_example(type)[name.get<std::string>()];
        EXPECT_EQ(refusal(type, minimal.dump()), "") << minimal;
        EXPECT_THAT(schemas().errors(schema_of(type), minimal), IsEmpty()) << minimal;
    }
}

TEST(ProtocolDocument, UnknownFieldsAreNoErrorForSchemaAndCodec) {
    for_each_example([](const std::string& type, const std::string& line) {
        Json more = Json::parse(line);
        more["x_future"] = Json::array({1, Json::object()});
        EXPECT_THAT(schemas().errors(schema_of(type), more), IsEmpty());
        EXPECT_EQ(refusal(type, more.dump()), "");
    });
}

TEST(ProtocolDocument, NullCountsAsAbsentInOptionalFields) {
    for (const std::string& type : from_connector_types) {
        const Json& schema = schemas().schema(schema_of(type));
        for (const auto& [name, member] : schema["properties"].items()) {
            const bool required = std::find(schema["required"].begin(), schema["required"].end(), name) !=
                                  schema["required"].end();
            Json with_null = fullest_example(type);
            with_null[name] = nullptr;
            EXPECT_EQ(refusal(type, with_null.dump()).empty(), !required) << with_null;
        }
    }
}

TEST(ProtocolDocument, ErrorCodesAreThoseOfTheHeader) {
    const std::set<std::string> codes{
        code::invalid_payload, code::unsupported,   code::not_started,      code::service_unavailable,
        code::access_denied,   code::service_error, code::timeout,          code::out_of_memory,
        code::cancelled,       code::lost,          code::crashed,          code::hung,
        code::poison,          code::drained,       code::result_too_large, code::protocol_error,
        code::internal};
    std::set<std::string> documented;
    for (const Row& row : document().sections.at("error").rows) {
        if (row.cells.size() == 3) documented.insert(word(row.cells[0]));
    }
    EXPECT_EQ(documented, codes);
}

TEST(ProtocolDocument, ConnectorsOfThePageAreTheFilesThatAreTested) {
    std::vector<std::string> tested;
    for (const char* name : {"smallest", "picture"})
        tested.push_back(test::read_text_file(EMPROPS_FIXTURES "/connectors/" + std::string(name) + ".sh"));
    EXPECT_EQ(document().scripts, tested);
    EXPECT_EQ(std::count(tested[0].begin(), tested[0].end(), '\n'), 10) << "the page says ten lines";
}

}  // namespace
}  // namespace emprops::ipc
