#pragma once
// One libcurl easy handle as an object: HTTP for probes, the control socket and the connectors' transfers.
// Blocking; each object belongs to one thread at a time. What a request is (addresses, limits, bodies) is the
// caller's; here are the handle's life, its callbacks and its error text.

#include <curl/curl.h>

#include <functional>
#include <string>
#include <string_view>

namespace emprops::web {

class Transfer {
  public:
    Transfer();
    ~Transfer();
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    /// False: there was no memory for a handle, and nothing else may be called.
    bool usable() const { return handle_ != nullptr; }
    /// Forgets all options and callbacks; keeps connections. A handle is fresh after construction, too.
    void reset();
    template <class Value>
    void set(CURLoption option, Value value) {
        curl_easy_setopt(handle_, option, value);
    }
    void set(CURLoption option, const std::string& value) { set(option, value.c_str()); }

    /// Pieces of the answer's body; false ends the transfer.
    void on_body(std::function<bool(std::string_view)> take);
    /// Lines of the answer's head, also of an interim answer, without their line ends.
    void on_header(std::function<void(std::string_view)> take);
    /// Asked about once a second and whenever bytes move; true ends the transfer.
    void abort_when(std::function<bool()> wanted);

    CURLcode perform();
    /// Of the answer; 0 before its head was read.
    long status() const;
    /// Why perform() failed, for people.
    std::string why(CURLcode code) const;
    CURL* handle() const { return handle_; }

  private:
    CURL* handle_;
    char detail_[CURL_ERROR_SIZE] = "";
    std::function<bool(std::string_view)> body_;
    std::function<void(std::string_view)> header_;
    std::function<bool()> abort_;
};

}  // namespace emprops::web
