// Values that a server has under another spelling, and files that are none.

#include "connectors/comfyui/text/spelling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/comfyui/text/file_kind.h"
#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/payload.h"
#include "connectors/comfyui/text/validation.h"
#include "tests/support/comfyui_outcome.h"

namespace emprops::comfyui {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(Spelling, SeparatorsLetterCaseAndBlanksAreNoDifference) {
    const std::vector<std::string> there = {"SDXL/base.safetensors", "Euler", "a/b/c.pt"};
    for (const char* wanted : {"SDXL\\base.safetensors", "sdxl/Base.safetensors", " SDXL/base.safetensors\n",
                               "./SDXL//base.safetensors", "/SDXL/base.safetensors"})
        EXPECT_EQ(counterpart_of(wanted, there).same, "SDXL/base.safetensors") << wanted;
    EXPECT_EQ(counterpart_of("euler", there).same, "Euler");
    const std::vector<std::string> windows = {"SDXL\\base.safetensors"};
    EXPECT_EQ(counterpart_of("SDXL/base.safetensors", windows).same, windows[0]);
    EXPECT_EQ(counterpart_of("heun", there).same, "");
}

TEST(Spelling, OfTwoThatDifferInLetterCaseOnlyNoneIsGuessed) {
    const std::vector<std::string> there = {"Model.pt", "MODEL.pt"};
    EXPECT_EQ(counterpart_of("model.pt", there).same, "");
    EXPECT_EQ(counterpart_of("MODEL.pt", there).same, "MODEL.pt");
    EXPECT_THAT(counterpart_of("model.pt", there).elsewhere, ElementsAre("Model.pt", "MODEL.pt"));
}

TEST(Spelling, TheSameFileNameInOtherFoldersIsNamed) {
    const std::vector<std::string> there = {"XL/vae.pt", "15/vae.pt", "other.pt"};
    const Counterpart found = counterpart_of("vae.pt", there);
    EXPECT_EQ(found.same, "");
    EXPECT_THAT(found.elsewhere, ElementsAre("XL/vae.pt", "15/vae.pt"));
}

Json refusal(const std::string& wanted) {
    return emprops::test::value_refusal(wanted, {"SDXL/base.safetensors", "x.pt"});
}
Failure failure_for(const Json& body) {
    return validation_failure(
        body, {}, [](const auto&, const auto&) { return std::vector<std::string>(); },
        [] {
            return std::vector<std::string>{"KSampler", "SaveImage"};
        });
}

TEST(Spelling, OfARefusedValueIsPutIntoTheGraphWhereAllElseIsWell) {
    const Choices none = [](const auto&, const auto&) { return std::vector<std::string>(); };
    const auto found = respellings(refusal("SDXL\\base.safetensors"), none);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].to, "SDXL/base.safetensors");
    const std::string graph =
        R"({"4": {"class_type": "X", "inputs": {"ckpt_name": "SDXL\\base.safetensors", "n": 1.10}},)"
        R"( "5": {"inputs": {"ckpt_name": "SDXL\\base.safetensors"}}})";
    EXPECT_EQ(with_values(graph, {{{"4", "ckpt_name"}, found[0].to}}),
              R"({"4": {"class_type": "X", "inputs": {"ckpt_name": "SDXL/base.safetensors", "n": 1.10}},)"
              R"( "5": {"inputs": {"ckpt_name": "SDXL\\base.safetensors"}}})");
    EXPECT_THAT(respellings(refusal("missing.pt"), none), IsEmpty());
    Json two = refusal("SDXL\\base.safetensors");
    two["node_errors"]["4"]["errors"].push_back({{"type", "required_input_missing"}, {"message", "m"}});
    EXPECT_THAT(respellings(two, none), IsEmpty());
}

TEST(Spelling, WhatIsThereIsNeverCalledMissing) {
    const Failure spelled = failure_for(refusal("sdxl\\BASE.safetensors"));
    EXPECT_EQ(spelled.code, "invalid_payload");
    EXPECT_FALSE(spelled.retryable);
    EXPECT_THAT(spelled.message,
                AllOf(HasSubstr("is there as \"SDXL/base.safetensors\""), Not(HasSubstr("put it there"))));
    const Failure elsewhere = failure_for(refusal("base.safetensors"));
    EXPECT_EQ(elsewhere.details["class"], "other_folder");
    EXPECT_TRUE(elsewhere.retryable);
    EXPECT_THAT(elsewhere.message,
                AllOf(HasSubstr("is there as \"SDXL/base.safetensors\", in another folder"),
                      Not(HasSubstr("not in ComfyUI's folder"))));
    EXPECT_EQ(failure_for(refusal("none.pt")).details["class"], "missing_model");
}

TEST(Spelling, OfANodeClassAndOfAPlainChoiceIsNamedToo) {
    const Failure choice =
        failure_for(emprops::test::value_refusal("EULER", {"euler", "heun"}, "sampler_name", "KSampler"));
    EXPECT_THAT(choice.message, HasSubstr("is there as \"euler\""));
    const Json body = {{"error",
                        {{"type", "missing_node_type"},
                         {"message", "m"},
                         {"extra_info", {{"class_type", "ksampler"}, {"node_id", "3"}}}}}};
    const Failure failure = failure_for(body);
    EXPECT_EQ(failure.code, "invalid_payload");
    EXPECT_THAT(failure.message, HasSubstr("it is there as \"KSampler\""));
}

TEST(FileKind, APageIsNoPictureWhateverItsNameOrItsTypeSays) {
    const std::string page = "<!DOCTYPE html><html><body>Sign in</body></html>";
    EXPECT_EQ(no_file_but("share", "text/html; charset=utf-8", page), "a web page (text/html)");
    EXPECT_EQ(no_file_but("p.png", "image/png", page), "a web page (image/png)");
    EXPECT_EQ(no_file_but("p.png", "", "\xEF\xBB\xBF\n <!-- x -->\n<HTML>"), "a web page");
    EXPECT_EQ(no_file_but("p.png", "text/html", "Please sign in"), "a web page (text/html)");
    EXPECT_EQ(no_file_but("p.html", "text/html", page), "");
}

TEST(FileKind, AnErrorInPlaceOfAPictureIsNoPicture) {
    EXPECT_EQ(no_file_but("p.png", "application/json", R"({"error":"expired"})"),
              "a JSON text (application/json)");
    EXPECT_EQ(no_file_but("v.mp4", "", "<?xml version=\"1.0\"?><Error>"), "an XML text");
    EXPECT_EQ(no_file_but("graph.json", "application/json", "{}"), "");
    EXPECT_EQ(no_file_but("p.svg", "image/svg+xml", "<?xml version=\"1.0\"?><svg>"), "");
    EXPECT_EQ(no_file_but("notes.txt", "text/html", "plain words"), "");
}

TEST(FileKind, BytesOfAPictureAreOneWhateverTheServerCallsThem) {
    EXPECT_EQ(no_file_but("p.png", "text/html", std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16)), "");
    EXPECT_EQ(no_file_but("p.jpg", "text/plain", std::string("\xFF\xD8\xFF\xE0\0\x10JFIF\0", 11)), "");
    EXPECT_EQ(no_file_but("x", "application/octet-stream", "words"), "");
}

TEST(Outputs, ANameThatComfyUiDoesNotServeIsKnown) {
    const auto servable = [](const char* filename, const char* subfolder = "") {
        OutputFile file;
        file.filename = filename;
        file.subfolder = subfolder;
        return is_servable(file);
    };
    EXPECT_TRUE(servable("a.png", "x/y"));
    EXPECT_TRUE(servable("\u5199.png"));
    for (const char* name : {"../x.png", "/etc/x.png", "a\xEF\xBF\xBD.png", "a\n.png", ""})
        EXPECT_FALSE(servable(name)) << name;
    EXPECT_FALSE(servable("a.png", "/mnt/out"));
    EXPECT_FALSE(servable("a.png", "C:\\out"));
}

}  // namespace
}  // namespace emprops::comfyui
