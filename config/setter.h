#pragma once
// Puts one value from one place into its slot, and notes the problem or the origin. Internal to config/.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "config/fields.h"
#include "config/layers.h"
#include "config/load.h"

namespace emprops::config {

class Setter {
  public:
    explicit Setter(Loaded& out) : out_(out) {}

    void problem(Severity severity, const std::string& where, const std::string& message);

    /// A key of a TOML file. Of a table each entry is set for itself, so that its own line is named.
    void set(const Field& field, const FileSource& file, const TomlEntry& entry, Slot slot,
             const std::string& full_key);
    void set(const Field& field, const nlohmann::json& value, Slot slot, const std::string& full_key,
             const Origin& origin, const std::filesystem::path& base);
    /// All variables of `source` that mean this field; of several, the first of `names` wins, but each is
    /// checked.
    void set_from(const VariableSource& source, std::span<const std::string> names, const Field& field,
                  Slot slot, const std::string& full_key);
    /// An override of the command line. `below` is what stands in the key after the field's own ("" or
    /// "hub" of log.levels.hub): the value is then one entry of that table.
    void set(const Field& field, const Override& override, std::string_view below, Slot slot,
             const std::string& full_key, const std::filesystem::path& base);

    /// "unknown key `hub.tokn`; did you mean `hub.token`?"
    void unknown_key(const std::string& where, const std::string& full_key,
                     std::span<const std::string> candidates);

  private:
    void note(const Field& field, const std::optional<std::string>& message, const nlohmann::json& entries,
              const std::string& full_key, const Origin& origin);

    Loaded& out_;
};

}  // namespace emprops::config
