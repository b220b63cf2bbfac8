#include "ipc/web/transfer.h"

#include <cstdlib>
#include <mutex>
#include <utility>

namespace emprops::web {
namespace {

template <class Function>
Function& called(void* user) {
    return *static_cast<Function*>(user);
}

std::size_t take_body(char* bytes, std::size_t one, std::size_t count, void* user) {
    const std::size_t size = one * count;
    return called<std::function<bool(std::string_view)>>(user)({bytes, size}) ? size : 0;
}

std::size_t take_header(char* bytes, std::size_t one, std::size_t count, void* user) {
    std::string_view line(bytes, one * count);
    while (line.ends_with('\n') || line.ends_with('\r'))
        line.remove_suffix(1);
    called<std::function<void(std::string_view)>>(user)(line);
    return one * count;
}

int ask_abort(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return called<std::function<bool()>>(user)() ? 1 : 0;
}

CURL* new_handle() {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    return curl_easy_init();
}

}  // namespace

Transfer::Transfer() : handle_(new_handle()) {
    if (usable()) reset();
}

Transfer::~Transfer() {
    curl_easy_cleanup(handle_);
}

void Transfer::reset() {
    curl_easy_reset(handle_);
    detail_[0] = '\0';
    body_ = nullptr;
    header_ = nullptr;
    abort_ = nullptr;
    set(CURLOPT_ERRORBUFFER, detail_);
    set(CURLOPT_NOSIGNAL, 1L);
    // OpenSSL's own variables, by which a container says whom it trusts: libcurl sets them aside.
    if (const char* file = std::getenv("SSL_CERT_FILE"); file != nullptr && *file != '\0')
        set(CURLOPT_CAINFO, file);
    if (const char* folder = std::getenv("SSL_CERT_DIR"); folder != nullptr && *folder != '\0')
        set(CURLOPT_CAPATH, folder);
}

void Transfer::on_body(std::function<bool(std::string_view)> take) {
    body_ = std::move(take);
    set(CURLOPT_WRITEFUNCTION, take_body);
    set(CURLOPT_WRITEDATA, &body_);
}

void Transfer::on_header(std::function<void(std::string_view)> take) {
    header_ = std::move(take);
    set(CURLOPT_HEADERFUNCTION, take_header);
    set(CURLOPT_HEADERDATA, &header_);
}

void Transfer::abort_when(std::function<bool()> wanted) {
    abort_ = std::move(wanted);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, ask_abort);
    set(CURLOPT_XFERINFODATA, &abort_);
}

CURLcode Transfer::perform() {
    return curl_easy_perform(handle_);
}

long Transfer::status() const {
    long code = 0;
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &code);
    return code;
}

std::string Transfer::why(CURLcode code) const {
    return detail_[0] != '\0' ? detail_ : curl_easy_strerror(code);
}

}  // namespace emprops::web
