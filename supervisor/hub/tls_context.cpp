#include "supervisor/hub/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "ipc/web/host.h"
#include "supervisor/hub/refused_link.h"

namespace emprops::hub {

namespace {

constexpr std::size_t longest_names = 300;

/// Names and addresses, else the common name of old.
std::string names_of(X509* certificate) {
    std::string names;
    const auto add = [&](const std::string& name) { add_item(names, name); };
    const auto text_of = [](const ASN1_STRING* text) {
        return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                           static_cast<std::size_t>(ASN1_STRING_length(text)));
    };
    const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> list(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
        &GENERAL_NAMES_free);
    for (int n = 0; list && n < sk_GENERAL_NAME_num(list.get()); ++n) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), n);
        if (name->type == GEN_DNS) add(text_of(name->d.dNSName));
        if (name->type != GEN_IPADD) continue;
        const std::string bytes = text_of(name->d.iPAddress);
        boost::asio::ip::address_v4::bytes_type four;
        boost::asio::ip::address_v6::bytes_type sixteen;
        if (bytes.size() == four.size()) {
            std::copy(bytes.begin(), bytes.end(), four.begin());
            add(boost::asio::ip::address_v4(four).to_string());
        } else if (bytes.size() == sixteen.size()) {
            std::copy(bytes.begin(), bytes.end(), sixteen.begin());
            add(boost::asio::ip::address_v6(sixteen).to_string());
        }
    }
    if (!names.empty()) return text::shortened(names, longest_names);
    const X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0) add(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
    return text::shortened(names, longest_names);
}

bool is_another_host(long verdict) {
    return verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

bool is_untrusted(long verdict) {
    return verdict == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           verdict == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           verdict == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           verdict == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           verdict == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE || verdict == X509_V_ERR_CERT_UNTRUSTED;
}

/// It sent something that is no TLS, or nothing.
bool is_no_tls(const boost::system::error_code& error) {
    namespace asio = boost::asio;
    if (error == asio::error::eof || error == asio::error::connection_reset ||
        error == asio::ssl::error::stream_truncated)
        return true;
    if (error.category() != asio::error::get_ssl_category()) return false;
    const int reason = ERR_GET_REASON(static_cast<unsigned long>(error.value()));
    return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
           reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_UNEXPECTED_MESSAGE;
}

}  // namespace

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

void expect_host(SSL* stream, const std::string& host) {
    if (web::IpAddress::parse(host)) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream), host.c_str());
    } else {
        SSL_set_tlsext_host_name(stream, host.c_str());  // RFC 6066 3: for names only
        SSL_set1_host(stream, host.c_str());
    }
}

std::string names_of_another_host(ssl::verify_context& context) {
    X509_STORE_CTX* store = context.native_handle();
    X509* certificate = X509_STORE_CTX_get_current_cert(store);
    if (certificate == nullptr || !is_another_host(X509_STORE_CTX_get_error(store))) return {};
    return names_of(certificate);
}

std::string tls_failure(const config::HubSettings& settings, const Target& target, SSL* stream,
                        const error_code& error, const std::string& names) {
    const long verdict = SSL_get_verify_result(stream);
    if (is_another_host(verdict)) return wrong_host(settings, target, names);
    if (verdict != X509_V_OK)
        return std::string("its certificate is not accepted (") + X509_verify_cert_error_string(verdict) +
               ")" +
               (is_untrusted(verdict) ? "; set hub.ca_file if it is signed by an authority of your own" : "");
    return is_no_tls(error) ? no_tls(settings, target, error.message()) : error.message();
}

}  // namespace emprops::hub
