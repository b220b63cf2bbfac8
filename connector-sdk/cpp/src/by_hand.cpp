#include "connector-sdk/cpp/src/by_hand.h"
#include "ipc/text/values.h"

namespace emprops::sdk {
namespace {

std::string help(const std::string& name, const std::string& program) {
    return "This is \"" + name +
           "\", a connector for emprops-worker. It is not used by hand: the worker starts it and talks to "
           "it\n"
           "over stdin and stdout, one JSON object per line.\n"
           "\n"
           "To use it, name it in the worker's configuration and start the worker:\n"
           "    CONNECTORS=" +
           name +
           " emprops-worker run\n"
           "or, with a path of its own, in emprops-worker.toml:\n"
           "    [connectors." +
           name + "]\n    command = [\"" + program +
           "\"]\n"
           "\n"
           "To try it without a worker, send it the worker's first line; it answers with `ready` and takes "
           "jobs:\n"
           "    (echo '{\"type\":\"hello\",\"protocol_versions\":[1]}'; cat) | EMPROPS_CONNECTOR=1 " +
           program + "\n\nOptions: --help, --version\n";
}

}  // namespace

std::string name_of_program(const std::string& path) {
    std::string name = path.substr(path.rfind('/') + 1);  // npos + 1 = 0: no slash
    const std::string prefix = "emprops-connector-";
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
    return name.empty() ? "connector" : name;
}

std::optional<Answer> answer_by_hand(const Invocation& invocation) {
    const std::string program = invocation.args.empty() ? "emprops-connector" : invocation.args.front();
    const std::string name = invocation.name.empty() ? name_of_program(program) : invocation.name;
    const auto has = [&](const char* option) { return text::has_item(invocation.args, option); };
    if (has("--version"))
        return Answer{name + " " + (invocation.version.empty() ? "(no version)" : invocation.version) + "\n"};
    if (has("--help") || has("-h")) return Answer{help(name, program)};
    if (!invocation.from_supervisor || invocation.stdin_is_terminal)
        return Answer{help(name, program), false, 64};
    return std::nullopt;
}

}  // namespace emprops::sdk
