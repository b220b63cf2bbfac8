// The user's environment by the user's rules: what machines write, what children see, what is named.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/variables.h"
#include "tests/support/config_fixture.h"

namespace emprops::config {
namespace {

using test::problems_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Variables = std::map<std::string, std::string>;

struct Environment : testing::Test, test::ConfigFixture {
    const ConnectorSettings& connector(const Loaded& loaded, const std::string& name = "c") {
        for (const ConnectorSettings& each : loaded.settings.connectors) {
            if (each.name == name) return each;
        }
        throw std::runtime_error(name + " is not loaded");
    }
    std::string notes() {
        std::string text;
        for (const Problem& note : load().notes)
            text += to_string(note) + "\n";
        return text;
    }
    std::string error(const std::string& lines) {
        toml(lines);
        const Loaded loaded = load();
        return loaded.ok() ? "" : problems_of(loaded);
    }
};

// ---- env_pass

TEST_F(Environment, IsPassedByNameAndPatternToConnectorAndService) {
    toml("[supervision]\nenv_pass = [\"CUDA_*\", \"HF_HOME\"]\n[connectors.c.service]\ncommand = \"x\"\n");
    env("CUDA_VISIBLE_DEVICES") = "1";
    env("HF_HOME") = "/data";
    env("HF_TOKEN") = "t";
    const Loaded loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    EXPECT_EQ(connector(loaded).env, (Variables{{"CUDA_VISIBLE_DEVICES", "1"}, {"HF_HOME", "/data"}}));
    EXPECT_EQ(connector(loaded).service.env, connector(loaded).env) << "as its connector";
    EXPECT_EQ(loaded.origins.at("connectors.c.env.HF_HOME").where, "environment: HF_HOME");
}

TEST_F(Environment, PassedToAConnectorWithoutAServiceIsNoWarning) {
    toml("[supervision]\nenv_pass = [\"CUDA_*\"]\n[connectors.c]\n");
    env("CUDA_VISIBLE_DEVICES") = "1";
    EXPECT_EQ(problems_of(load()), "");
}

TEST_F(Environment, OfAServiceMayBePassedAlone) {
    toml(
        "[connectors.c]\nenv_pass = []\n[connectors.c.service]\ncommand = \"x\"\nenv_pass = [\"PYTHON*\"]\n"
        "env = { PYTHONPATH = \"/own\" }\n");
    env("PYTHONUNBUFFERED") = "1";
    env("PYTHONPATH") = "/ours";
    const Loaded loaded = load();
    EXPECT_EQ(connector(loaded).env, Variables{});
    EXPECT_EQ(connector(loaded).service.env, (Variables{{"PYTHONPATH", "/own"}, {"PYTHONUNBUFFERED", "1"}}));
}

TEST_F(Environment, PatternsComeFromAVariableAndCountLeast) {
    env("EMPROPS_SUPERVISION_ENV_PASS") = "\"AWS_*\", X";
    env("AWS_REGION") = "eu";
    env("X") = "ours";
    dotenv("AWS_PROFILE=p\nAWS_REGION=us\n");
    toml("[connectors.c]\nenv = { X = \"own\" }\n");
    EXPECT_EQ(connector(load()).env, (Variables{{"AWS_PROFILE", "p"}, {"AWS_REGION", "eu"}, {"X", "own"}}));
}

TEST_F(Environment, NoPatternEverPassesASecretOfTheWorkerOrOfAnotherConnector) {
    toml(
        "[supervision]\nenv_pass = [\"*_*\", \"MY*\", \"REDIS_WS_URL\"]\n[connectors.c]\n[connectors.other]\n");
    env("WEBSOCKET_AUTH_TOKEN") = "topsecret";
    env("WORKER_WEBSOCKET_AUTH_TOKEN") = "topsecret";
    env("REDIS_WS_URL") = "ws://h/?token=topsecret";
    env("EMPROPS_HUB_HEADERS") = "X-Key: headersecret";
    env("MY_COPY") = "Bearer topsecret";
    env("MY_OTHER_COPY") = "headersecret";
    env("OTHER_PASSWORD") = "p";
    env("FINE_ONE") = "yes";
    const Loaded loaded = load();
    EXPECT_EQ(connector(loaded).env, (Variables{{"FINE_ONE", "yes"}}));
    EXPECT_EQ(connector(loaded, "other").env, (Variables{{"FINE_ONE", "yes"}, {"OTHER_PASSWORD", "p"}}));
    EXPECT_THAT(problems_of(loaded),
                HasSubstr("`REDIS_WS_URL` is in env_pass, but holds or may hold a secret"));
    EXPECT_THAT(problems_of(loaded), Not(HasSubstr("topsecret")));
}

TEST_F(Environment, TheWholeEnvFileIsPassedByChoiceWithoutSecretsAndOthersVariables) {
    toml("[connectors.c]\nenv_pass = [\".env\", \"HF_*\"]\n[connectors.other]\n");
    dotenv(
        "FINE=1\nLOG_LEVEL=debug\nOTHER_PASSWORD=p\nWEBSOCKET_AUTH_TOKEN=topsecret\nCOPY=xtopsecret\n"
        "EMPROPS_CONNECTOR_DIRS=/x\n");
    env("HF_HOME") = "/hf";
    env("AMBIENT") = "no";
    const Loaded loaded = load();
    EXPECT_EQ(connector(loaded).env, (Variables{{"FINE", "1"}, {"HF_HOME", "/hf"}, {"LOG_LEVEL", "debug"}}));
    EXPECT_EQ(connector(loaded, "other").env, (Variables{{"OTHER_PASSWORD", "p"}}));
    EXPECT_THAT(problems_of(loaded), Not(HasSubstr("topsecret")));
}

TEST_F(Environment, AllOfItIsRefused) {
    for (const char* all : {"*", "**", "?*"})
        EXPECT_THAT(error("[supervision]\nenv_pass = [\"A\", \"" + std::string(all) + "\"]\n"),
                    HasSubstr("every variable and every secret"))
            << all;
}

TEST_F(Environment, WhatIsSetAndWithheldIsNamedOnce) {
    toml(
        "[connectors.a]\n[connectors.b.service]\ncommand = \"x\"\nenv_pass = [\"CUDA_*\", \"HF_*\", \"*_PROXY\"]\n");
    env("CUDA_VISIBLE_DEVICES") = "1";
    env("HF_HOME") = "/data";
    env("HTTPS_PROXY") = "http://u:secret@p:1";
    env("CUDA_VERSION") = "12";
    env("LD_LIBRARY_PATH") = "/lib";
    env("EDITOR") = "vi";
    const std::string text = notes();
    EXPECT_THAT(text, AllOf(HasSubstr("CUDA_VISIBLE_DEVICES, HF_HOME, HTTPS_PROXY are set"),
                            HasSubstr("connector `a`, connector `b` do not get"),
                            HasSubstr("env_pass = [\"CUDA_VIS")));
    for (const char* silent : {"service of", "secret", "CUDA_VERSION", "EDITOR", "LD_LIBRARY"})
        EXPECT_THAT(text, Not(HasSubstr(silent)));
    EXPECT_EQ(problems_of(load()), "") << "said where a worker starts, not by every command";
}

// ---- what machines write

TEST_F(Environment, QuotesBlanksAndMarksAroundValuesMeanNothing) {
    env("REDIS_API_HOST") = "\"hub.example\"";
    env("REDIS_API_PORT") = " '8001'\r\n";
    env("USE_SSL") = "\"true\"";
    env("WEBSOCKET_AUTH_TOKEN") = "\xef\xbb\xbftoken\r";
    env("CONNECTORS") = "[\"a\", \"b\"]";
    env("EMPROPS_CONNECTORS_A_COMMAND") = "\"python main.py\"";
    env("EMPROPS_CONNECTORS_B_COMMAND") = "\"/opt/my prog\" x";
    const Loaded loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    EXPECT_EQ(loaded.settings.hub.host, "hub.example");
    EXPECT_EQ(loaded.settings.hub.port, 8001);
    EXPECT_TRUE(loaded.settings.hub.tls);
    EXPECT_EQ(loaded.settings.hub.token, "token");
    ASSERT_EQ(loaded.settings.connectors.size(), 2u);
    EXPECT_EQ(loaded.settings.connectors[0].command, (std::vector<std::string>{"python", "main.py"}));
    EXPECT_EQ(loaded.settings.connectors[1].command, (std::vector<std::string>{"/opt/my prog", "x"}));
}

TEST_F(Environment, WhatNobodyHasExpandedIsRefusedWithTheCure) {
    EXPECT_THAT(error("[hub]\nhost = \"$HUB_HOST\"\n"), HasSubstr("`$HUB_HOST`, which nobody has expanded"));
    EXPECT_THAT(error("[hub]\nurl = \"ws://${HUB}/x\"\n"), HasSubstr("nobody has expanded"));
    EXPECT_THAT(error("[hub]\nport = \"$PORT\"\n"), HasSubstr("nobody has expanded"));
    EXPECT_THAT(error("[worker]\nstate_dir = \"~/state\"\n"),
                HasSubstr("only a shell makes a home folder of"));
    EXPECT_THAT(error("[connectors.c]\nworking_dir = \"$HOME/x\"\n"), HasSubstr("`$HOME`"));
    EXPECT_THAT(error("[connectors.c]\nenv = { A = \"${HF_TOKEN}\" }\n"), HasSubstr("env_pass hands"));
    EXPECT_THAT(error("[connectors.c]\nenv = { PATH = \"/opt/bin:$PATH\" }\n"), HasSubstr("`$PATH`"));
    EXPECT_EQ(error("[hub]\ntoken = \"pa$SWORD\"\n[connectors.c]\nenv = { A = \"pa$5\", LD_LIBRARY_PATH = "
                    "\"$ORIGIN/lib\", B = \"{instance}\" }\n"),
              "");
    env("EMPROPS_WORKER_STATE_DIR") = "%TEMP%";
    EXPECT_THAT(problems_of(load()), HasSubstr("`%TEMP%`"));
}

TEST_F(Environment, ACommandIsNoShellsLine) {
    for (const char* command : {"cd /x && python main.py", "python main.py > log", "a | b", "python x.py &"})
        EXPECT_THAT(error("[connectors.c]\ncommand = \"" + std::string(command) + "\"\n"),
                    HasSubstr("\"sh\", \"-c\""))
            << command;
    EXPECT_THAT(error("[connectors.c]\ncommand = [\"python\", \"main.py\", \"&&\", \"x\"]\n"),
                HasSubstr("`&&`"));
    EXPECT_THAT(error("[connectors.c]\ncommand = \"source venv/bin/activate\"\n"),
                HasSubstr("a word of the shell"));
    EXPECT_THAT(error("[connectors.c]\ncommand = \"CUDA_VISIBLE_DEVICES=0 python x\"\n"),
                HasSubstr("put it into `env`"));
    EXPECT_THAT(error("[connectors.c]\ncommand = [\"python\", \"~/main.py\"]\n"), HasSubstr("`~`"));
    EXPECT_EQ(error("[connectors.c]\ncommand = [\"sh\", \"-c\", \"cd /x && exec python main.py --a $B\"]\n"),
              "");
}

TEST_F(Environment, AServiceLinkOfKubernetesSetsNothing) {
    toml("[hub]\nport = 9000\n[connectors.comfyui]\n");
    env("EMPROPS_HUB_PORT") = "tcp://10.96.0.12:8001";
    env("EMPROPS_HUB_SERVICE_HOST") = "10.96.0.12";
    env("EMPROPS_HUB_PORT_8001_TCP_ADDR") = "10.96.0.12";
    env("REDIS_API_PORT") = "udp://[fd00::1]:8001";
    env("COMFYUI_PORT") = "tcp://10.96.0.13:8188";
    env("POSTGRES_PORT") = "tcp://10.96.0.14:5432";
    const Loaded loaded = load();
    EXPECT_TRUE(loaded.ok());
    EXPECT_EQ(loaded.settings.hub.port, 9000);
    EXPECT_EQ(connector(loaded, "comfyui").env.count("COMFYUI_PORT"), 0u);
    for (const char* named : {"EMPROPS_HUB_PORT", "REDIS_API_PORT", "COMFYUI_PORT"})
        EXPECT_THAT(problems_of(loaded), HasSubstr("environment: " + std::string(named) + ": warning"));
    EXPECT_THAT(problems_of(loaded), HasSubstr("enableServiceLinks: false"));
    EXPECT_THAT(problems_of(loaded), Not(HasSubstr("POSTGRES")));
    EXPECT_EQ(loaded.problems.size(), 3u) << "the rest of a link is not named";
}

TEST_F(Environment, TheDotenvOfThePythonWorkerWorksAsItIs) {
    dotenv(
        "REDIS_API_HOST=box\nCONNECTORS=simulation\nHF_TOKEN\nMY-VAR=1\nmy.key=2\nKEY: value\nA='x';\nexport "
        "FOO\nHEARTBEAT_INTERVAL=60\n");
    const Loaded loaded = load();
    EXPECT_TRUE(loaded.ok()) << problems_of(loaded);
    EXPECT_EQ(loaded.problems.size(), 7u) << problems_of(loaded);
    EXPECT_EQ(loaded.settings.hub.host, "box");
    EXPECT_EQ(loaded.settings.worker.heartbeat_interval, 45s);
    EXPECT_THAT(problems_of(loaded),
                HasSubstr(".env:9 (HEARTBEAT_INTERVAL): warning: `worker.heartbeat_interval` is "));
}

TEST_F(Environment, ALineThatWouldHaveSetSomethingOfOursIsAnError) {
    for (const char* line : {"REDIS_API_HOST", "WEBSOCKET_AUTH_TOKEN: x", "SIMULATION_STEPS='5';",
                             "EMPROPS_X-Y=1", "WORKER_USE_SSL=\"true"}) {
        dotenv(std::string(line) + "\n");
        EXPECT_FALSE(load().ok()) << line;
    }
}

TEST_F(Environment, FilesInUtf16AreNamedAndMarksSkipped) {
    const std::string_view text = "[hub]\nhost = \"h\"\n";
    std::string wide("\xff\xfe");
    for (const char c : text)
        wide += {c, '\0'};
    toml(wide);
    EXPECT_THAT(problems_of(load()), HasSubstr("is UTF-16"));
    toml(wide.substr(2));
    EXPECT_THAT(problems_of(load()), HasSubstr("is UTF-16"));
    toml("\xef\xbb\xbf" + std::string(text));
    dotenv(wide);
    EXPECT_THAT(problems_of(load()), HasSubstr(".env: is UTF-16"));
    EXPECT_EQ(load().problems.size(), 1u) << "once, not for each line";
}

TEST_F(Environment, UnknownVariablesAreNamedOnceWithTheNearest) {
    env("EMPROPS_HUB_TOKN") = "x";
    env("EMPROPS_ZZZ") = "x";
    env("EMPROPS_QQQ") = "x";
    env("EMPROPS_INSTANCE") = "c/0/1";
    const std::string text = problems_of(load());
    EXPECT_THAT(text, HasSubstr("did you mean `EMPROPS_HUB_TOKEN`?"));
    EXPECT_THAT(text,
                HasSubstr("environment: warning: `EMPROPS_QQQ`, `EMPROPS_ZZZ` set nothing of this worker"));
    EXPECT_THAT(text, Not(HasSubstr("EMPROPS_INSTANCE")));
}

// ---- hub.headers

TEST_F(Environment, HeadersOfTheHubComeFromTableVariableAndFile) {
    toml("[hub]\nheaders = { A = \"table\", B = \"table\" }\nheaders_file = \"secret\"\n");
    dir.write_file("secret",
                   "\xef\xbb\xbf"
                   "B: file\r\nC: file: x\r\n\r\n");
    env("EMPROPS_HUB_HEADERS") = "{\"A\": \"variable\"}";
    const Loaded loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    EXPECT_EQ(loaded.settings.hub.headers, (Variables{{"A", "variable"}, {"B", "table"}, {"C", "file: x"}}));
    EXPECT_THAT(print_effective(loaded), AllOf(Not(HasSubstr("variable\"")), Not(HasSubstr("file: x"))));
}

TEST_F(Environment, HeadersOfTheHandshakeAreRefused) {
    for (const char* name :
         {"Host", "upgrade", "Connection", "Sec-WebSocket-Key", "sec-websocket-protocol", "Content-Length"})
        EXPECT_THAT(error("[hub.headers]\n" + std::string(name) + " = \"x\"\n"), HasSubstr("handshake"))
            << name;
    EXPECT_THAT(error("[hub.headers]\n\"X Y\" = \"x\"\n"), HasSubstr("is not the name of a header"));
    EXPECT_THAT(error("[hub.headers]\nX = \"a\\nb\"\n"),
                AllOf(HasSubstr("line breaks"), Not(HasSubstr("a\nb"))));
    EXPECT_EQ(error("[hub.headers]\nAuthorization = \"Bearer x\"\nCF-Access-Client-Id = \"y\"\n"), "");
}

// ---- where state lives

TEST_F(Environment, AStateDoesNotMoveByItself) {
    request.system_state_dir = dir / "system";
    env("HOME") = (dir / "home").string();
    const auto home = dir / "home/.local/state/emprops-worker";
    std::filesystem::create_directories(dir / "system");
    EXPECT_EQ(load().settings.worker.state_dir, home) << "a folder that appears changes nothing";
    dir.write_file("system/lock", "");
    EXPECT_EQ(load().settings.worker.state_dir, dir / "system") << "the only one that has a state";
    dir.write_file("home/.local/state/emprops-worker/lock", "");
    EXPECT_EQ(load().settings.worker.state_dir, home);
    request.environment.erase("HOME");
    request.home_of_user = (dir / "home").string();
    EXPECT_EQ(load().settings.worker.state_dir, home) << "cron";
    env("STATE_DIRECTORY") = "/var/lib/x:/var/lib/y";
    EXPECT_EQ(load().settings.worker.state_dir, "/var/lib/x") << "systemd";
}

TEST_F(Environment, AHostWithAPortIsRefusedWhateverItIs) {
    for (const char* host : {"box:8001", "10.0.0.1:8001", "[fd00::2]:8001"})
        EXPECT_THAT(error("[hub]\nhost = \"" + std::string(host) + "\"\n"), HasSubstr("hub.port")) << host;
    for (const char* host : {"fd00::2", "[fd00::2]", "box"})
        EXPECT_EQ(error("[hub]\nhost = \"" + std::string(host) + "\"\n"), "") << host;
}

}  // namespace
}  // namespace emprops::config
