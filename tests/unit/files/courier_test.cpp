// The courier as the worker configures it, and which stores a file is for.

#include "supervisor/files/courier.h"

#include <gtest/gtest.h>

namespace emprops::files {
namespace {

using Names = std::vector<std::string>;

struct Courier : testing::Test {
    config::Settings settings;

    Courier() {
        settings.stores = {{"results", {{"type", "s3"}}}, {"here", {{"type", "directory"}}}};
        settings.files.deliver = {"results", "inline"};
        settings.connectors.emplace_back().name = "a";
        settings.connectors.emplace_back().name = "b";
        settings.connectors.back().deliver = {"here"};
    }
    FileOnWay chosen(const std::string& connector, std::optional<Names> deliver = {}) const {
        FileOnWay file;
        file.file.deliver = std::move(deliver);
        choose_stores(file, connector, settings);
        return file;
    }
};

TEST_F(Courier, WhatAFileSaysWinsThenItsConnectorThenTheDefault) {
    EXPECT_EQ(chosen("a").stores, (Names{"results", "inline"}));
    EXPECT_EQ(chosen("b").stores, Names{"here"});
    EXPECT_EQ(chosen("b", Names{"reference", "results"}).stores, (Names{"reference", "results"}));
    EXPECT_EQ(chosen("gone").stores, (Names{"results", "inline"}))
        << "a connector that was removed meanwhile";
}

TEST_F(Courier, AStoreForJobsThatNobodyHasConfiguredHereIsTakenForAWishOfTheJob) {
    settings.stores["results"]["jobs"] = settings.stores["here"]["jobs"] = true;
    settings.stores["more"] = {{"type", "directory"}};
    EXPECT_EQ(chosen("a").by_job, Names());
    EXPECT_EQ(chosen("a", Names{"results", "here", "inline"}).by_job, Names{"here"});
    EXPECT_EQ(chosen("b", Names{"here", "results"}).by_job, Names{"results"}) << "here is b's own";
    EXPECT_EQ(chosen("a", Names{"more"}).by_job, Names()) << "no job can have named it";
    EXPECT_EQ(chosen("a", Names{"gone", "reference"}).by_job, Names());
    FileOnWay noted = chosen("a", Names{"here"});
    noted.file.name = noted.file.path = noted.place = "x.png";
    Delivery delivery;
    delivery.folder = "1";
    delivery.files.push_back(noted);
    EXPECT_EQ(read_state(state_text(delivery))->files[0].by_job, Names{"here"});
    EXPECT_EQ(ipc::Json::parse(courier_payload(delivery, 0, 0, false, false).text()).at("by_job"),
              ipc::Json({"here"}));
}

TEST_F(Courier, AStoreThatThereIsNotIsPassedOver) {
    const FileOnWay file = chosen("a", Names{"old", "inline"});
    EXPECT_EQ(file.stores, Names{"inline"});
    EXPECT_EQ(file.passed_over, Names{"old: there is no [stores.old]"});
    EXPECT_FALSE(file.failed);
    EXPECT_TRUE(chosen("a", Names{"old"}).failed);
}

TEST_F(Courier, ConnectorsHearOfAllStoresAndWhichOfThemAreForJobs) {
    settings.stores["here"]["jobs"] = true;
    const ipc::FilesOffer offer = offer_of(settings);
    EXPECT_EQ(offer.stores, (Names{"here", "results", "inline", "reference"}));
    EXPECT_EQ(offer.deliver, (Names{"results", "inline"}));
    EXPECT_EQ(offer.jobs, Names{"here"});
    settings.files.spool_max_bytes = 12345;
    EXPECT_EQ(offer_of(settings).max_bytes, 12345u) << "the spool takes no more";
}

TEST_F(Courier, IsRunAsAConnectorWithTheStoresAndWithoutLimitsThatWouldEndIt) {
    settings.supervision.job_timeout = std::chrono::seconds(1);
    settings.supervision.max_jobs = 5;
    settings.supervision.user = "nobody";
    settings.files.reference_base_url = "https://gpu.example.org";
    const config::ConnectorSettings courier = courier_settings(settings, "/var/spool");
    EXPECT_EQ(courier.name, "courier");
    EXPECT_EQ(courier.supervision.job_timeout, config::off);
    EXPECT_EQ(courier.supervision.max_jobs, 0u);
    EXPECT_TRUE(courier.supervision.no_new_privs);
    EXPECT_EQ(courier.supervision.user, "") << "it reads files that are the worker's";
    EXPECT_EQ(courier.settings.at("spool"), "/var/spool");
    EXPECT_FALSE(courier.settings.contains("uid")) << "what lies in the spool is ours, whoever made it";
    EXPECT_EQ(courier.settings.at("deliver_timeout"), "1800000ms");
    EXPECT_EQ(courier.settings.at("stores").at("results"), settings.stores.at("results"));
    EXPECT_EQ(courier.settings.at("stores").at("reference").at("base_url"), "https://gpu.example.org");
}

TEST_F(Courier, GoesOutAsTheWorkerDoes) {
    ::setenv("NO_PROXY", "internal.example.org", 1);
    EXPECT_EQ(courier_settings(settings, "/").env.at("NO_PROXY"), "internal.example.org");
    ::unsetenv("NO_PROXY");
    EXPECT_FALSE(courier_settings(settings, "/").env.contains("NO_PROXY"));
}

TEST_F(Courier, KnowsWhetherClientsAreOnThisMachine) {
    const auto local = [&] {
        return courier_settings(settings, "/")
            .settings.at("stores")
            .at("reference")
            .at("allow_local")
            .get<bool>();
    };
    EXPECT_TRUE(local()) << "hub.host is localhost unless it is set";
    settings.hub.host = "hub.example.org";
    EXPECT_FALSE(local());
    settings.hub.url = "ws://127.0.0.1:8001";
    EXPECT_TRUE(local());
    settings.hub.url = "wss://hub.example.org";
    EXPECT_FALSE(local());
    settings.hub.embedded = true;
    EXPECT_TRUE(local());
}

}  // namespace
}  // namespace emprops::files
