#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>

#include "connector-sdk/cpp/src/by_hand.h"
#include "connector-sdk/cpp/src/session.h"
#include "connector-sdk/cpp/src/stdio_guard.h"
#include "emprops/connector.h"
#include "ipc/text/values.h"

namespace emprops {
namespace {

constexpr int exit_internal = 70;

/// Our command line, without asking every author to hand over argc and argv.
std::vector<std::string> command_line() {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::vector<std::string> args;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\0', begin), text.size());
        args.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return args;
}

}  // namespace

int run_connector(Connector& connector) {
    sdk::Invocation invocation;
    invocation.args = command_line();
    invocation.from_supervisor = std::getenv("EMPROPS_CONNECTOR") != nullptr;
    invocation.stdin_is_terminal = ::isatty(0) == 1;
    invocation.name = connector.name();
    invocation.version = connector.version();
    if (text::has_item(invocation.args, "--check-settings")) {
        std::string hello;
        std::getline(std::cin, hello);
        std::fputs(sdk::checked_settings(connector, hello).c_str(), stdout);
        return 0;
    }
    if (const auto answer = sdk::answer_by_hand(invocation)) {
        std::fputs(answer->text.c_str(), answer->to_stdout ? stdout : stderr);
        return answer->exit_code;
    }
    const std::string name = !invocation.name.empty()  ? invocation.name
                             : invocation.args.empty() ? "connector"
                                                       : sdk::name_of_program(invocation.args.front());
    const auto descriptors = sdk::take_stdio();
    if (!descriptors.error.empty()) {
        std::fprintf(stderr, "%s cannot start: %s\n", name.c_str(), descriptors.error.c_str());
        return exit_internal;
    }
    try {
        sdk::Session session(connector, name, descriptors);
        return session.run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s ends: %s\n", name.c_str(), error.what());
        return exit_internal;
    }
}

}  // namespace emprops
