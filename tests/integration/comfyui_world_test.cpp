// The real connector between proxies and sources as they are: what is too large, busy, behind a login, away
// for a moment, or no file at all. Nothing is rendered twice, and no finished render is lost.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "connectors/comfyui/text/web.h"
#include "connectors/comfyui/transfer/inputs.h"
#include "ipc/web/base64.h"
#include "tests/support/comfyui_connector.h"
#include "tests/support/comfyui_double.h"
#include "tests/support/comfyui_outcome.h"
#include "tests/support/free_ports.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::string png("\x89PNG\r\n\x1a\n\0REAL", 13);
const std::string page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>x</body></html>";

Json with_input(const std::string& url) {
    return {{"prompt",
             {{"1", {{"class_type", "LoadImage"}, {"inputs", {{"image", {{"$input", "photo"}}}}}}},
              {"2",
               {{"class_type", "SaveImage"}, {"inputs", {{"images", {"1", 0}}, {"filename_prefix", "a"}}}}}}},
            {"inputs", {{"photo", url.rfind("http", 0) == 0 ? Json{{"url", url}} : Json{{"data", url}}}}}};
}
/// A ComfyUI, and the connector with these settings.
struct World {
    explicit World(Json settings = Json::object())
        : connector(comfy.url(), with_private(std::move(settings))) {
        EXPECT_TRUE(connector.wait_available());
    }
    static Json with_private(Json settings) {
        settings["input_allow_private"] = true;
        return settings;
    }
    Json run(const Json& payload) {
        connector.give("job", payload);
        return connector.outcome("job", Ms(30'000));
    }
    ComfyDouble comfy;
    ComfyConnector connector;
};

// ---- by the status, not by the shape

TEST(ComfyUiRefused, TooLargeNamesBothLimitsAndIsNotTriedAgainForPromptsAndForInputs) {
    World world;
    world.comfy.answer("POST /prompt", {413, page, "text/html"});
    const Json prompt = world.run(graph());
    EXPECT_EQ(code(prompt), "invalid_payload");
    EXPECT_EQ(error_class(prompt), "too_large");
    EXPECT_EQ(prompt["error"]["retryable"], false);
    EXPECT_THAT(message(prompt), AllOf(HasSubstr("client_max_body_size"), HasSubstr("--max-upload-size")));
    world.comfy.answer("POST /upload/image", {413, "Maximum request body size 1 exceeded", "text/plain"});
    const Json input = world.run(with_input(web::base64_encode(png)));
    EXPECT_EQ(error_class(input), "too_large");
    EXPECT_THAT(message(input), HasSubstr("ComfyUI's is the one to raise"));
    EXPECT_THAT(world.comfy.uploads(), IsEmpty());
}

TEST(ComfyUiRefused, WhatIsBusyIsAskedAgainWhateverItsPageLooksLike) {
    for (const unsigned status : {429u, 408u, 503u}) {
        World world;
        world.comfy.answer("POST /prompt", {status, page, "text/html", {{"Retry-After", "1"}}, 2});
        EXPECT_EQ(code(world.run(graph())), "result") << status;
        EXPECT_THAT(world.comfy.posts(), SizeIs(1)) << status;
    }
    World world;
    world.comfy.answer("POST /upload/image", {429, page, "text/html", {}, 2});
    EXPECT_EQ(code(world.run(with_input(web::base64_encode(png)))), "result");
}

TEST(ComfyUiRefused, ALoginOrARedirectIsAMatterOfAccessAndSaysWhatToSet) {
    World world;
    world.comfy.answer("POST /prompt", {200, page, "text/html"});
    const Json login = world.run(graph());
    EXPECT_EQ(code(login), "access_denied");
    EXPECT_THAT(message(login),
                AllOf(HasSubstr("a web page"), HasSubstr("Sign in"), HasSubstr("bearer_token")));
    world.comfy.answer("POST /prompt", {308, "", "text/plain", {{"Location", "https://gpu.example/prompt"}}});
    const Json moved = world.run(graph());
    EXPECT_EQ(code(moved), "access_denied");
    EXPECT_THAT(message(moved), HasSubstr("Set server_url to https://gpu.example."));
    EXPECT_THAT(world.comfy.posts(), IsEmpty());
}

// ---- spelling

Json loader(const std::string& wanted) {
    Json out = graph();
    out["4"] = {{"class_type", "CheckpointLoaderSimple"}, {"inputs", {{"ckpt_name", wanted}}}};
    return out;
}

TEST(ComfyUiSpelling, AValueThatComfyUiSpellsOtherwiseIsSentItsWayWithANote) {
    const std::pair<const char*, const char*> list[] = {{"SDXL\\a.safetensors", "SDXL/a.safetensors"},
                                                        {"SDXL/a.safetensors", "SDXL\\a.safetensors"},
                                                        {"sdxl/A.safetensors", "SDXL/a.safetensors"}};
    for (const auto& [wanted, there] : list) {
        World world;
        world.comfy.answer("POST /prompt", {400, value_refusal(wanted, {there}).dump(), "application/json"});
        const Json outcome = world.run(loader(wanted));
        ASSERT_EQ(code(outcome), "result") << outcome;
        EXPECT_THAT(notes(outcome), HasSubstr("was sent so")) << wanted;
        ASSERT_THAT(world.comfy.posts(), SizeIs(1));
        EXPECT_EQ(world.comfy.posts()[0]["prompt"]["4"]["inputs"]["ckpt_name"], there);
    }
}

TEST(ComfyUiSpelling, OneInAnotherFolderIsNamedAndNotCalledMissing) {
    World world;
    world.comfy.answer("POST /prompt", {400, value_refusal("a.safetensors", {"SDXL/a.safetensors"}).dump(),
                                        "application/json"});
    const Json outcome = world.run(loader("a.safetensors"));
    EXPECT_EQ(error_class(outcome), "other_folder");
    EXPECT_THAT(message(outcome), AllOf(HasSubstr("SDXL/a.safetensors"), Not(HasSubstr("put it there"))));
}

// ---- inputs

TEST(ComfyUiInput, AWebPageAnEmptyFileAndAnErrorAreNoPictures) {
    World world;
    const std::string files = world.comfy.url() + "/files/";
    world.comfy.answer("GET /files/share", {200, page, "text/html; charset=utf-8"});
    world.comfy.answer("GET /files/p.png", {200, page, "image/png"});
    world.comfy.answer("GET /files/empty.png", {200, "", "image/png"});
    world.comfy.answer("GET /files/gone.png", {200, R"({"error":"expired"})", "application/json"});
    world.comfy.answer("GET /files/403.png", {403, page, "text/html"});
    const std::pair<const char*, const char*> list[] = {{"share", "a web page (text/html)"},
                                                        {"p.png", "a web page"},
                                                        {"empty.png", "is empty"},
                                                        {"gone.png", "a JSON text"},
                                                        {"403.png", "HTTP 403 (forbidden"}};
    for (const auto& [name, words] : list) {
        const Json outcome = world.run(with_input(files + name));
        EXPECT_EQ(code(outcome), "invalid_payload") << outcome;
        EXPECT_EQ(outcome["error"]["retryable"], false);
        EXPECT_THAT(message(outcome), HasSubstr(words));
    }
    EXPECT_THAT(message(world.run(with_input(web::base64_encode(page)))), HasSubstr("is a web page"));
    EXPECT_THAT(world.comfy.posts(), IsEmpty());
    EXPECT_THAT(world.comfy.uploads(), IsEmpty());
}

TEST(ComfyUiInput, RedirectsAreFollowedAndBlanksAreEncoded) {
    World world;
    const std::string files = world.comfy.url() + "/files/";
    world.comfy.answer("GET /files/r", {302, page, "text/html", {{"Location", "/files/my photo.png"}}});
    world.comfy.answer("GET /files/my%20photo.png", {200, png, "image/png", {}, 2});
    EXPECT_EQ(code(world.run(with_input(files + "r"))), "result");
    EXPECT_EQ(code(world.run(with_input(files + "my photo.png"))), "result");
    ASSERT_THAT(world.comfy.uploads(), SizeIs(2));
    EXPECT_EQ(world.comfy.uploads()[1].content, png);
}

TEST(ComfyUiInput, ASourceThatIsBusyIsAskedAgainAndAnUnknownNameIsFinal) {
    World world;
    world.comfy.answer("GET /files/p.png", {503, page, "text/html", {}, 2});
    world.comfy.answer("GET /files/p.png", {200, png, "image/png"});
    EXPECT_EQ(code(world.run(with_input(world.comfy.url() + "/files/p.png"))), "result");
    const auto began = std::chrono::steady_clock::now();
    // A label of 64 letters is in no name: the answer is "unknown" also where no name service is to be had.
    const Json outcome = world.run(with_input("http://" + std::string(64, 'x') + ".invalid/p.png"));
    EXPECT_THAT(message(outcome), HasSubstr("resolve")) << outcome;
    EXPECT_EQ(code(outcome), "invalid_payload") << outcome;
    EXPECT_LT(std::chrono::steady_clock::now() - began, 8s);
}

/// The variables as a proxy of the company sets them, for one test.
struct ProxyOfTheEnvironment {
    explicit ProxyOfTheEnvironment(const std::string& url) {
        ::setenv("http_proxy", url.c_str(), 1);
        ::setenv("https_proxy", url.c_str(), 1);
        ::setenv("no_proxy", "direct.example", 1);
    }
    ~ProxyOfTheEnvironment() {
        for (const char* name : {"http_proxy", "https_proxy", "no_proxy"}) {
            ::unsetenv(name);
        }
    }
};
std::string authority(const std::string& url) {
    return url.substr(url.find("://") + 3);
}

TEST(ComfyUiProxy, InputsGoThroughTheProxyOfTheEnvironmentAndComfyUiDoesNot) {
    ComfyDouble proxy;
    const ProxyOfTheEnvironment environment("http://user:secret@" + authority(proxy.url()));
    World world;
    proxy.answer("GET http://files.example/p.png", {200, png, "image/png"});
    const Json outcome = world.run(with_input("http://files.example/p.png"));
    ASSERT_EQ(code(outcome), "result") << outcome;
    ASSERT_THAT(world.comfy.uploads(), SizeIs(1));
    EXPECT_EQ(world.comfy.uploads()[0].content, png);
    EXPECT_THAT(proxy.posts(), IsEmpty());
    for (const std::string& request : proxy.requests()) {
        EXPECT_THAT(request, HasSubstr(".example/"));
    }
}

TEST(ComfyUiProxy, WhatTheProxyRefusesIsToldAsItsRefusalWithoutItsPassword) {
    ComfyDouble proxy;
    const ProxyOfTheEnvironment environment("http://user:secret@" + authority(proxy.url()));
    comfyui::HttpClient http;
    comfyui::HttpRequest get;
    get.url = "https://files.example/p.png";
    get.use_proxy = true;
    get.public_only = true;
    get.private_setting = "input_allow_private";
    for (const auto& [status, cure] :
         {std::pair(407u, "user and password in HTTPS_PROXY"), std::pair(403u, "name it in NO_PROXY")}) {
        proxy.answer("CONNECT ", {status, page, "text/html"});
        const auto answer = http.send(get);
        const auto* problem = std::get_if<comfyui::Unreachable>(&answer);
        ASSERT_NE(problem, nullptr);
        EXPECT_THAT(problem->what, AllOf(HasSubstr("HTTP " + std::to_string(status)), HasSubstr(cure),
                                         HasSubstr(authority(proxy.url())), Not(HasSubstr("secret"))));
    }
    get.url = "http://direct.example/p.png";
    const auto direct = http.send(get);
    const auto* unknown = std::get_if<comfyui::Unreachable>(&direct);
    ASSERT_NE(unknown, nullptr) << "NO_PROXY names it: nobody may have asked the proxy";
    EXPECT_THAT(proxy.requests(), Not(testing::Contains(HasSubstr("direct.example"))));
}

TEST(ComfyUiProxy, APrivateAddressIsRefusedBeforeTheProxyIsAsked) {
    ComfyDouble proxy;
    const ProxyOfTheEnvironment environment(authority(proxy.url()));
    comfyui::HttpClient http;
    comfyui::HttpRequest get;
    get.use_proxy = true;
    get.public_only = true;
    get.private_setting = "input_allow_private";
    for (const char* url :
         {"http://10.0.0.1/p.png", "http://[fd00::1]/p.png", "http://169.254.169.254/latest",
          "http://localhost/p.png", "http://127.0.0.1/p.png"}) {
        get.url = url;
        const auto answer = http.send(get);
        const auto* problem = std::get_if<comfyui::Unreachable>(&answer);
        ASSERT_NE(problem, nullptr) << url;
        EXPECT_TRUE(problem->refused) << url << ": " << problem->what;
        EXPECT_THAT(problem->what, HasSubstr("input_allow_private")) << url;
    }
    EXPECT_THAT(proxy.requests(), IsEmpty());
}

TEST(ComfyUiInput, ASourceThatGivesNoByteIsGivenUpAndTheTimeIsNamed) {
    boost::asio::io_context io;
    boost::asio::ip::tcp::acceptor mute(io, {boost::asio::ip::address_v4::loopback(), 0});  // nobody accepts
    comfyui::HttpClient http;
    comfyui::InputRules rules;
    rules.allow_private = true;
    rules.silence = Ms{1'000};
    comfyui::InputFile input;
    input.what = "inputs[\"photo\"]";
    input.filename = "p.png";
    input.url = "http://127.0.0.1:" + std::to_string(mute.local_endpoint().port()) + "/p.png";
    TempDir folder;
    const comfyui::InputWays ways{rules, Ms{60'000},
                                  [](Ms time, const std::string&) {
                                      std::this_thread::sleep_for(time);
                                      return false;
                                  },
                                  [] { return false; }};
    const auto began = std::chrono::steady_clock::now();
    const auto setback = comfyui::fetch_input(http, input, (folder.path() / "f").string(), ways);
    ASSERT_TRUE(setback);
    EXPECT_EQ(setback->failure.code, "service_unavailable");
    EXPECT_THAT(setback->failure.message, HasSubstr("not a byte came or went for 1 s"));
    EXPECT_LT(std::chrono::steady_clock::now() - began, 8s);
    rules.silence = Ms{30'000};
    rules.timeout = Ms{1'000};
    const auto late = comfyui::fetch_input(http, input, (folder.path() / "f").string(), ways);
    ASSERT_TRUE(late);
    EXPECT_THAT(late->failure.message, HasSubstr("input_timeout (1 s)"));
}

// ---- outputs

TEST(ComfyUiWorldHistory, AnErrorForOnePromptIsThatJobsFailureAndTheNextJobRuns) {
    World world({{"polling_interval", "100ms"}, {"websocket", false}});
    ComfyScript script = good_script(Json::object());
    script.messages.back().at = 1s;
    world.comfy.add_script(script);
    world.connector.give("bad", graph());
    ASSERT_TRUE(wait_until([&] { return world.comfy.posts().size() == 1; }));
    world.comfy.answer("GET /history/", {500, "500 Internal Server Error", "text/plain", {}, 1000});
    const Json outcome = world.connector.outcome("bad");
    EXPECT_EQ(error_class(outcome), "unreadable_history");
    EXPECT_EQ(outcome["error"]["retryable"], false);
    world.comfy.answer_itself();
    EXPECT_EQ(code(world.run(graph())), "result");
}

TEST(ComfyUiOutput, ADownloadIsTriedAgainWhileComfyUiOrItsProxyIsAway) {
    World world;
    world.comfy.answer("GET /view", {502, page, "text/html", {}, 2});
    world.comfy.answer("GET /view", {503, page, "text/html", {{"Retry-After", "1"}}});
    world.comfy.answer("GET /view", {500, "", "text/plain"});
    const Json outcome = world.run(graph());
    ASSERT_EQ(code(outcome), "result") << outcome;
    EXPECT_THAT(world.comfy.posts(), SizeIs(1));
}

TEST(ComfyUiOutput, ANameThatComfyUiDoesNotServeIsNoReasonToRenderTwice) {
    World world;
    auto cached = good_script(
        {{"2", {{"images", {{{"filename", "../x.png"}, {"subfolder", ""}, {"type", "output"}}}}}}});
    cached.history["status"]["messages"][1][1]["nodes"] = {"1"};
    world.comfy.add_script(cached);
    world.comfy.answer("GET /view", {400, "", "text/plain"});
    const Json outcome = world.run(graph());
    EXPECT_EQ(error_class(outcome), "files_gone");
    EXPECT_EQ(outcome["error"]["retryable"], false);
    EXPECT_THAT(message(outcome), HasSubstr("../x.png"));
    EXPECT_THAT(world.comfy.posts(), SizeIs(1));
    EXPECT_EQ(world.comfy.frees(), 0);
}

// ---- without the socket

TEST(ComfyUiSocket, AConnectorThatWorksWithoutItSaysSo) {
    ComfyDoubleOptions options;
    options.websocket = false;
    ComfyDouble comfy(options);
    ComfyConnector connector(comfy.url());
    std::optional<Json> status;
    for (int i = 0; i < 5 && (!status || status->value("reason", "").find("WebSocket") == std::string::npos);
         ++i)
        status = connector.next("status");
    ASSERT_TRUE(status);
    EXPECT_TRUE(status->value("available", false));
    EXPECT_THAT(status->value("reason", ""),
                AllOf(HasSubstr("without ComfyUI's WebSocket"), HasSubstr("handshake")));
}

}  // namespace
}  // namespace emprops::test
