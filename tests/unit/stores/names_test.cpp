// The names under which stores have files.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/stores/names/key_template.h"
#include "connectors/stores/names/target_names.h"

namespace emprops::stores {
namespace {

using testing::HasSubstr;

TEST(TargetNames, AreCutBetweenCharactersAndKeepTheirEndings) {
    EXPECT_EQ(fitted_name("a.png"), "a.png");
    const std::string cut = fitted_name(
        std::string(99, 'x') + "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4.jpeg", 114);
    EXPECT_EQ(cut.substr(0, 99), std::string(99, 'x'));
    EXPECT_EQ(cut.size(), 99u + 9 + 5) << cut;
    EXPECT_NE(fitted_name(std::string(300, 'x') + "a"), fitted_name(std::string(300, 'x') + "b"));
    std::string deep;
    for (int i = 0; i < 20; ++i)
        deep += std::string(100, static_cast<char>('a' + i)) + "/";
    EXPECT_LE(fitted_path(deep + "f.png").size(), 1000u);
    EXPECT_EQ(fitted_path("j/n/f.png"), "j/n/f.png");
}

TEST(TargetNames, AFileKeepsItsNameAndNoOtherGetsItInAnyLetterCase) {
    TargetNames names;
    EXPECT_EQ(names.give("1", "j/x.png"), "j/x.png");
    EXPECT_EQ(names.give("1", "j/x.png"), "j/x.png");
    EXPECT_EQ(names.give("2", "j/X.png"), "j/X-2.png");
    const auto not_the_first = [](const std::string& name) { return name != "j/y.png"; };
    EXPECT_EQ(names.give("3", "j/y.png", not_the_first), "j/y-2.png");
}

TEST(TargetNames, TwoFilesOfOneNameDoNotOverwriteEachOther) {
    TargetNames names;
    EXPECT_EQ(names.give("1", "j/a.b/x.png"), "j/a.b/x.png");
    EXPECT_EQ(names.give("2", "j/a.b/x.png"), "j/a.b/x-2.png");
    EXPECT_EQ(names.give("3", "j/a.b/x.png"), "j/a.b/x-3.png");
    EXPECT_EQ(names.give("4", "j/a.b/x"), "j/a.b/x");
    EXPECT_EQ(names.give("5", "j/a.b/x"), "j/a.b/x-2");
}

TEST(KeyTemplate, TellsJobsAndTheFilesOfAJobApart) {
    for (const char* good :
         {"{job_id}/{filename}", "{sha256}", "x/{job_id}-{index}.{ext}", "{job_id}/{stem}.{ext}"})
        EXPECT_FALSE(wrong_template(good)) << good;
    EXPECT_THAT(*wrong_template("{filename}"), HasSubstr("neither {job_id} nor {sha256}"));
    EXPECT_THAT(*wrong_template("{job_id}/{stem}"), HasSubstr("of one job would replace each other"));
    EXPECT_THAT(*wrong_template("{jobid}/{filename}"), HasSubstr("did you mean {job_id}?"));
    EXPECT_THAT(*wrong_template("{job_id"), HasSubstr("without a }"));
    EXPECT_FALSE(wrong_template("a/{key}?x", {"key"}));
}

TEST(KeyTemplate, IsAPathThatLeadsNowhereElse) {
    for (const char* bad : {"", "/{job_id}", "a//b", "../x", "a/./b", "a/"})
        EXPECT_TRUE(wrong_path(bad)) << bad;
    EXPECT_FALSE(wrong_path("a/.hidden/b.."));
}

TEST(KeyTemplate, KeepsValuesFromLeavingTheirPlace) {
    EXPECT_EQ(fill_template("{job_id}/{filename}", {{"job_id", "../../etc"}, {"filename", ".."}}),
              ".._.._etc/_");
    EXPECT_EQ(fill_template("{x}{y}", {{"x", "{y}"}, {"y", "1"}}), "{y}1");
}

TEST(KeyTemplate, IdsThatLoseASlashStayApart) {
    const std::string one = key_of("{job_id}/{filename}", {{"job_id", "a/b"}, {"filename", "x"}});
    const std::string two = key_of("{job_id}/{filename}", {{"job_id", "a_b"}, {"filename", "x"}});
    EXPECT_EQ(two, "a_b/x");
    EXPECT_NE(one, two);
    EXPECT_EQ(key_of("{job_id}/{filename}", {{"job_id", ".."}, {"filename", ".."}}).substr(0, 2), "..");
    EXPECT_THAT(key_of("{job_id}/{filename}", {{"job_id", ".."}, {"filename", ".."}}),
                testing::EndsWith("/_"));
}

TEST(KeyTemplate, ANameIsReadInItsParts) {
    using Values = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(name_values("a.tar.gz"), (Values{{"filename", "a.tar.gz"}, {"stem", "a.tar"}, {"ext", "gz"}}));
    EXPECT_EQ(name_values(".bashrc"), (Values{{"filename", ".bashrc"}, {"stem", ".bashrc"}, {"ext", ""}}));
}

}  // namespace
}  // namespace emprops::stores
