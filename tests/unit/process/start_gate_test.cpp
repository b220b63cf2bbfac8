#include "supervisor/process/life/start_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::process {
namespace {

using namespace action;
using testing::ElementsAre;
using testing::IsEmpty;

struct GateBench : testing::Test {
    StartGate gate;
    Actions out;
};

TEST_F(GateBench, WithoutAPortTheProcessIsSpawnedAtOnce) {
    gate.open(false, out);
    EXPECT_THAT(out, ElementsAre(Spawn{}));
    EXPECT_TRUE(gate.asked());
    gate.answered();
    EXPECT_FALSE(gate.asked());
}

TEST_F(GateBench, APortIsLookedAtFirst) {
    gate.open(true, out);
    EXPECT_THAT(out, ElementsAre(CheckPort{}));
    gate.port_free(true, out);
    EXPECT_THAT(out, ElementsAre(CheckPort{}, Spawn{}));
    EXPECT_TRUE(gate.asked()) << "the spawn is not answered yet";
}

TEST_F(GateBench, WhatIsNotWantedAnyMoreIsNotSpawned) {
    gate.open(true, out);
    gate.port_free(false, out);
    EXPECT_THAT(out, ElementsAre(CheckPort{}));
    EXPECT_FALSE(gate.asked());
}

TEST_F(GateBench, AnOwnerOfThePortIsNewsOnce) {
    EXPECT_TRUE(gate.port_taken("pid 7"));
    EXPECT_FALSE(gate.port_taken("pid 7"));
    EXPECT_TRUE(gate.port_taken("pid 8"));
    EXPECT_EQ(gate.port_owner(), "pid 8");
    gate.open(true, out);
    EXPECT_EQ(gate.port_owner(), "pid 8") << "until the next look";
    gate.port_free(true, out);
    EXPECT_EQ(gate.port_owner(), "");
}

TEST_F(GateBench, OnceClosedItLetsNothingThrough) {
    gate.close();
    gate.open(false, out);
    gate.open(true, out);
    EXPECT_THAT(out, IsEmpty());
    EXPECT_FALSE(gate.asked());
}

}  // namespace
}  // namespace emprops::process
