#pragma once
// SharedKey of Azure storage ("Authorize with Shared Key", 2009-09-19 and later). Pure, any thread.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ipc/result.h"

namespace emprops::stores {

struct AzureRequest {
    std::string method;
    std::string
        path;  ///< percent-coded, as it is sent, with the account in it where the server wants it there
    std::vector<std::pair<std::string, std::string>> query{};  ///< as they are, in any order
    std::map<std::string, std::string> headers{};              ///< all that are sent, in lower case
    std::uint64_t size = 0;                                    ///< of the body
};

std::string azure_string_to_sign(const AzureRequest& request, const std::string& account);
/// The value of the header Authorization; an Error if the key is no base64.
Result<std::string> azure_authorization(const AzureRequest& request, const std::string& account,
                                        const std::string& account_key);
/// "Fri, 26 Jun 2015 23:39:12 GMT", for x-ms-date.
std::string azure_moment(std::chrono::system_clock::time_point now);

}  // namespace emprops::stores
