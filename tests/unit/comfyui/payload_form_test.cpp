// The forms in which people send a workflow, and what becomes of what lies beside it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/comfyui/text/payload.h"
#include "connectors/comfyui/text/validation.h"

namespace emprops::comfyui::forms {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// Numbers and blanks that no parser would write back so.
const std::string graph =
    R"({ "1":{"class_type":"LoadImage","inputs":{"image":"a.png","seed":18446744073709551615,"f":1.10}}})";
const std::string editor = R"({"nodes":[{"id":1,"type":"LoadImage"}],"links":[],"version":0.40})";

std::string text_of(const std::string& json) {
    return Json(json).dump();
}
Payload read(const std::string& text) {
    auto payload = read_payload(text);
    EXPECT_TRUE(payload.ok()) << (payload.ok() ? "" : payload.error().message);
    return payload.ok() ? *payload : Payload{};
}
std::string refusal(const std::string& text) {
    const auto payload = read_payload(text);
    return payload.ok() ? "accepted" : payload.error().code + ": " + payload.error().message;
}

TEST(PayloadForm, TheGraphIsTheSameByteForByteInEveryForm) {
    const std::string body = R"({"client_id":"x","prompt":)" + graph + "}";
    for (const std::string& text :
         {graph, "{\"prompt\":" + graph + "}", "{\"workflow\":" + graph + "}",
          "{\"workflow_json\":" + graph + "}", "{\"workflow_api\":" + graph + "}",
          // wrapped, as RunPod's workers take it, and as others do
          "{\"input\":{\"workflow\":" + graph + "}}", "{\"id\":\"x\",\"input\":" + graph + "}",
          "{\"input\":{\"workflow_json\":" + text_of(graph) + ",\"request_id\":\"r\"}}",
          "{\"payload\":{\"input\":{\"prompt\":" + graph + "}}}", "{\"workflow\":" + body + "}",
          // as text
          "{\"workflow\":" + text_of(graph) + "}", "{\"prompt\":" + text_of("\xEF\xBB\xBF" + graph) + "}",
          "{\"workflow_json\":" + text_of(text_of(graph)) + "}",
          "{\"input\":" + text_of("{\"workflow\":" + graph + "}") + "}"}) {
        // What is opened begins at its brace.
        EXPECT_EQ(read(text).graph_text, graph) << text;
    }
}

TEST(PayloadForm, NodesMayBeCalledLikeTheNamesOfPayloads) {
    for (const char* name : {"prompt", "workflow", "input", "images", "workflow_json", "payload"}) {
        const std::string text = "{\"" + std::string(name) + R"(":{"class_type":"X","inputs":{}}})";
        EXPECT_EQ(read(text).graph_text, text);
        EXPECT_EQ(read(text).nodes.at(0).id, name);
    }
}

TEST(PayloadForm, TheEditorsWorkflowBesideThePromptGoesWhereNodesLookForIt) {
    const auto extra = [](const std::string& more, const std::string& first = "prompt",
                          const std::string& second = "workflow") {
        const auto payload =
            read("{\"" + first + "\":" + graph + ",\"" + second + "\":" + editor + more + "}");
        EXPECT_THAT(payload.notes, IsEmpty());
        return payload.extra_data_text;
    };
    const std::string into = R"({"extra_pnginfo":{"workflow":)" + editor + "}";
    EXPECT_EQ(extra(""), into + "}");
    EXPECT_EQ(extra("", "workflow_api", "workflow"), into + "}");
    EXPECT_EQ(extra("", "workflow", "prompt"), into + "}") << "whichever is which";
    EXPECT_EQ(extra(R"(,"extra_data":{ "a":1.10})"), into + R"(, "a":1.10})");
    EXPECT_EQ(extra(R"(,"extra_data":{"extra_pnginfo":null,"a":1})"),
              R"({"extra_pnginfo":{"workflow":)" + editor + R"(},"a":1})");
    EXPECT_EQ(extra(R"(,"extra_data":{"extra_pnginfo": {"b":2} })"),
              R"({"extra_pnginfo": {"workflow":)" + editor + R"(,"b":2} })");
    // One that is given stays: the last of two equal keys wins, in Python as here.
    const Json given = Json::parse(extra(R"(,"extra_data":{"extra_pnginfo":{"workflow":{"mine":1}}})"));
    EXPECT_EQ(given["extra_pnginfo"]["workflow"], Json({{"mine", 1}}));
    EXPECT_EQ(read("{\"prompt\":" + graph + ",\"workflow\":" + text_of(editor) + "}").extra_data_text,
              into + "}");
}

TEST(PayloadForm, TheEditorsWorkflowAloneIsNamedWithTheCureWhereverItIs) {
    for (const std::string& text :
         {editor, "{\"prompt\":" + editor + "}", "{\"input\":{\"workflow\":" + editor + "}}",
          "{\"workflow_json\":" + text_of(editor) + "}", "{\"workflow\":{\"workflow\":" + editor + "}}"}) {
        EXPECT_THAT(refusal(text),
                    testing::AllOf(HasSubstr("editor's own format"), HasSubstr("Export (API)")))
            << text;
    }
    EXPECT_THAT(refusal("{\"prompt\":" + editor + "}"), HasSubstr("\"prompt\" is in"));
}

TEST(PayloadForm, WhatIsNoWorkflowIsNamedByWhatItIs) {
    EXPECT_THAT(refusal("{}"), HasSubstr("it is empty"));
    EXPECT_THAT(refusal(R"({"prompt":"a cat","steps":20})"),
                testing::AllOf(HasSubstr("no workflow"), HasSubstr("\"steps\""),
                               HasSubstr("\"prompt\" is text that is no JSON object")));
    EXPECT_THAT(refusal(R"({"workflow":7})"), HasSubstr("\"workflow\" is no object"));
    EXPECT_THAT(refusal(R"({"input":{"text":"a cat"}})"), HasSubstr("it has \"input\""));
    EXPECT_THAT(refusal(R"({"prompt":{}})"), HasSubstr("the workflow has no nodes"));
    EXPECT_THAT(refusal(R"({"prompt":{"text":"a cat"}})"), HasSubstr("node \"text\" is not an object"));
    std::string deep = graph;
    for (int i = 0; i < 6; ++i) {
        deep = "{\"input\":" + deep + "}";
    }
    EXPECT_THAT(refusal(deep), HasSubstr("no workflow"));
}

TEST(PayloadForm, WhatIsNotReadIsNamedAndNothingElse) {
    const auto notes = [](const std::string& more) {
        return read("{\"prompt\":" + graph + more + "}").notes;
    };
    EXPECT_THAT(notes(R"(,"extra_data":{},"inputs":{},"outputs":{},"allow_partial":null,"workflow":null)"),
                IsEmpty());
    EXPECT_THAT(
        notes(R"(,"webhook":"http://x","client_id":"c")"),
        ElementsAre("the payload's \"client_id\" was not read", "the payload's \"webhook\" was not read"));
    EXPECT_THAT(notes(",\"workflow\":" + graph), ElementsAre(HasSubstr("\"workflow\" was not read")));
    EXPECT_THAT(notes(R"(,"workflow":"a cat")"), ElementsAre(HasSubstr("\"workflow\" was not read")));
    EXPECT_THAT(read("{\"id\":\"x\",\"input\":{\"workflow\":" + graph + ",\"s3\":{}}}").notes,
                ElementsAre(HasSubstr("\"id\""), HasSubstr("\"s3\"")));
}

TEST(PayloadForm, WhatWrapsTheGraphMaySayTheRest) {
    const auto payload = read("{\"input\":" + graph +
                              R"(,"outputs":{"temp":true},"allow_partial":true,"extra_data":{"a":1}})");
    EXPECT_EQ(payload.outputs.temp, true);
    EXPECT_EQ(payload.allow_partial, true);
    EXPECT_EQ(payload.extra_data_text, R"({"a":1})");
    EXPECT_THAT(payload.notes, IsEmpty());
    const auto inner =
        read("{\"input\":{\"prompt\":" + graph + R"(,"outputs":{"temp":false}},"outputs":{"temp":true}})");
    EXPECT_EQ(inner.outputs.temp, false) << "what is nearer to the graph holds";
}

TEST(PayloadForm, AKeyForPaidNodesGoesToExtraDataUnlessThatHasOne) {
    const auto key = [](const std::string& more) -> Json {
        return Json::parse(
            read("{\"input\":{\"workflow\":" + graph + more + "}}").extra_data_text)["api_key_comfy_org"];
    };
    EXPECT_EQ(key(R"(,"comfy_org_api_key":"k")"), "k");
    EXPECT_EQ(key(R"(,"api_key_comfy_org":"k")"), "k");
    EXPECT_EQ(key(R"(,"comfy_org_api_key":"k","extra_data":{"api_key_comfy_org":"own"})"), "own");
    EXPECT_THAT(refusal("{\"prompt\":" + graph + R"(,"comfy_org_api_key":5})"), HasSubstr("must be text"));
}

// ---- files

TEST(PayloadFiles, ImagesGoToTheNodesThatHaveTheirName) {
    const auto payload = read("{\"workflow\":" + graph +
                              R"(,"images":[{"name":"a.png","image":"data:image/png;base64,cGlj"},)"
                              R"({"name":"b.png","url":"https://x/y.jpg"}]})");
    ASSERT_THAT(payload.inputs, SizeIs(2));
    EXPECT_EQ(payload.inputs[0].base64, "cGlj");
    EXPECT_EQ(payload.inputs[0].filename, "a.png");
    ASSERT_THAT(payload.inputs[0].places, SizeIs(1));
    EXPECT_EQ(payload.inputs[0].places[0].node + "." + payload.inputs[0].places[0].input, "1.image");
    EXPECT_EQ(payload.inputs[1].url, "https://x/y.jpg");
    EXPECT_EQ(payload.inputs[1].filename, "b.png");
    EXPECT_THAT(payload.notes, ElementsAre(HasSubstr("images[\"b.png\"] is used by no node")));
}

TEST(PayloadFiles, NamesMayBeMarkedOrInFoldersAndListsMayBeObjects) {
    const std::string marked = R"({"1":{"class_type":"LoadImage","inputs":{"image":"in/a.png [input]"}}})";
    const auto payload = read("{\"workflow\":" + marked + R"(,"images":{"in/a.png":"cGlj"}})");
    ASSERT_THAT(payload.inputs, SizeIs(1));
    EXPECT_EQ(payload.inputs[0].filename, "a.png");
    EXPECT_THAT(payload.inputs[0].places, SizeIs(1));
    const std::string wants = R"({"1":{"class_type":"LoadImage","inputs":{"image":{"$input":"pic"}}}})";
    for (const char* files :
         {R"("inputs":[{"name":"pic","data":"cGlj"}])", R"("images":[{"name":"pic","base64":"cGlj"}])",
          R"("inputs":"{\"pic\":\"cGlj\"}")"}) {
        const auto listed = read("{\"workflow\":" + wants + "," + files + "}");
        ASSERT_THAT(listed.inputs, SizeIs(1)) << files;
        EXPECT_EQ(listed.inputs[0].key, "pic");
        EXPECT_THAT(listed.notes, IsEmpty());
    }
}

TEST(PayloadFiles, WhatIsWrongIsNamedByItsPlace) {
    const auto with = [](const std::string& more) {
        return refusal("{\"workflow\":" + graph + "," + more + "}");
    };
    EXPECT_THAT(with(R"("images":["cGlj"])"), HasSubstr("images[0] must be an object with \"name\""));
    EXPECT_THAT(with(R"("images":5)"), HasSubstr("\"images\" must be a list"));
    EXPECT_THAT(with(R"("images":[{"name":"a.png"}])"), HasSubstr("images[\"a.png\"] must be base64"));
    EXPECT_THAT(with(R"("inputs":7)"), HasSubstr("\"inputs\" must be an object"));
    EXPECT_THAT(with(R"("inputs":{"a":"cGlj"},"images":[{"name":"a","image":"cGlj"}])"),
                HasSubstr("have one name"));
    const std::string wants = R"({"1":{"class_type":"X","inputs":{"image":{"$input":"photo"}}}})";
    EXPECT_THAT(
        refusal("{\"input\":{\"workflow\":" + wants + R"(,"images":[{"name":"a.png","image":"cGlj"}]}})"),
        testing::AllOf(HasSubstr("{\"$input\": \"photo\"}"), HasSubstr("there is images[\"a.png\"]")));
}

TEST(PayloadFiles, AddressesInFieldsAreFoundAndOneFileServesSeveralNodes) {
    const auto payload = read(
        R"({"1":{"class_type":"LoadImage","inputs":{"image":"https://x/p.png?sig=1","text":"see https://x","n":1}},)"
        R"("2":{"class_type":"LoadImage","inputs":{"image":"https://x/p.png?sig=1","l":["https://x",0]}},)"
        R"("3":{"class_type":"LoadAudio","inputs":{"audio":"data:audio/wav;base64,cGlj","d":"data: none"}}})");
    ASSERT_THAT(payload.fields, SizeIs(2));
    EXPECT_EQ(payload.fields[0].base64, "cGlj");
    EXPECT_EQ(payload.fields[0].filename, "input.wav");
    EXPECT_EQ(payload.fields[1].filename, "p.png");
    EXPECT_THAT(payload.fields[1].places, SizeIs(2));
    EXPECT_THAT(payload.fields[1].what, Not(HasSubstr("sig")));
    EXPECT_THAT(payload.inputs, IsEmpty());
}

TEST(PayloadFiles, ValuesArePutIntoTheirPlacesAndEveryOtherByteStays) {
    const std::string text =
        R"({"1":{"inputs": { "image" : "https:\/\/x/y","x":[{"image":"https://x/y"}],"t":"https://x/y"},"class_type":"L"},"image":{"inputs":{"image":"q"}}})";
    EXPECT_EQ(
        with_values(text, {{{"1", "image"}, "f/\"a\".png"}}),
        R"({"1":{"inputs": { "image" : "f/\"a\".png","x":[{"image":"https://x/y"}],"t":"https://x/y"},"class_type":"L"},"image":{"inputs":{"image":"q"}}})");
    EXPECT_EQ(with_values(text, {{{"9", "image"}, "a"}}), text);
}

TEST(PayloadFiles, WhichInputsTakeUploadsIsWhatComfyUiSays) {
    const Json info = Json::parse(
        R"({"Old":{"input":{"required":{"image":[["a"],{"image_upload":true}],"mode":[["a"],{}]}}},)"
        R"("New":{"input":{"optional":{"file":["COMBO",{"options":["a"],"video_upload":true}]}}},)"
        R"("Out":{"input":{"required":{"image":["COMBO",{"image_upload":true,"image_folder":"output"}]}}},)"
        R"("Off":{"input":{"required":{"image":[["a"],{"image_upload":false}]}}},"Odd":{"input":7}})");
    EXPECT_EQ(upload_mark(info, "Old", "image"), "");
    EXPECT_EQ(upload_mark(info, "New", "file"), "");
    EXPECT_EQ(upload_mark(info, "Out", "image"), " [input]");
    for (const auto& [type, input] :
         {std::pair{"Old", "mode"}, {"Old", "none"}, {"Off", "image"}, {"Odd", "x"}, {"No", "x"}}) {
        EXPECT_FALSE(upload_mark(info, type, input)) << type;
    }
}

TEST(PromptBody, DefaultsYieldToThePayloadAndTheMarkYieldsToNobody) {
    const auto body = [](const std::string& extra) {
        const auto payload = read("{\"prompt\":" + graph + ",\"extra_data\":" + extra + "}");
        return Json::parse(
            prompt_body(payload.graph_text, payload, "c", "p",
                        {Json{{"space", "real"}}, Json{{"preview_method", "auto"}}}))["extra_data"];
    };
    EXPECT_EQ(body("{ }"), Json({{"preview_method", "auto"}, {"emprops", {{"space", "real"}}}}));
    EXPECT_EQ(body(R"({"preview_method":"none","emprops":1})"),
              Json({{"preview_method", "none"}, {"emprops", {{"space", "real"}}}}));
}

}  // namespace
}  // namespace emprops::comfyui::forms
