// The real connector beside ComfyUI's own folder: files are copied from there, and only those that ComfyUI would send.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "connectors/comfyui/transfer/fetching.h"
#include "ipc/web/base64.h"
#include "tests/support/comfyui_connector.h"
#include "tests/support/comfyui_double.h"
#include "tests/support/comfyui_outcome.h"

namespace emprops::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::SizeIs;

/// ComfyUI with its folder, and another folder that is none of its own.
struct Neighbour : testing::Test {
    Neighbour() : comfy(options(folder)) {}
    static ComfyDoubleOptions options(const TempDir& folder) {
        ComfyDoubleOptions options;
        options.folder = folder.path().string();
        return options;
    }
    /// Written before any prompt of the double ends, by its clock.
    static fs::path make(const TempDir& place, const std::string& name, const std::string& content) {
        const std::string path = "output/" + name;
        place.write_file(path, content);
        fs::last_write_time(
            place / path, fs::file_time_type::clock::from_sys(std::chrono::sys_time<std::chrono::seconds>{}));
        return place / path;
    }
    void puts_out(const std::string& name) {
        comfy.add_script(good_script(
            {{"2", {{"images", {{{"filename", name}, {"subfolder", ""}, {"type", "output"}}}}}}}));
    }
    static Json beside(const TempDir& place) {
        return {{"comfyui_folder", place.path().string()}, {"output_subfolder", false}};
    }
    static std::string content(const Json& outcome) {
        return outcome.contains("result")
                   ? *web::base64_decode(outcome["result"]["output"]["files"][0].value("data", ""))
                   : outcome.dump();
    }

    TempDir folder, other;
    ComfyDouble comfy;
};

TEST_F(Neighbour, AFileIsCopiedAndTheCopyIsItsOwn) {
    const fs::path original = make(folder, "a.png", "a picture");
    puts_out("a.png");
    ComfyConnector connector(comfy.url(), beside(folder));
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(content(connector.outcome("job")), "a picture");
    EXPECT_EQ(comfy.unchanged(), 1);
    EXPECT_TRUE(fs::exists(original));
    const std::string copy = connector.seen.back()["files"][0]["path"];
    EXPECT_EQ(fs::hard_link_count(copy), 1u);
    EXPECT_FALSE(fs::is_symlink(copy));
}

TEST_F(Neighbour, WhatIsNotTheFileThatComfyUiWouldSendIsDownloaded) {
    make(other, "same name.png", "of another ComfyUI");
    make(folder, "same name.png", "of this one");
    fs::create_symlink(folder / "output/same name.png", other.path() / "output/link.png");
    make(folder, "link.png", "no link here");
    make(folder, "nowhere else.png", "only here");
    ComfyConnector connector(comfy.url(), beside(other));
    ASSERT_TRUE(connector.wait_available());
    for (const auto& [name, bytes] :
         {std::pair("same name.png", "of this one"), std::pair("link.png", "no link here"),
          std::pair("nowhere else.png", "only here")}) {
        puts_out(name);
        connector.give(name, graph());
        EXPECT_EQ(content(connector.outcome(name)), bytes);
    }
    EXPECT_EQ(comfy.unchanged(), 0);
}

TEST_F(Neighbour, AFileThatIsYoungerThanItsPromptIsAnotherPromptsAsInADownload) {
    folder.write_file("output/a.png", "of now, and prompts of the double end in 1970");
    puts_out("a.png");
    ComfyConnector connector(comfy.url(), beside(folder));
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(error_class(outcome), "files_replaced");
    EXPECT_TRUE(outcome["error"]["retryable"]);
    EXPECT_EQ(comfy.unchanged(), 1);
}

TEST_F(Neighbour, OriginalsGoOnceTheyAreCopiedAndNoLinkLeadsToThem) {
    const fs::path original = make(folder, "a.png", "a picture");
    puts_out("a.png");
    Json settings = beside(folder);
    settings["delete_delivered"] = true;
    ComfyConnector connector(comfy.url(), settings);
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(content(connector.outcome("job")), "a picture");
    EXPECT_FALSE(fs::exists(original));
    EXPECT_FALSE(connector.seen.back()["files"][0].contains("url"));
    // Nothing but a link is wanted: then the file stays.
    const fs::path linked = make(folder, "b.png", "another");
    puts_out("b.png");
    connector.give("link", {{"workflow", graph()}, {"outputs", {{"deliver", {"reference"}}}}});
    EXPECT_THAT(connector.outcome("link")["result"]["output"]["files"][0].value("url", ""),
                HasSubstr("filename=b.png"));
    EXPECT_TRUE(fs::exists(linked));
}

TEST_F(Neighbour, AFileThatIsChangedDuringTheCopyIsCopiedOnceMoreAndThenDownloaded) {
    const fs::path original = make(folder, "a.png", "first");
    comfyui::Settings settings;
    settings.server = *comfyui::parse_url(comfy.url());
    settings.comfyui_folder = folder.path().string();
    comfyui::Api api(settings);
    comfyui::OutputFile file;
    file.node = "2";
    file.filename = "a.png";
    file.type = "output";
    for (const int changes : {1, 1000}) {
        int looks = 0;
        const TempDir work;
        const auto changing = [&] {
            if (++looks <= changes) std::ofstream(original, std::ios::app) << "+";
            return false;
        };
        std::vector<OutputFile> handed;
        comfyui::Fetching fetching(
            api, settings, {}, {work.path().string(), {}, {}, true, {}}, changing,
            [](Ms, const std::string&) { return false; }, 0,
            [&](OutputFile each) {
                handed.push_back(std::move(each));
                return Json::object();
            });
        const int before = comfy.unchanged();
        ASSERT_TRUE(std::holds_alternative<Json>(fetching.fetch(file)));
        EXPECT_EQ(comfy.unchanged() - before, 2);
        ASSERT_THAT(handed, SizeIs(1));
        EXPECT_EQ(fs::file_size(handed[0].path), fs::file_size(original));
    }
}

}  // namespace
}  // namespace emprops::test
