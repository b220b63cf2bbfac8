// Destinations that a job names for its files, end to end: the simulation connector, the worker, its courier, the local
// hub, a server that takes PUTs, and one that speaks S3.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "ipc/web/digest.h"
#include "tests/support/job_client.h"
#include "tests/support/s3_double.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Kind = S3Fault::Kind;

S3Options any_put() {
    S3Options options;
    options.check_signatures = false;
    return options;
}

std::string text_of(const fs::path& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

/// As the simulation writes it.
std::string content_of(const std::string& name, std::size_t bytes) {
    std::string text;
    while (text.size() < bytes)
        text += name + "\n";
    return text.substr(0, bytes);
}

const std::string query = "X-Amz-Credential=AKID%2Fx&X-Amz-Signature=SECRETSECRET";

struct Destinations : testing::Test {
    S3Double put{any_put()};
    S3Double s3;
    TempDir dir;
    TestHub hub;
    std::optional<TestWorker> worker;
    JobClient client{hub};

    std::string put_host() const { return put.endpoint().substr(7); }  // without http://
    void start(const std::string& put_allow, const std::string& more = "") {
        worker.emplace(TestWorkerOptions{
            hub.url(),
            "[files]\ndeliver = [\"results\"]\n"
            "[stores]\nput_allow = [" +
                put_allow +
                "]\n"
                "[stores.results]\ntype = \"directory\"\npath = \"" +
                (dir.path() / "store").string() +
                "\"\n"
                "[stores.own]\ntype = \"s3\"\nendpoint = \"" +
                s3.endpoint() +
                "\"\nbucket = \"results\"\n"
                "access_key = \"AK\"\nsecret_key = \"secret\"\njobs = true\njobs_prefix = \"jobs/{job_type}\"\n"
                "ctx = [\"azure:renders\"]\n" +
                more + "[connectors.simulation]\n[connectors.simulation.settings]\njournal = \"" +
                journal().string() + "\"\n",
            {},
            {},
            {}});
        worker->wait_state("simulation", "ready");
        worker->wait_state("courier", "ready");
    }
    void start_with_put() { start("\"" + put.endpoint() + "\""); }
    fs::path journal() const { return dir.path() / "journal"; }
    fs::path spool() const { return worker->dir().path() / "state" / "spool"; }

    static Json file(const std::string& name, const std::string& node, const std::string& kind = "images") {
        return {{"name", name}, {"node", node}, {"kind", kind}, {"bytes", 100}};
    }
    Json to_put(const std::string& name, const Json& match = Json::object()) const {
        return {{"put", put.endpoint() + "/in/" + name + "?" + query}, {"match", match}};
    }
    static Json to_store(const std::string& store, const std::string& prefix) {
        return {{"store", store}, {"prefix", prefix}};
    }
    std::string submit(const std::vector<Json>& files, const std::vector<Json>& to) {
        Json more;
        more.update({{"processing_time", 0}, {"steps", 1}, {"files", files}, {"outputs", {{"to", to}}}});
        return client.submit("simulation", more);
    }
    Json entries(const std::string& id) { return client.completed(id).at("output").at("files"); }
    std::string stored(const std::string& id, const std::string& name) const {
        return text_of(dir.path() / "store" / id / name);
    }
    /// Nobody who looks at the worker sees what was signed.
    void expect_no_secret() {
        std::string seen = worker->log();
        for (const std::vector<std::string>& command :
             std::initializer_list<std::vector<std::string>>{{"status", "--json"},
                                                             {"jobs", "--json"},
                                                             {"logs", "courier"},
                                                             {"logs", "simulation"},
                                                             {"files", "--json"},
                                                             {"files"},
                                                             {"why", "courier"}})
            seen += worker->cli(command).out;
        for (const Json& message : client.hub.seen())
            if (message.at("type") != "submit_job") seen += message.dump();
        EXPECT_THAT(seen, AllOf(Not(HasSubstr("SECRETSECRET")), Not(HasSubstr("AKID%2Fx")),
                                Not(HasSubstr("AKID/x"))));
        for (const char* folder : {"ledger", "spool"})
            for (const auto& each : fs::directory_iterator(worker->dir().path() / "state" / folder)) {
                struct stat about {};
                if (!each.is_regular_file() || ::lstat(each.path().c_str(), &about) != 0) continue;
                EXPECT_EQ(about.st_mode & 0077U, 0u) << each.path() << " holds what was signed";
            }
    }
};

TEST_F(Destinations, OneFilePerUrlAndWhatIsLeftGoesWhereItElseGoes) {
    start_with_put();
    const std::string id =
        submit({file("a.png", "9"), file("b.png", "9"), file("c.txt", "12", "text"), file("d.png", "12")},
               {to_put("second", {{"node", 9}, {"index", 1}}), to_put("text", {{"name", "*.txt"}})});
    const Json files = entries(id);
    EXPECT_EQ(files.at(0).at("delivery"), "results");
    EXPECT_EQ(files.at(3).at("delivery"), "results");
    EXPECT_EQ(stored(id, "a.png"), content_of("a.png", 100));
    EXPECT_EQ(files.at(1).at("delivery"), "put");
    EXPECT_EQ(files.at(1).at("url"), put.endpoint() + "/in/second");
    EXPECT_EQ(files.at(1).at("sha256"), sha256_hex(content_of("b.png", 100)));
    EXPECT_FALSE(files.at(1).contains("note"));
    EXPECT_EQ(files.at(2).at("url"), put.endpoint() + "/in/text");
    EXPECT_EQ(put.object("/in/second")->body, content_of("b.png", 100));
    EXPECT_EQ(put.object("/in/text")->body, content_of("c.txt", 100));
    EXPECT_EQ(put.requests().at(0).query, query);
    EXPECT_EQ(put.requests().size(), 2u);
    expect_no_secret();
    worker->stop_and_wait();
}

TEST_F(Destinations, WhatCannotBeMetIsRefusedBeforeAnybodyWorks) {
    start_with_put();
    const auto refused = [&](const std::vector<Json>& to) {
        return client.failed(submit({file("a.png", "9")}, to));
    };
    EXPECT_THAT(
        refused({Json{{"put", "https://evil.example.org/x?" + query}}}),
        HasSubstr(
            "outputs.to[0].put is \"https://evil.example.org/x\", and stores.put_allow of this worker does "
            "not name that server"));
    EXPECT_THAT(refused({to_put("a", {{"index", -1}})}), HasSubstr("outputs.to[0].match.index is -1"));
    EXPECT_THAT(refused({to_put("a"), to_put("b")}),
                HasSubstr("outputs.to[1] asks for the same file as outputs.to[0]"));
    EXPECT_THAT(refused({Json{{"store", "results"}}}),
                HasSubstr("which jobs may not use here; there are own"));
    EXPECT_THAT(refused({to_store("own", "../x")}), HasSubstr("outputs.to[0].prefix"));
    EXPECT_FALSE(fs::exists(journal())) << "no connector has seen any of them";
    // And the next one finds everything in order.
    EXPECT_EQ(entries(submit({file("a.png", "9")}, {to_put("a")})).at(0).at("delivery"), "put");
    expect_no_secret();
    worker->stop_and_wait();
}

TEST_F(Destinations, AUrlThatFindsNoFileFailsItsJobAndTheFilesAreKept) {
    start_with_put();
    const std::string id = submit({file("a.png", "9")}, {to_put("x", {{"node", "10"}})});
    const std::string error = client.failed(id);
    EXPECT_THAT(error, AllOf(HasSubstr("no file is there for outputs.to[0] (node \"10\")"),
                             HasSubstr("\"a.png\" (node \"9\", kind \"images\")"), HasSubstr("kept in")));
    EXPECT_THAT(put.requests(), IsEmpty());
    const Json kept = Json::parse(worker->cli({"files", "--json"}).out).at("kept");
    ASSERT_EQ(kept.size(), 1u);
    EXPECT_THAT(client.failed(submit({}, {to_put("x")})),
                HasSubstr("no file is there for outputs.to[0] (any file); the job has made none"));
    EXPECT_EQ(client.completed(submit({}, {to_store("own", "x")})).at("status"), "success");
    expect_no_secret();
    EXPECT_EQ(worker->cli({"files", id, "--retry"}).exit_code, 0);
    EXPECT_TRUE(wait_until([&] { return stored(id, "a.png") == content_of("a.png", 100); })) << worker->log();
    worker->stop_and_wait();
}

TEST_F(Destinations, APrivateAddressBehindANameIsRefusedWhenItIsConnectedTo) {
    const std::string port = put_host().substr(put_host().find(':'));
    start("\"http://localhost" + port + "\"");
    const std::string id =
        submit({file("a.png", "9")}, {Json{{"put", "http://localhost" + port + "/x?" + query}}});
    const Json entry = entries(id).at(0);
    EXPECT_EQ(entry.at("delivery"), "results") << "the render is not lost";
    EXPECT_THAT(entry.at("note").get<std::string>(),
                AllOf(HasSubstr("outputs.to[0] did not take it"), HasSubstr("private or local"),
                      HasSubstr("stores.put_allow")));
    EXPECT_THAT(put.requests(), IsEmpty());
    expect_no_secret();
    worker->stop_and_wait();
}

TEST_F(Destinations, ARedirectIsNotFollowedAndWhatAServerRepeatsIsNotTold) {
    start_with_put();
    S3Fault away{"PUT", "", Kind::answer, 302, ""};
    away.location = s3.endpoint() + "/results/x?" + query;
    put.fail(away);
    const Json entry = entries(submit({file("a.png", "9")}, {to_put("a")})).at(0);
    EXPECT_EQ(entry.at("delivery"), "results");
    EXPECT_THAT(entry.at("note").get<std::string>(), HasSubstr("HTTP 302"));
    EXPECT_THAT(s3.requests(), IsEmpty());
    put.fail({"PUT", "", Kind::answer, 403,
              "<Error><Code>AccessDenied</Code><Message>" + query + "</Message></Error>"});
    EXPECT_THAT(entries(submit({file("a.png", "9")}, {to_put("a")})).at(0).at("note").get<std::string>(),
                HasSubstr("AccessDenied: ..."));
    expect_no_secret();
    worker->stop_and_wait();
}

TEST_F(Destinations, TwoJobsWithOneKeyAndTheFirstKeepsIt) {
    start_with_put();
    const std::vector<Json> to{to_store("own", "/2026/nov/")};
    const Json first = entries(submit({file("a.png", "9")}, to)).at(0);
    EXPECT_EQ(first.at("delivery"), "own");
    EXPECT_EQ(first.at("key"), "jobs/simulation/2026/nov/a.png");
    const std::string target = "/results/jobs/simulation/2026/nov/a.png";
    s3.store(target, [&] {  // it is another one's from here on, by its content
        S3Double::Object object = *s3.object(target);
        object.body = object.sha256 = "the first";
        return object;
    }());
    const std::string id = submit({file("a.png", "9")}, to);
    const Json second = entries(id).at(0);
    EXPECT_EQ(second.at("delivery"), "results");
    EXPECT_THAT(second.at("note").get<std::string>(),
                HasSubstr("another job's or somebody else's object has this key"));
    EXPECT_EQ(s3.object(target)->body, "the first");
    EXPECT_EQ(stored(id, "a.png"), content_of("a.png", 100));
    EXPECT_THAT(s3.refusals(), IsEmpty());
    const Json own_key = entries(submit({file("a.png", "9")}, {Json{{"store", "own"}}})).at(0);
    EXPECT_THAT(own_key.at("key").get<std::string>(), testing::MatchesRegex("jobs/simulation/.*/a.png"));
    worker->stop_and_wait();
}

TEST_F(Destinations, AKilledWorkerStillKnowsWhatWasSigned) {
    start_with_put();
    put.fail({"PUT", "", Kind::answer, 503, "", 1000});
    const std::string id =
        submit({file("a.png", "9"), file("b.png", "9")}, {to_put("a", {{"name", "b.png"}})});
    ASSERT_TRUE(wait_until([&] { return !put.requests().empty(); })) << worker->log();
    ASSERT_EQ(::kill(worker->supervisor_pid(), SIGKILL), 0);
    ASSERT_TRUE(worker->process().wait());
    put.clear_faults();
    worker->start();
    const Json files = client.completed(id, Ms(60'000)).at("output").at("files");
    EXPECT_EQ(files.at(0).at("delivery"), "results");
    EXPECT_EQ(files.at(1).at("delivery"), "put");
    EXPECT_EQ(put.object("/in/a")->body, content_of("b.png", 100));
    EXPECT_EQ(put.requests().back().query, query);
    std::ifstream runs(journal());
    EXPECT_EQ(std::count(std::istreambuf_iterator<char>(runs), {}, '\n'), 1) << "nothing is rendered again";
    expect_no_secret();
    worker->stop_and_wait();
}

TEST_F(Destinations, ACtxOfEmPropsIsAStoreOfOurs) {
    start_with_put();
    const std::string id = client.submit(
        "simulation",
        {{"processing_time", 0},
         {"steps", 1},
         {"files", Json::array({file("a.webp", "9")})},
         {"ctx",
          {{"storage", {{"provider", "azure"}, {"bucket", "renders"}, {"cdnUrl", "cdn.example.org"}}},
           {"prefix", "users/7/"},
           {"filename", "out.bin"}}}});
    const Json result = client.completed(id);
    EXPECT_EQ(result.at("image_url"), "https://cdn.example.org/jobs/simulation/users/7/out.webp");
    EXPECT_EQ(result.at("mime_type"), "image/webp");
    EXPECT_EQ(result.at("content_type"), "image");
    EXPECT_EQ(result.at("output").at("files").at(0).at("delivery"), "own");
    EXPECT_EQ(s3.object("/results/jobs/simulation/users/7/out.webp")->body, content_of("a.webp", 100));
    worker->stop_and_wait();
}

}  // namespace
}  // namespace emprops::test
