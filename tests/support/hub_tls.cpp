#include "tests/support/hub_tls.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace emprops::test {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Key make_key() {
    return {EVP_EC_gen("P-256"), EVP_PKEY_free};
}

template <class Write>
std::string pem(Write write) {
    std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
    write(out.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}
std::string pem_of(X509* certificate) {
    return pem([&](BIO* out) { PEM_write_bio_X509(out, certificate); });
}
std::string pem_of(EVP_PKEY* key) {
    return pem([&](BIO* out) { PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

void extend(X509* certificate, X509* issuer, int kind, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

Certificate make_certificate(const char* name, long serial, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key,
                             const char* names = nullptr) {
    Certificate certificate(X509_new(), X509_free);
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 24 * 3600);
    X509_set_pubkey(certificate.get(), key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509* signer = issuer == nullptr ? certificate.get() : issuer;
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
    if (issuer == nullptr) {
        extend(certificate.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
    } else {
        extend(certificate.get(), signer, NID_subject_alt_name, names);
    }
    X509_sign(certificate.get(), issuer_key, EVP_sha256());
    return certificate;
}

}  // namespace

TestCertificates make_test_certificates(const char* names) {
    const Key authority_key = make_key();
    const Key server_key = make_key();
    const Key client_key = make_key();
    const auto authority =
        make_certificate("test authority", 1, authority_key.get(), nullptr, authority_key.get());
    const auto server =
        make_certificate("test hub", 2, server_key.get(), authority.get(), authority_key.get(), names);
    const auto client =
        make_certificate("test worker", 3, client_key.get(), authority.get(), authority_key.get(), names);
    return {pem_of(authority.get()), pem_of(server.get()), pem_of(server_key.get()), pem_of(client.get()),
            pem_of(client_key.get())};
}

}  // namespace emprops::test
