#pragma once
// One value: read from TOML (as JSON) or from text, checked by its Field, written back as TOML. Pure
// functions, any thread, nothing throws. A returned message says what is wrong and what to write instead; it
// never contains the value of a secret field.

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "config/fields.h"

namespace emprops::config {

/// Stores a value that was read from TOML. `base` is the folder from which a relative path is taken. Tables
/// (env, levels, settings) are merged into what the slot holds. On a problem the slot keeps its value and the
/// message is returned.
std::optional<std::string> assign(const Field& field, const nlohmann::json& value, Slot slot,
                                  const std::filesystem::path& base);
/// Stores the text of a variable or override, in the spelling that Kind gives.
std::optional<std::string> assign_text(const Field& field, std::string_view text, Slot slot,
                                       const std::filesystem::path& base);

/// The value as TOML: "10s", 8001, ["a", "b"], { A = "b" }. An unset optional is an empty string.
std::string render(const Field& field, const Slot& slot);
/// A number as short as it can be written: 0.2, 45, 1e+20.
std::string plain(double value);
std::string toml_string(std::string_view text);
std::string toml_value(const nlohmann::json& value);

}  // namespace emprops::config
