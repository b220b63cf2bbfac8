#pragma once
// What a connector says to a person who starts it. Pure.

#include <optional>
#include <string>
#include <vector>

namespace emprops::sdk {

struct Invocation {
    std::vector<std::string> args;  ///< with the program's name first
    bool from_supervisor = false;   ///< EMPROPS_CONNECTOR is in the environment
    bool stdin_is_terminal = false;
    std::string name;  ///< of the connector; empty: taken from the program's name
    std::string version;
};

struct Answer {
    std::string text;
    bool to_stdout = true;
    int exit_code = 0;
};

/// The answer to --version, --help or a start by hand; nullopt: a supervisor started us.
std::optional<Answer> answer_by_hand(const Invocation& invocation);

/// "/usr/bin/emprops-connector-echo" -> "echo".
std::string name_of_program(const std::string& path);

}  // namespace emprops::sdk
