#pragma once
// The TLS settings of the link, from [hub]. Only ws_link.cpp needs it.

#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "config/settings.h"
#include "ipc/result.h"

namespace emprops::hub {

/// Verifies by default; error "bad_tls_file" names the setting and the file.
Result<std::shared_ptr<boost::asio::ssl::context>> make_tls(const config::HubSettings& settings);

}  // namespace emprops::hub
