#include "supervisor/hub/tls_context.h"

#include <openssl/ssl.h>

#include <filesystem>
#include <string>

namespace emprops::hub {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

Result<std::shared_ptr<ssl::context>> make_tls(const config::HubSettings& settings) {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
    error_code error;
    const auto fail = [&](const std::string& what, const std::filesystem::path& file) {
        return Error{"bad_tls_file", what + " " + file.string() + ": " + error.message()};
    };
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    context->set_verify_mode(settings.tls_verify ? ssl::verify_peer : ssl::verify_none);
    if (context->set_default_verify_paths(error); error)
        return fail("cannot load the system's authorities", "");
    if (!settings.ca_file.empty())
        if (context->load_verify_file(settings.ca_file.string(), error); error)
            return fail("cannot use hub.ca_file", settings.ca_file);
    if (settings.client_certificate.empty()) return context;
    if (context->use_certificate_chain_file(settings.client_certificate.string(), error); error)
        return fail("cannot use hub.client_certificate", settings.client_certificate);
    const auto& key = settings.client_key.empty() ? settings.client_certificate : settings.client_key;
    if (context->use_private_key_file(key.string(), ssl::context::pem, error); error)
        return fail("cannot use hub.client_key", key);
    return context;
}

}  // namespace emprops::hub
