#include "emprops/settings.h"

#include <gmock/gmock.h>

namespace emprops {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

struct Mine {
    std::string name = "n";
    int slots = 1;
    std::chrono::milliseconds delay{0};
    std::uint64_t limit = 0;
    std::optional<bool> extra;
    std::vector<std::string> words{"a"};
};

const SettingRows<Mine> rows{
    row(&Mine::name, "name", "Who it is."),
    row(&Mine::slots, "slots", "How many.").within(1, 64),
    row(&Mine::delay, "delay", "How long each job waits.").within(0, 3600),
    row(&Mine::limit, "limit", settings::Size(), "How much."),
    row(&Mine::extra, "extra", "Whether more.").seldom(),
    row(&Mine::words, "words", "Which."),
};

struct Rows : testing::Test {
    std::map<std::string, std::string> environment;
    SettingSources sources{"MY_",
                           [this](std::string_view name) -> std::optional<EnvValue> {
                               const auto found = environment.find(std::string(name));
                               if (found == environment.end()) return {};
                               return EnvValue{"WORKER_" + found->first, found->second};
                           },
                           false,
                           {{"colour", "it is grey"}}};
    std::vector<std::string> warnings;

    Mine read(const Json& table) {
        Mine mine;
        warnings = read_rows(rows, table, sources, mine);
        return mine;
    }
    std::string error_of(const Json& table) {
        try {
            read(table);
        } catch (const ConfigurationError& error) {
            return error.what();
        }
        return "no error";
    }
};

TEST_F(Rows, AreFilledFromTheTableAndTheVariablesWhichWin) {
    environment = {{"MY_DELAY", "1.5 s"}, {"MY_WORDS", "x, y"}, {"MY_EXTRA", "On"}};
    const Mine mine =
        read({{"name", "m"}, {"slots", 4}, {"delay", "9m"}, {"limit", "1KiB"}, {"words", nullptr}});
    EXPECT_EQ(mine.name, "m");
    EXPECT_EQ(mine.slots, 4);
    EXPECT_EQ(mine.delay, 1500ms);
    EXPECT_EQ(mine.limit, 1024u);
    EXPECT_EQ(mine.extra, true);
    EXPECT_THAT(mine.words, ElementsAre("x", "y"));
}

TEST_F(Rows, NothingGivenLeavesTheDefaults) {
    const Mine mine = read(nullptr);
    EXPECT_EQ(mine.slots, 1);
    EXPECT_THAT(mine.words, ElementsAre("a"));
    EXPECT_EQ(mine.extra, std::nullopt);
}

TEST_F(Rows, AnEmptyVariableIsAnEmptyTextOrTheDefault) {
    environment = {{"MY_NAME", ""}, {"MY_SLOTS", ""}, {"MY_DELAY", ""}};
    const Mine mine = read({{"slots", 4}});
    EXPECT_EQ(mine.name, "");
    EXPECT_EQ(mine.slots, 1);
    EXPECT_EQ(mine.delay, 0ms);
}

TEST_F(Rows, ErrorsNameTheSettingOrTheVariableAndWhatItMayBe) {
    EXPECT_EQ(error_of({{"slots", 65}}), "slots must be a whole number from 1 to 64, not `65`");
    EXPECT_EQ(error_of({{"slots", "4"}}), "slots must be a whole number from 1 to 64, not `4`");
    EXPECT_EQ(error_of({{"dealy", 1}}), "unknown setting \"dealy\"; did you mean \"delay\"?");
    EXPECT_EQ(error_of({{"frobnicate", 1}}), "unknown setting \"frobnicate\"");
    EXPECT_EQ(error_of(Json::array()), "the connector's settings must be a table");
    environment = {{"MY_DELAY", "2h"}};
    EXPECT_EQ(error_of({}), "WORKER_MY_DELAY must be from 0 ms to 1 h, not `2h`");
}

TEST_F(Rows, ATableMayBeSpelledAsVariablesAreWhereTheConnectorSaysSo) {
    sources.text_in_table = true;
    const Mine mine = read({{"slots", "4"}, {"words", "x,y"}, {"name", 5}, {"extra", 1}, {"limit", 7}});
    EXPECT_EQ(mine.slots, 4);
    EXPECT_EQ(mine.name, "5");
    EXPECT_EQ(mine.extra, true);
    EXPECT_EQ(mine.limit, 7u);
    EXPECT_THAT(mine.words, ElementsAre("x", "y"));
}

TEST_F(Rows, AVariableThatSetsNothingIsNamedWithTheNearest) {
    sources.names = {"MY_DELAY",        "WORKER_MY_SLOTS", "MY_DEALY",
                     "WORKER_MY_SLOT",  "MYOTHER",         "MY_HORSE",
                     "MY_SERVICE_HOST", "MY_PORT_80_TCP",  "PATH"};
    read(nullptr);
    EXPECT_THAT(
        warnings,
        ElementsAre("the variable MY_DEALY sets nothing of this connector; did you mean MY_DELAY?",
                    "the variable WORKER_MY_SLOT sets nothing of this connector; did you mean MY_SLOTS?",
                    "the variable MY_HORSE sets nothing of this connector"));
}

TEST_F(Rows, WhatMachinesWriteAroundAValueIsNoPartOfIt) {
    environment = {
        {"MY_SLOTS", "\"4\""}, {"MY_NAME", " 'n'\r\n"}, {"MY_WORDS", "[\"x\", \"y\"]"}, {"MY_DELAY", "\"\""}};
    const Mine mine = read(nullptr);
    EXPECT_EQ(mine.slots, 4);
    EXPECT_EQ(mine.name, "n");
    EXPECT_THAT(mine.words, ElementsAre("x", "y"));
    environment = {{"MY_NAME", "$HOST"}};
    EXPECT_THAT(error_of({}), testing::HasSubstr("nobody has expanded"));
}

TEST_F(Rows, ARetiredKeyIsAWarning) {
    read({{"colour", "red"}});
    EXPECT_THAT(warnings, ElementsAre("colour is no setting any more and changes nothing: it is grey"));
}

TEST_F(Rows, BecomeATableOfMarkdownWithTheRareOnesLast) {
    const std::string page = settings_page(rows);
    EXPECT_THAT(page, HasSubstr("| `slots` | a whole number from 1 to 64 | `1` | How many. |\n"));
    EXPECT_THAT(page,
                HasSubstr("| `delay` | a time from 0 ms to 1 h | `\"0s\"` | How long each job waits. |\n"));
    EXPECT_THAT(page, HasSubstr("\nRarely needed:\n\n| key | value | default | meaning |\n|---|---|---|---|\n"
                                "| `extra` | true or false | unset | Whether more. |\n"));
}

}  // namespace
}  // namespace emprops
