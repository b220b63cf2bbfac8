#include "ipc/web/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <fstream>
#include <stdexcept>
#include <vector>

namespace emprops {

std::string to_hex(std::string_view bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

namespace {

/// OpenSSL counts in unsigned characters.
std::string hex_of(const unsigned char* bytes, std::size_t size) {
    return to_hex(std::string_view(reinterpret_cast<const char*>(bytes), size));
}

std::string hex_digest(const EVP_MD* kind, std::string_view bytes) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, kind, nullptr) != 1) {
        throw std::runtime_error(
            "OpenSSL cannot compute a digest");  // a broken OpenSSL installation, nothing to go on with
    }
    return hex_of(digest, size);
}

}  // namespace

std::string md5_hex(std::string_view bytes) {
    return hex_digest(EVP_md5(), bytes);
}

std::string sha256_hex(std::string_view bytes) {
    return hex_digest(EVP_sha256(), bytes);
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size) == nullptr) {
        throw std::runtime_error("OpenSSL cannot compute an HMAC");
    }
    return std::string(reinterpret_cast<const char*>(digest), size);
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
    EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("OpenSSL cannot compute a digest");
}

void Sha256::add(std::string_view bytes) {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string Sha256::hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), digest, &size);
    return hex_of(digest, size);
}

std::optional<std::string> sha256_hex_of_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return {};
    Sha256 digest;
    std::vector<char> block(std::size_t{1} << 16);
    while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0)
        digest.add({block.data(), static_cast<std::size_t>(file.gcount())});
    if (file.bad()) return {};
    return digest.hex();
}

std::string random_hex(std::size_t digits) {
    std::vector<unsigned char> bytes((digits + 1) / 2);
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
        throw std::runtime_error("OpenSSL has no random numbers");
    }
    return hex_of(bytes.data(), bytes.size()).substr(0, digits);
}

}  // namespace emprops
