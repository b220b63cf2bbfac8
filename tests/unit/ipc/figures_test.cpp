// The rules of `metrics`: what is kept, what is left out and how that is told.

#include "ipc/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "ipc/codec.h"

namespace emprops::ipc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = Figures::Kind;

Metrics metrics(const std::string& members) {
    const Decoded decoded = decode_from_connector(R"({"type":"metrics",)" + members + "}");
    return std::get<Metrics>(std::get<FromConnector>(decoded));
}

TEST(FiguresOfAConnector, ANameThatIsNotMentionedKeepsItsLastValue) {
    Figures figures;
    EXPECT_THAT(figures.take(metrics(R"("counters":{"a":1,"b_2":2.5},"gauges":{"c":-3})")), IsEmpty());
    EXPECT_THAT(figures.take(metrics(R"("counters":{"a":7})")), IsEmpty());
    EXPECT_THAT(figures.all(), ElementsAre(testing::Pair("a", Figures::Figure{Kind::counter, 7}),
                                           testing::Pair("b_2", Figures::Figure{Kind::counter, 2.5}),
                                           testing::Pair("c", Figures::Figure{Kind::gauge, -3})));
}

TEST(FiguresOfAConnector, WhatBreaksARuleIsDroppedAndTheRestCounts) {
    Figures figures;
    const auto told = figures.take(metrics(
        R"("counters":{"ok":1,"Upper":1,"1st":1,"":1,"with space":1,"down":-1},"gauges":{"text":"5","none":null,"ok":2,"fine":0})"));
    EXPECT_THAT(told, testing::UnorderedElementsAre(HasSubstr("a name is [a-z]"), HasSubstr("not below 0"),
                                                    HasSubstr("a finite number"), HasSubstr("for good")))
        << "one sentence for each rule";
    EXPECT_THAT(figures.all(),
                ElementsAre(testing::Pair("fine", testing::_), testing::Pair("ok", testing::_)));
    EXPECT_EQ(figures.all().at("ok").value, 1);
}

TEST(FiguresOfAConnector, NoMoreThan50NamesAndThoseThatAreThereGoOn) {
    Figures figures;
    Metrics many;
    for (int n = 0; n < 60; ++n)
        many.gauges["g" + std::to_string(n)] = n;
    EXPECT_THAT(figures.take(many), ElementsAre(HasSubstr("at most 50")));
    EXPECT_EQ(figures.all().size(), max_figures);
    const std::string known = figures.all().begin()->first;
    EXPECT_THAT(figures.take(metrics("\"gauges\":{\"" + known + "\":99}")), IsEmpty());
    EXPECT_EQ(figures.all().at(known).value, 99);
}

TEST(FiguresOfAConnector, NamesAreAsInThePage) {
    EXPECT_TRUE(is_figure_name("a"));
    EXPECT_TRUE(is_figure_name(std::string(64, 'x')));
    for (const std::string& name : {std::string(65, 'x'), std::string("a-b"), std::string("_a"),
                                    std::string("ä"), std::string("a\0b", 3), std::string("a\n")})
        EXPECT_FALSE(is_figure_name(name)) << name;
}

TEST(FiguresOfAConnector, InfinityIsNoValueWhereverItComesFrom) {
    Figures figures;
    Metrics infinite;
    infinite.gauges["x"] = std::numeric_limits<double>::infinity();
    EXPECT_THAT(figures.take(infinite), ElementsAre(HasSubstr("finite")));
    EXPECT_TRUE(figures.empty());
}

}  // namespace
}  // namespace emprops::ipc
