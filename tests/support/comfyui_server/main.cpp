// The ComfyUI double (comfyui_double.h) as a program: comfyui_double_server FOLDER INSTANCE PORT
// Files in FOLDER switch what it does:
//   slow  while it exists the port is not opened
//   long  read at the start: so many milliseconds each prompt takes
//   die   while it exists a prompt that has begun to run makes it exit with 3
// It notes its process ids in FOLDER/pids-INSTANCE, and in FOLDER/journal-INSTANCE each "post", "run" and
// "end" of a prompt with the prompt's id, one a line.

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/support/comfyui_double.h"

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using emprops::test::ComfyDouble;
using emprops::test::ComfyDoubleOptions;
using emprops::test::ComfyScript;
using Json = nlohmann::json;

constexpr int prompts_at_most = 100;

/// One that ends well, `time` after its begin.
ComfyScript script(std::chrono::milliseconds time) {
    const Json file = {{"filename", "out.png"}, {"subfolder", ""}, {"type", "output"}};
    ComfyScript made = emprops::test::good_script({{"2", {{"images", {file}}}}});
    for (std::size_t i = 4; i < made.messages.size(); ++i)
        made.messages[i].at += time;
    return made;
}

int serve(const fs::path& folder, const std::string& instance, std::uint16_t port) {
    std::ofstream(folder / ("pids-" + instance), std::ios::app) << ::getpid() << std::endl;
    ::alarm(600);  // so that a failed test does not leave it forever
    while (fs::exists(folder / "slow"))
        std::this_thread::sleep_for(10ms);
    std::ofstream journal(folder / ("journal-" + instance), std::ios::app);
    ComfyDoubleOptions options;
    options.port = port;
    options.on_prompt = [&](const std::string& what, const std::string& prompt_id) {
        journal << what << " " << prompt_id << std::endl;
        if (what != "run" || !fs::exists(folder / "die")) return;
        std::fprintf(stderr, "comfyui double: out of luck with %s\n", prompt_id.c_str());
        std::fflush(stderr);
        ::_exit(3);
    };
    ComfyDouble comfy(options);
    long time = 0;
    std::ifstream(folder / "long") >> time;
    for (int i = 0; i < prompts_at_most; ++i)
        comfy.add_script(script(std::chrono::milliseconds{time}));
    std::printf("To see the GUI go to: %s\n", comfy.url().c_str());
    std::fflush(stdout);
    while (true)
        ::pause();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: comfyui_double_server FOLDER INSTANCE PORT\n");
        return 2;
    }
    try {
        return serve(argv[1], argv[2], static_cast<std::uint16_t>(std::stoi(argv[3])));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "comfyui double: %s\n", error.what());
        return 1;
    }
}
