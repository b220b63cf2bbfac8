#pragma once
// TLS of the link: its settings, from [hub], whose certificate is expected, and why a handshake failed. Only
// ws_link.cpp needs it.

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/verify_context.hpp>
#include <memory>
#include <string>

#include "config/settings.h"
#include "ipc/result.h"
#include "supervisor/hub/url.h"

namespace emprops::hub {

/// Verifies by default; error "bad_tls_file" names the setting and the file.
Result<std::shared_ptr<boost::asio::ssl::context>> make_tls(const config::HubSettings& settings);

/// The certificate must be for this name or address.
void expect_host(SSL* stream, const std::string& host);
/// Of a verification that failed: whom the certificate is for, if it is not for the expected host; else empty.
std::string names_of_another_host(boost::asio::ssl::verify_context& context);
/// Why the handshake failed with `error`, for a person. `names`: by names_of_another_host().
std::string tls_failure(const config::HubSettings& settings, const Target& target, SSL* stream,
                        const boost::system::error_code& error, const std::string& names);

}  // namespace emprops::hub
