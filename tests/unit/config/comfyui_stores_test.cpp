// The settings with which the ComfyUI connector once delivered files itself are stores of the worker, for one version.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/config_fixture.h"

namespace emprops::config {
namespace {

using nlohmann::json;
using test::ConfigFixture;
using test::problems_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Names = std::vector<std::string>;

const std::string s3_keys =
    "s3_endpoint = \"http://minio:9000\"\ns3_bucket = \"b\"\ns3_access_key = \"AK\"\ns3_secret_key = \"hunter2\"\n";

json s3_store(const std::string& bucket = "b") {
    return {{"type", "s3"},       {"endpoint", "http://minio:9000"}, {"bucket", bucket},
            {"access_key", "AK"}, {"secret_key", "hunter2"},         {"key", "{job_id}/{node}/{filename}"},
            {"jobs", true},       {"jobs_prefix", "{job_id}"}};
}

TEST(ComfyUiStores, TheOldKeysMakeAStoreAndTheConnectorsListAndAreGoneFromTheConnector) {
    ConfigFixture machine;
    machine.toml("[connectors.comfyui.settings]\nhost = \"box\"\ndeliver = [\"s3\", \"inline\"]\n" + s3_keys);
    const Loaded loaded = machine.load();
    EXPECT_TRUE(loaded.ok()) << problems_of(loaded);
    EXPECT_EQ(loaded.settings.stores, json({{"s3", s3_store()}}));
    const ConnectorSettings& comfyui = loaded.settings.connectors.at(0);
    EXPECT_EQ(comfyui.deliver, (Names{"s3", "inline"}));
    EXPECT_EQ(comfyui.settings, json({{"host", "box"}}));
    ASSERT_EQ(loaded.problems.size(), 1u) << problems_of(loaded);
    EXPECT_THAT(
        problems_of(loaded),
        AllOf(HasSubstr("emprops-worker.toml:3: warning: connector `comfyui` delivers no files itself"),
              HasSubstr("[stores.s3] access_key = \"(set, hidden)\", bucket = \"b\""),
              HasSubstr("key = \"{job_id}/{node}/{filename}\""),
              HasSubstr("[connectors.comfyui] deliver = [\"s3\", \"inline\"]"), Not(HasSubstr("hunter2"))));
    EXPECT_THAT(print_effective(loaded), AllOf(HasSubstr("[\"s3\", \"inline\"]"), Not(HasSubstr("hunter2"))));
}

TEST(ComfyUiStores, VariablesWinInTheOldOrderAndLeaveTheEnvironmentsOfConnectorAndService) {
    ConfigFixture machine;
    machine.toml("[connectors.comfyui]\nenv_pass = [\"COMFYUI_*\"]\n[connectors.comfyui.settings]\n" +
                 s3_keys + "[connectors.comfyui.service]\ncommand = [\"comfy\"]\n");
    machine.dotenv("COMFYUI_S3_SECRET_KEY=old\nWORKER_COMFYUI_S3_SECRET_KEY=hunter2\nCOMFYUI_HOST=box\n");
    machine.env("COMFYUI_S3_REGION") = "eu";
    machine.env("COMFYUI_DELIVER_VERIFY_TLS") = "";
    const Loaded loaded = machine.load();
    EXPECT_TRUE(loaded.ok()) << problems_of(loaded);
    json store = s3_store();
    store["region"] = "eu";
    EXPECT_EQ(loaded.settings.stores, json({{"s3", store}}));
    const ConnectorSettings& comfyui = loaded.settings.connectors.at(0);
    EXPECT_EQ(comfyui.env, (std::map<std::string, std::string>{{"COMFYUI_HOST", "box"}}));
    EXPECT_EQ(comfyui.service.env, (std::map<std::string, std::string>{{"COMFYUI_HOST", "box"}}));
    EXPECT_TRUE(comfyui.deliver.empty()) << "only jobs named it";
    EXPECT_THAT(problems_of(loaded), HasSubstr("`COMFYUI_S3_SECRET_KEY`"));
}

TEST(ComfyUiStores, OtherPlacesAreStoresAsWell) {
    ConfigFixture machine;
    machine.toml(
        "[connectors.c]\ncommand = [\"nice\", \"/opt/emprops-connector-comfyui\"]\n[connectors.c.settings]\n"
        "deliver = \"http_put,directory\"\ndirectory = \"/results\"\n"
        "directory_template = \"{prompt_id}/{subfolder}/{filename}\"\n"
        "http_put_url = \"https://h/{job_id}/{filename}?sig=geheim\"\nhttp_put_headers = {X-Key = \"k\"}\n"
        "deliver_verify_tls = false\ndeliver_ca_file = \"/ca.pem\"\n");
    const Loaded loaded = machine.load();
    EXPECT_TRUE(loaded.ok()) << problems_of(loaded);
    const json stores = json::parse(R"({
        "directory": {"type": "directory", "path": "/results", "key": "{job_id}/{filename}", "jobs": true,
                      "jobs_prefix": "{job_id}"},
        "http_put": {"type": "http_put", "url": "https://h/{job_id}/{filename}?sig=geheim",
                     "headers": {"X-Key": "k"}, "verify_tls": false, "ca_file": "/ca.pem"}})");
    EXPECT_EQ(loaded.settings.stores, stores);
    EXPECT_EQ(loaded.settings.connectors.at(0).deliver, (Names{"http_put", "directory"}));
    EXPECT_THAT(problems_of(loaded), Not(HasSubstr("geheim")));
}

TEST(ComfyUiStores, OldTemplatesTellJobsAndFilesApartFromNowOn) {
    const auto key = [](const std::string& old) {
        ConfigFixture machine;
        machine.toml("[connectors.comfyui.settings]\ndirectory = \"/r\"\ndirectory_template = \"" + old +
                     "\"\n");
        return machine.load().settings.stores["directory"].value("key", "");
    };
    EXPECT_EQ(key("{filename}"), "{job_id}/{filename}");
    EXPECT_EQ(key("{prompt_id}"), "{job_id}/{filename}");
    EXPECT_EQ(key("out/{job_id}/"), "out/{job_id}/{filename}");
    EXPECT_EQ(key("{sha256}.{ext}"), "{sha256}.{ext}");
    ConfigFixture machine;
    machine.toml(
        "[connectors.comfyui.settings]\nhttp_put_url = \"https://h/{filename}?s=1\"\n"
        "http_put_headers = {X-Signature = \"geheim\"}\n");
    const Loaded loaded = machine.load();
    EXPECT_EQ(loaded.settings.stores["http_put"]["url"], "https://h/{job_id}-{filename}?s=1");
    EXPECT_THAT(problems_of(loaded), Not(HasSubstr("geheim")));
}

TEST(ComfyUiStores, TheBucketIsFoundInTheEndpoint) {
    const auto s3 = [](const std::string& endpoint, const std::string& bucket) {
        ConfigFixture machine;
        machine.toml("[connectors.comfyui.settings]\ns3_endpoint = \"" + endpoint + "\"\ns3_bucket = \"" +
                     bucket + "\"\ns3_access_key = \"a\"\ns3_secret_key = \"s\"\n");
        const json store = machine.load().settings.stores.value("s3", json::object());
        return store.value("endpoint", "") + " " + store.value("bucket", "");
    };
    EXPECT_EQ(s3("http://minio:9000", "b"), "http://minio:9000 b");
    EXPECT_EQ(s3("http://minio:9000/b", "b"), "http://minio:9000 b");
    EXPECT_EQ(s3("http://minio:9000/b/", ""), "http://minio:9000 b");
    EXPECT_EQ(s3("http://minio/gateway/b", "b"), "http://minio/gateway b");
    EXPECT_EQ(s3("http://minio/gateway", "b"), "http://minio/gateway b");
    EXPECT_EQ(s3("https://b.s3.eu-central-1.amazonaws.com", "b"), "https://s3.eu-central-1.amazonaws.com b");
    EXPECT_EQ(s3("http://minio.local", "minio"), "http://minio.local minio") << "a name, not a bucket";
    EXPECT_EQ(s3("http://minio:9000", "s3://b/"), "http://minio:9000 b");
}

TEST(ComfyUiStores, AConfiguredStoreAndAConfiguredListWin) {
    ConfigFixture machine;
    machine.toml(
        "[stores.s3]\ntype = \"s3\"\nbucket = \"mine\"\njobs = true\n[connectors.comfyui]\n"
        "deliver = [\"inline\"]\n[connectors.comfyui.settings]\ndeliver = [\"s3\"]\n" +
        s3_keys);
    const Loaded loaded = machine.load();
    EXPECT_TRUE(loaded.ok()) << problems_of(loaded);
    EXPECT_EQ(loaded.settings.stores.at("s3").at("bucket"), "mine");
    EXPECT_EQ(loaded.settings.connectors.at(0).deliver, Names{"inline"});
    EXPECT_THAT(problems_of(loaded), AllOf(HasSubstr("[stores.s3] is configured and wins"),
                                           HasSubstr("`connectors.comfyui.deliver` is set and wins")));
}

TEST(ComfyUiStores, TwoConnectorsShareAStoreOrHaveOneEach) {
    ConfigFixture machine;
    const std::string more = "command = [\"emprops-connector-comfyui\"]\n";
    const auto table = [](const std::string& name) {
        return "[connectors." + name + ".settings]\ndeliver = [\"s3\"]\n" + s3_keys;
    };
    machine.toml(table("comfyui") + "[connectors.same]\n" + more + table("same") + "[connectors.other]\n" +
                 more + table("other") + "[connectors.foreign]\n" + table("foreign"));
    machine.env("OTHER_S3_BUCKET") = "c";
    const Loaded loaded = machine.load();
    EXPECT_TRUE(loaded.ok()) << problems_of(loaded);
    EXPECT_EQ(loaded.settings.stores, json({{"s3", s3_store()}, {"other-s3", s3_store("c")}}));
    const auto& connectors = loaded.settings.connectors;
    EXPECT_EQ(connectors.at(0).deliver, Names{"s3"});
    EXPECT_EQ(connectors.at(1).deliver, Names{"s3"});
    EXPECT_EQ(connectors.at(2).deliver, Names{"other-s3"});
    EXPECT_TRUE(connectors.at(3).deliver.empty()) << "another program's settings are its own";
    EXPECT_TRUE(connectors.at(3).settings.contains("s3_secret_key"));
}

TEST(ComfyUiStores, WhatIsNotWholeOrWrongIsNamed) {
    const auto problems = [](const std::string& keys) {
        ConfigFixture machine;
        machine.toml("[connectors.comfyui.settings]\n" + keys);
        const Loaded loaded = machine.load();
        EXPECT_EQ(loaded.settings.stores, json::object());
        return problems_of(loaded);
    };
    EXPECT_THAT(
        problems("deliver = [\"s3\"]\n"),
        HasSubstr("`deliver` of connector `comfyui` names s3, which needs s3_endpoint; write [stores.s3]"));
    EXPECT_THAT(problems("s3_bucket = \"b\"\n"),
                HasSubstr("what is said of s3 is not used: s3_endpoint is missing"));
    EXPECT_THAT(problems("deliver = [\"ftp\"]\n"), AllOf(HasSubstr("`deliver` "), HasSubstr("ftp")));
    EXPECT_THAT(problems("s3_secret_key = [\"hunter2\"]\n"),
                AllOf(HasSubstr("`s3_secret_key` "), Not(HasSubstr("hunter2"))));
    EXPECT_THAT(problems("directory = \"/out/{instance}\"\n"), HasSubstr("holds {instance}"));
}

}  // namespace
}  // namespace emprops::config
