#pragma once
// The key of comfy.org that nodes which are paid for ask for (extra_data.api_key_comfy_org). Pure.

#include <string>
#include <string_view>

namespace emprops::comfyui {

/// `extra_data`, a JSON object, with this key in it, unless it has one of its own or a login's token. An empty key adds
/// nothing. All else stays byte for byte.
std::string with_api_key(std::string_view extra_data, const std::string& key);

/// ", and what to set" for an error of a node that wants the key; empty for any other.
std::string api_key_hint(std::string_view error);

}  // namespace emprops::comfyui
