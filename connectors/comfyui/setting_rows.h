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

/// Settings of earlier versions. Those of delivery are stores of the worker now: for this version it takes them itself
/// (config/comfyui_stores.h), and what comes through to here says nothing.
inline constexpr const char* delivers_instead =
    "the worker delivers files, as [stores.NAME] and the key `deliver` of [connectors.NAME] say";
inline constexpr std::array<emprops::settings::Retired, 17> retired_settings = {
    {{"input_max_redirects", "five redirects are followed on the way to an input"},
     {"capabilities_interval", "capabilities are looked for every 10 min while no job runs"},
     {"deliver", delivers_instead},
     {"directory", delivers_instead},
     {"directory_template", delivers_instead},
     {"deliver_verify_tls", delivers_instead},
     {"deliver_ca_file", delivers_instead},
     {"http_put_url", delivers_instead},
     {"http_put_headers", delivers_instead},
     {"s3_endpoint", delivers_instead},
     {"s3_bucket", delivers_instead},
     {"s3_region", delivers_instead},
     {"s3_key_template", delivers_instead},
     {"s3_access_key", delivers_instead},
     {"s3_secret_key", delivers_instead},
     {"s3_session_token", delivers_instead},
     {"s3_public_url", delivers_instead}}};

}  // namespace emprops::comfyui
