#pragma once
// Values as TOML text. Pure functions, any thread.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace emprops::settings {

/// A number as short as it can be written: 0.2, 45, 1e+20.
std::string plain(double value);
std::string toml_string(std::string_view text);
/// "10s", 8001, ["a", "b"], { A = "b" }. Null, which TOML does not have, is an empty text.
std::string toml_value(const nlohmann::json& value);

}  // namespace emprops::settings
