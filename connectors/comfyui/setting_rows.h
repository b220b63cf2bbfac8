#pragma once
// The rows of what can be set about the ComfyUI connector: settings.cpp reads them, the README's table comes out of
// them. Internal to the connector's settings.

#include <array>

#include "connectors/comfyui/settings.h"
#include "emprops/settings.h"

namespace emprops::comfyui {

/// How the server is named; put together once everything is read.
struct ServerParts {
    std::string url, host = "localhost", prefix, username, password, bearer;
    int port = 8188;
    bool ssl = false;
    bool port_given = false;  ///< not only by default
};

/// What the rows fill.
struct GivenSettings {
    Settings settings;
    ServerParts server;
};

const SettingRows<GivenSettings>& setting_rows();

/// Settings of version 0.1.0 that nobody had a reason to turn.
inline constexpr std::array<emprops::settings::Retired, 2> retired_settings = {
    {{"input_max_redirects", "five redirects are followed on the way to an input"},
     {"capabilities_interval", "capabilities are looked for every 10 min while no job runs"}}};

}  // namespace emprops::comfyui
