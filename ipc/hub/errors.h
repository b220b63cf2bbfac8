#pragma once
// The Hub's error texts, written and read. They are part of its protocol (ipc/hub/PROTOCOL.md 2.3.9): an
// `error` has no code and names its job in the text only. Pure.

#include <string>
#include <string_view>

#include "ipc/hub/messages.h"

namespace emprops::hub {

inline constexpr const char* bad_token_text = "Authentication failed: Invalid token";
inline constexpr const char* invalid_format_text = "Invalid message format";
inline constexpr const char* invalid_json_text = "Invalid JSON format";

std::string claim_failed_text(std::string_view job_id);
std::string not_idle_text(std::string_view job_id, std::string_view worker_id);
std::string fail_refused_text(std::string_view job_id);
std::string not_found_text(std::string_view job_id);
std::string server_trouble_text(std::string_view reason);
std::string unsupported_text(std::string_view type);

HubError classify_error(std::string text);

}  // namespace emprops::hub
