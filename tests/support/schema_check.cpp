#include "tests/support/schema_check.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace emprops::test {
namespace {

using Json = nlohmann::json;

bool is_integer(const Json& value) {
    return value.is_number_integer() ||
           (value.is_number() && std::floor(value.get<double>()) == value.get<double>());
}

bool has_type(const Json& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    if (type == "number") return value.is_number();
    if (type == "integer") return is_integer(value);
    throw std::runtime_error("schema: there is no type \"" + type + "\"");
}

bool has_one_type(const Json& value, const Json& types) {
    if (types.is_string()) return has_type(value, types.get<std::string>());
    return std::any_of(types.begin(), types.end(),
                       [&](const Json& type) { return has_type(value, type.get<std::string>()); });
}

/// Length in characters, as JSON Schema counts.
std::size_t characters(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

SchemaSet::SchemaSet(std::map<std::string, Json> schemas) : schemas_(std::move(schemas)) {
    for (const auto& [name, schema] : schemas_)
        inspect(schema, name);
}

SchemaSet SchemaSet::load(const std::filesystem::path& folder) {
    std::map<std::string, Json> schemas;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (name.ends_with(".schema.json")) schemas[name] = Json::parse(read_text_file(entry.path()));
    }
    return SchemaSet(std::move(schemas));
}

std::vector<std::string> SchemaSet::names() const {
    std::vector<std::string> out;
    for (const auto& [name, schema] : schemas_)
        out.push_back(name);
    return out;
}

std::vector<std::string> SchemaSet::errors(const std::string& name, const Json& value) const {
    std::vector<std::string> out;
    check(schemas_.at(name), value, "", out);
    return out;
}

void SchemaSet::inspect(const Json& schema, const std::string& where) const {
    if (schema.is_boolean()) return;
    if (!schema.is_object()) throw std::runtime_error("schema: " + where + " is neither object nor boolean");
    static const std::vector<std::string> plain{
        "type",    "required", "enum",          "const", "minimum", "maximum",     "minLength",
        "$schema", "pattern",  "maxProperties", "$id",   "title",   "description", "default"};
    for (const auto& [keyword, rule] : schema.items()) {
        const std::string place = where + "/" + keyword;
        if (keyword == "properties") {
            for (const auto& [name, inner] : rule.items())
                inspect(inner, place + "/" + name);
        } else if (keyword == "oneOf" || keyword == "anyOf") {
            for (const Json& inner : rule)
                inspect(inner, place);
        } else if (keyword == "items" || keyword == "additionalProperties" || keyword == "propertyNames") {
            inspect(rule, place);
        } else if (keyword == "$ref") {
            if (!schemas_.contains(rule.get<std::string>())) {
                throw std::runtime_error("schema: " + place + " names nothing of this set");
            }
        } else if (std::find(plain.begin(), plain.end(), keyword) == plain.end()) {
            throw std::runtime_error("schema: the keyword " + place +
                                     " is not known to tests/support/schema_check");
        }
    }
}

std::size_t SchemaSet::matches(const Json& alternatives, const Json& value, const std::string& at) const {
    return static_cast<std::size_t>(
        std::count_if(alternatives.begin(), alternatives.end(), [&](const Json& schema) {
            std::vector<std::string> wrong;
            check(schema, value, at, wrong);
            return wrong.empty();
        }));
}

void SchemaSet::check(const Json& schema, const Json& value, const std::string& at,
                      std::vector<std::string>& out) const {
    const auto wrong = [&](const std::string& text) { out.push_back((at.empty() ? "/" : at) + ": " + text); };
    if (schema.is_boolean()) {
        if (!schema.get<bool>()) wrong("nothing is allowed here");
        return;
    }
    const auto rule = [&](const char* keyword) {
        const auto found = schema.find(keyword);
        return found == schema.end() ? nullptr : &*found;
    };
    if (const Json* ref = rule("$ref")) check(schemas_.at(ref->get<std::string>()), value, at, out);
    if (const Json* types = rule("type"); types && !has_one_type(value, *types)) {
        wrong("must be of type " + types->dump() + ", is of type " + value.type_name());
    }
    if (const Json* only = rule("const"); only && value != *only) wrong("must be " + only->dump());
    if (const Json* some = rule("enum");
        some && std::find(some->begin(), some->end(), value) == some->end()) {
        wrong("must be one of " + some->dump());
    }
    if (const Json* low = rule("minimum"); low && value.is_number() && value < *low) {
        wrong("must be at least " + low->dump());
    }
    if (const Json* high = rule("maximum"); high && value.is_number() && value > *high) {
        wrong("must be at most " + high->dump());
    }
    if (const Json* length = rule("minLength");
        length && value.is_string() && characters(value.get<std::string>()) < length->get<std::size_t>()) {
        wrong("must have at least " + length->dump() + " characters");
    }
    if (const Json* pattern = rule("pattern");
        pattern && value.is_string() &&
        !std::regex_search(value.get<std::string>(), std::regex(pattern->get<std::string>()))) {
        wrong("must fit " + pattern->dump());
    }
    if (const Json* any = rule("anyOf"); any && matches(*any, value, at) == 0) wrong("fits none of anyOf");
    if (const Json* one = rule("oneOf"); one && matches(*one, value, at) != 1)
        wrong("must fit exactly one of oneOf");
    if (const Json* items = rule("items"); items && value.is_array()) {
        for (std::size_t i = 0; i < value.size(); ++i)
            check(*items, value[i], at + "/" + std::to_string(i), out);
    }
    if (value.is_object()) check_object(schema, value, at, out);
}

void SchemaSet::check_object(const Json& schema, const Json& value, const std::string& at,
                             std::vector<std::string>& out) const {
    if (schema.contains("maxProperties") && value.size() > schema["maxProperties"].get<std::size_t>())
        out.push_back((at.empty() ? "/" : at) + ": must have at most " + schema["maxProperties"].dump() +
                      " members");
    if (schema.contains("propertyNames")) {
        for (const auto& [name, member] : value.items())
            check(schema["propertyNames"], Json(name), at + "/" + name, out);
    }
    const Json none = Json::object();
    const Json& properties = schema.contains("properties") ? schema["properties"] : none;
    if (schema.contains("required")) {
        for (const Json& name : schema["required"]) {
            if (!value.contains(name.get<std::string>())) {
                out.push_back((at.empty() ? "/" : at) + ": the member " + name.dump() + " is missing");
            }
        }
    }
    for (const auto& [name, member] : value.items()) {
        const std::string place = at + "/" + name;
        if (properties.contains(name)) {
            check(properties[name], member, place, out);
        } else if (schema.contains("additionalProperties")) {
            check(schema["additionalProperties"], member, place, out);
        }
    }
}

std::string read_text_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + path.string());
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace emprops::test
