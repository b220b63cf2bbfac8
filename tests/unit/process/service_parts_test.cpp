// What is read out of /proc and out of a health page, and what a service and its connector are told.

#include <gtest/gtest.h>

#include "supervisor/process/child_environment.h"
#include "supervisor/process/os/listen_port.h"
#include "supervisor/process/service_page.h"

namespace emprops::process {
namespace {

using Inodes = std::vector<std::uint64_t>;

constexpr const char* tcp_table =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:1FFC 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 "
    "0\n"
    "   1: 0100007F:1FFC 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 4243 1 0 20 "
    "4\n"
    "   2: 00000000:1FFC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0 100 "
    "0\n"
    "   3: 0100007F:1FFC 0100007F:D433 06 00000000:00000000 03:00000ACB 00000000     0        0 0 3 0\n"
    "   4: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0 100 0\n"
    "   5: odd\n\n   6: 0100007F:1FFC 00000000:0000 0A\n";

TEST(ListenPort, OnlyListeningSocketsOfThatPortCount) {
    EXPECT_EQ(listening_inodes(tcp_table, 8188), (Inodes{4242, 99}));
    EXPECT_EQ(listening_inodes(tcp_table, 22), (Inodes{7}));
    EXPECT_EQ(listening_inodes(tcp_table, 80), Inodes{});
    EXPECT_EQ(listening_inodes("", 80), Inodes{});
}

TEST(ListenPort, Version6HasLongerAddresses) {
    EXPECT_EQ(listening_inodes("   0: 00000000000000000000000001000000:1FFC "
                               "00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 "
                               "00000000  1000        0 555 1 0 100 0",
                               8188),
              (Inodes{555}));
}

TEST(ListenPort, DescriptorsAndCommandLines) {
    EXPECT_EQ(socket_inode("socket:[12345]"), 12345u);
    EXPECT_EQ(socket_inode("socket:[x]"), std::nullopt);
    EXPECT_EQ(socket_inode("pipe:[12345]"), std::nullopt);
    EXPECT_EQ(socket_inode("/dev/null"), std::nullopt);
    using namespace std::string_view_literals;
    EXPECT_EQ(shown_command("python\0main.py\0"sv), "python main.py");
    EXPECT_EQ(shown_command(""), "");
    EXPECT_EQ(shown_command(std::string(500, 'x')), std::string(200, 'x') + "...");
    PortOwner owner;
    EXPECT_EQ(owner.text(), "a process that we may not look into (of another user or container)");
    owner.pid = 7;
    owner.command = "python main.py";
    EXPECT_EQ(owner.text(), "pid 7 (python main.py)");
}

const std::vector<std::string> comfyui_figures = config::ServiceSettings().vram_figures;

TEST(ServicePage, TheStatusDecides) {
    EXPECT_TRUE(judge_page(200, "anything", comfyui_figures).healthy);
    EXPECT_TRUE(judge_page(302, "", comfyui_figures).healthy);
    EXPECT_FALSE(judge_page(503, "", comfyui_figures).healthy);
    EXPECT_EQ(judge_page(503, "", comfyui_figures).text, "it answers HTTP 503");
    EXPECT_FALSE(judge_page(401, "", comfyui_figures).healthy);
}

TEST(ServicePage, GraphicsMemoryIsReadWhereTheConfigurationSays) {
    const auto vram_used = [](std::string_view body) { return vram_in_use(body, comfyui_figures); };
    EXPECT_EQ(vram_used(R"({"system":{},"devices":[{"name":"cuda:0","vram_total":100,"vram_free":30},
                            {"name":"cuda:1","vram_total":100,"vram_free":90}]})"),
              70u);
    EXPECT_EQ(vram_used(R"({"devices":[{"vram_total":100,"vram_free":300}]})"), 0u);
    EXPECT_EQ(vram_used(R"({"devices":[{"vram_total":-1,"vram_free":3},{"vram_total":"x"},7]})"),
              std::nullopt);
    EXPECT_EQ(vram_used(R"({"devices":[]})"), std::nullopt);
    EXPECT_EQ(vram_used("<html>"), std::nullopt);
    EXPECT_EQ(vram_used(std::string(60'000, '[')), std::nullopt);
}

TEST(ServicePage, OtherPagesHaveTheirFiguresElsewhere) {
    const std::string page = R"({"gpu":{"used":5,"total":8,"free":2},"all":[{"used":1},{"used":9}]})";
    EXPECT_EQ(vram_in_use(page, {"/gpu/used"}), 5u);
    EXPECT_EQ(vram_in_use(page, {"/gpu/total", "/gpu/free"}), 6u);
    EXPECT_EQ(vram_in_use(page, {"/all/*/used"}), 9u);
    EXPECT_EQ(vram_in_use(page, {"/nothing"}), std::nullopt);
    EXPECT_EQ(vram_in_use(page, {"no pointer"}), std::nullopt);
    EXPECT_EQ(vram_in_use(page, {}), std::nullopt);
}

config::ConnectorSettings two_gpus() {
    config::ConnectorSettings settings;
    settings.name = "c";
    settings.instances = 2;
    settings.service.command = {"python"};
    settings.service.port = 8188;
    settings.service.env = {{"CUDA_VISIBLE_DEVICES", "{instance}"}, {"LISTEN", "127.0.0.1:{port}"}};
    settings.env = {{"SERVER", "http://127.0.0.1:{service_port}/"}, {"N", "{instance}"}};
    settings.settings = {{"url", "http://h:{service_port}"}, {"list", {"{service_port}", 1}}, {"n", 2}};
    return settings;
}

TEST(ServiceEnvironment, EachInstanceHasItsPortAndItsNumber) {
    const auto settings = two_gpus();
    EXPECT_EQ(service_port(settings, 1), 8189);
    const auto own = service_environment(settings, 1, {"PATH=/bin", "COMFYUI_PASSWORD=x", "LANG=C"});
    EXPECT_EQ(
        own,
        (std::map<std::string, std::string>{
            {"CUDA_VISIBLE_DEVICES", "1"}, {"LISTEN", "127.0.0.1:8189"}, {"LANG", "C"}, {"PATH", "/bin"}}));
    EXPECT_EQ(for_service("--port={port} {instance} {other}", settings, 0), "--port=8188 0 {other}");
}

TEST(ServiceEnvironment, TheConnectorIsToldWhereItIs) {
    const auto settings = two_gpus();
    const auto environment = child_environment(settings, 1, {});
    EXPECT_EQ(environment.at("EMPROPS_SERVICE_PORT"), "8189");
    EXPECT_EQ(environment.at("EMPROPS_SERVICE_URL"), "http://127.0.0.1:8189");
    auto elsewhere = settings;
    elsewhere.service.health_url = "http://[::1]:{port}/x";
    EXPECT_EQ(child_environment(elsewhere, 1, {}).at("EMPROPS_SERVICE_URL"), "http://[::1]:8189");
    elsewhere.service.health_url = "http://health.example/x";
    EXPECT_EQ(child_environment(elsewhere, 1, {}).at("EMPROPS_SERVICE_URL"), "http://127.0.0.1:8189");
    EXPECT_EQ(environment.at("SERVER"), "http://127.0.0.1:8189/");
    EXPECT_EQ(environment.at("N"), "1");
    EXPECT_EQ(settings_for_connector(settings, 1),
              nlohmann::json::parse(R"({"url":"http://h:8189","list":["8189",1],"n":2})"));
}

TEST(ServiceEnvironment, WithoutAServiceOrItsPortNothingIsSaid) {
    auto settings = two_gpus();
    settings.service.port = 0;
    EXPECT_EQ(child_environment(settings, 0, {}).count("EMPROPS_SERVICE_PORT"), 0u);
    settings.service.port = 8188;
    settings.service.command.clear();
    EXPECT_EQ(service_port(settings, 0), 0);
    EXPECT_EQ(child_environment(settings, 0, {}).at("SERVER"), "http://127.0.0.1:{service_port}/");
    EXPECT_EQ(settings_for_connector(settings, 0), settings.settings);
}

}  // namespace
}  // namespace emprops::process
