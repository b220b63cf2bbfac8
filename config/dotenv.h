#pragma once
// The dialect of `.env` files, that of python-dotenv, which the Python worker used. Pure functions.
//
//   KEY=value            `export ` may stand before it, spaces around `=` are dropped
//   KEY=value # note     a comment begins with # at the start of a line, of a value, or after a space
//   KEY='a # b $x'       nothing is special but \' and \\ ; may go over several lines
//   KEY="a\n\"b\" ${X}"  escapes \\ \' \" \a \b \f \n \r \t \v ; may go over several lines
//   KEY=${HOST}:1        ${X} and ${X:-default}, unquoted and in double quotes; X from `known`, then from
//                        above. An unknown X is empty. `$X` without braces and everything in single quotes is
//                        literal (python-dotenv expands ${X} there too).
//   KEY=                 set, and empty
// The last line of a name wins. A line that is none of these is a problem, never skipped; whose name it seems to set
// decides how bad it is.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::config {

struct DotenvVariable {
    std::string name;
    std::string value;
    int line = 0;  ///< 1-based
};

struct DotenvProblem {
    int line = 0;
    std::string name;  ///< that the line seems to set; empty: none
    std::string message;
    bool warning = false;
};

struct Dotenv {
    std::vector<DotenvVariable> variables;  ///< in the order of the file, a name may occur twice
    std::vector<DotenvProblem> problems;
};

/// `known`: the value of a variable from a layer above (the environment), or null.
Dotenv parse_dotenv(std::string_view text,
                    const std::function<std::optional<std::string>(const std::string&)>& known);

}  // namespace emprops::config
