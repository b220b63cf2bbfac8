#pragma once
// What a client asks an HTTP server for: path and query of a request line, decoded. Pure, any thread.

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::web {

struct RequestTarget {
    std::vector<std::string> segments;  ///< "/api/jobs/a%2Fb" -> {"api", "jobs", "a/b"}; "/a/" -> {"a", ""}
    std::map<std::string, std::string> query;  ///< "+" is a space in it
    /// False: it does not begin with "/", or has a "%" without two hexadecimal digits (which stays as it is).
    bool well_formed = true;

    static RequestTarget parse(std::string_view target);
};

}  // namespace emprops::web
