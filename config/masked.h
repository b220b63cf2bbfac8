#pragma once
// Values without what is secret in them: fit to be shown. Pure; internal to config/.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace emprops::config {

/// What stands in place of a secret.
inline constexpr std::string_view hidden = "(set, hidden)";

/// A URL with its password and query cut.
std::string masked_url(const std::string& url);

/// The value of a setting of this name, whose rows are not known: secrets are told by their names.
nlohmann::json masked(const std::string& name, const nlohmann::json& value);

}  // namespace emprops::config
