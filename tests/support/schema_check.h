#pragma once
// A small JSON Schema validator for the schemas in ipc/schemas (Debian has none for C++). It knows the
// keywords that they use and throws for any other one when it loads them, so that no rule is ever silently
// skipped: type, properties, required, additionalProperties, items, enum, const, minimum, maximum, minLength,
// oneOf, anyOf, and $ref to a schema of the same set; $schema, $id, title, description, default are
// annotations.

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emprops::test {

class SchemaSet {
  public:
    using Json = nlohmann::json;

    /// `schemas` by the name under which $ref finds them. Throws std::runtime_error for a keyword that is not
    /// known or a $ref to nothing.
    explicit SchemaSet(std::map<std::string, Json> schemas);
    /// All *.schema.json of a folder, under their file names.
    static SchemaSet load(const std::filesystem::path& folder);

    /// What is wrong with `value` by the schema `name`, one sentence each with the place as a JSON pointer;
    /// empty if it is valid. Throws std::out_of_range for a schema that is not there.
    std::vector<std::string> errors(const std::string& name, const Json& value) const;

    const Json& schema(const std::string& name) const { return schemas_.at(name); }
    std::vector<std::string> names() const;

  private:
    void inspect(const Json& schema, const std::string& where) const;
    void check(const Json& schema, const Json& value, const std::string& at,
               std::vector<std::string>& out) const;
    void check_object(const Json& schema, const Json& value, const std::string& at,
                      std::vector<std::string>& out) const;
    std::size_t matches(const Json& alternatives, const Json& value, const std::string& at) const;

    std::map<std::string, Json> schemas_;
};

/// The text of a file; throws std::runtime_error naming it if it cannot be read.
std::string read_text_file(const std::filesystem::path& path);

}  // namespace emprops::test
