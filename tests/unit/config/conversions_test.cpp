// [files.convert], [files.commands.NAME] and the `convert` of connectors.

#include "config/conversions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/config_fixture.h"

namespace emprops::config {
namespace {

using test::ConfigFixture;
using test::problems_of;
using testing::AllOf;
using testing::HasSubstr;

TEST(Conversions, StandInTablesOfFilesAndOfConnectors) {
    ConfigFixture machine;
    machine.toml(
        "[files.convert]\nimage = {format = \"webp\", quality = 80}\nif_larger_than = \"1MB\"\n"
        "[files.commands.web]\ncommand = [\"ffmpeg\", \"-i\", \"{in}\", \"{out}\"]\nextension = \"mp4\"\n"
        "[connectors.a.convert]\nvideo = {command = \"web\"}\n");
    const Loaded loaded = machine.load();
    EXPECT_EQ(problems_of(loaded), "");
    const ipc::ConvertWish wish = convert_wish(loaded.settings.files.convert);
    EXPECT_EQ(wish.image, (ipc::ImageWish{"webp", 80, {}, {}}));
    EXPECT_EQ(wish.if_larger_than, 1'000'000u);
    EXPECT_EQ(convert_wish(loaded.settings.connectors.at(0).convert).video, "web");
    EXPECT_EQ(command_extension(loaded.settings.files, "web"), "mp4");
    EXPECT_EQ(command_extension(loaded.settings.files, "none"), "");
}

TEST(Conversions, WhatIsWrongIsAnErrorThatNamesTheMember) {
    ConfigFixture machine;
    machine.toml(
        "[files.convert]\nimage = {format = \"gif\"}\n"
        "[files.commands]\nweb = 1\n"
        "[connectors.a.convert]\nvideo = {command = \"wbe\"}\n"
        "[connectors.b.convert]\nimages = {}\n");
    EXPECT_THAT(problems_of(machine.load()),
                AllOf(HasSubstr("files.convert.image.format must be \"webp\", \"jpeg\" or \"png\""),
                      HasSubstr("connectors.a.convert.video.command is \"wbe\", and there is no "
                                "[files.commands.wbe]; there are web"),
                      HasSubstr("connectors.b.convert.images is unknown; did you mean image?"),
                      HasSubstr("write [files.commands.web]")));
}

}  // namespace
}  // namespace emprops::config
