#pragma once
// The servers that an operator permits others to name, as a list of texts: "bucket.s3.amazonaws.com", "*.example.com",
// "files.example.com:8443", "http://127.0.0.1:9000". Without a scheme https alone is meant, without a port the scheme's
// own. "*." stands for one or more names before the rest. Pure, any thread.

#include <cstdint>
#include <string>
#include <vector>

#include "ipc/result.h"
#include "ipc/web/host.h"
#include "ipc/web/url.h"

namespace emprops::web {

/// The member of the table `stores` that is such a list, of servers to which jobs may send by URLs of their own.
inline constexpr const char* put_allow_key = "put_allow";

class HostList {
  public:
    HostList() = default;
    /// Errors: "bad_host", with a message that names the entry.
    static Result<HostList> parse(const std::vector<std::string>& entries);

    bool empty() const { return entries_.empty(); }
    /// Whether the URL leads to one of them.
    bool permits(const Url& url) const;
    /// Whether an entry is this very address, whatever name has led there: a name in the list permits no address that the
    /// public net has not.
    bool names(const IpAddress& address, std::uint16_t port) const;

  private:
    struct Entry {
        bool tls = true;
        bool below = false;  ///< "*.": what stands before `host`
        std::string host;
        std::uint16_t port = 443;
    };
    static Result<Entry> parse_one(const std::string& text);

    std::vector<Entry> entries_;
};

}  // namespace emprops::web
