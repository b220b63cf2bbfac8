#include "connectors/comfyui/text/payload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/comfyui/job/progress.h"
#include "connectors/comfyui/text/errors.h"
#include "connectors/comfyui/text/validation.h"
#include "connectors/comfyui/transfer/inputs.h"

namespace emprops::comfyui {
namespace {

using testing::HasSubstr;

const std::string node =
    R"({"1":{"class_type":"X","inputs":{"seed":18446744073709551615},"_meta":{"title":"My node"}}})";

TEST(Payload, TakesTheGraphBareOrWrapped) {
    for (const std::string& text :
         {node, "{\"prompt\":" + node + "}", "{\"workflow\":" + node + ",\"other\":1}"}) {
        const auto payload = read_payload(text);
        ASSERT_TRUE(payload.ok()) << payload.error().message;
        EXPECT_EQ(payload->graph_text, node);
        EXPECT_EQ(payload->nodes.at(0).title, "My node");
    }
}

TEST(Payload, RefusalsNameNodeAndReason) {
    const auto reason = [](const std::string& text) {
        const auto payload = read_payload(text);
        return payload.ok() ? std::string("accepted") : payload.error().code + ": " + payload.error().message;
    };
    EXPECT_THAT(reason(R"({"7":{"class_type":"X"}})"), HasSubstr("node \"7\" (X) has no \"inputs\""));
    EXPECT_THAT(reason(R"({"prompt":{"7":{"inputs":{}}}})"), HasSubstr("node \"7\" has no class_type"));
    EXPECT_THAT(reason(R"({"1":{"class_type":"X","inputs":{"a":[2,0]}}})"), HasSubstr("as text, [\"2\""));
    EXPECT_THAT(reason(R"({"nodes":[],"links":[]})"), HasSubstr("Export (API)"));
    EXPECT_THAT(reason(R"({"hello":1})"), HasSubstr("invalid_payload: the payload has no workflow"));
    EXPECT_THAT(reason("{\"prompt\":" + node + ",\"extra_data\":5}"), HasSubstr("extra_data"));
    EXPECT_THAT(reason(R"({"prompt":{"1":{"class_type":"X","inputs":{"a":{"$input":"pic"}}}}})"),
                HasSubstr("pic"));
}

TEST(Payload, SubstitutionTouchesOnlyThePlaces) {
    const std::string graph =
        R"({"1":{"class_type":"X","inputs":{"a": { "$input" : "p\u0041" },"t":"{\"$input\": \"pA\"}","f":1.10}}})";
    EXPECT_EQ(wanted_inputs(graph), std::vector<std::string>{"pA"});
    EXPECT_EQ(
        *substitute_inputs(graph, {{"pA", "sub/\"x\".png"}}),
        R"({"1":{"class_type":"X","inputs":{"a": "sub/\"x\".png","t":"{\"$input\": \"pA\"}","f":1.10}}})");
    EXPECT_FALSE(substitute_inputs(graph, {}).ok());
}

TEST(Payload, TheMarkCannotBeFakedByTheJobsOwnExtraData) {
    const auto payload =
        read_payload("{\"prompt\":" + node + ",\"extra_data\":{ \"emprops\":{\"space\":\"fake\"} }}");
    const Json body =
        Json::parse(prompt_body(payload->graph_text, *payload, "c", "p", ExtraData{Json{{"space", "real"}}}));
    EXPECT_EQ(body["extra_data"]["emprops"]["space"], "real");
    EXPECT_EQ(body["prompt_id"], "p");
}

TEST(Payload, TheShapeOfAGraphKnowsNoIdsAndNoConstants) {
    const auto shape = [](const char* text) { return graph_shape(read_payload(text)->nodes); };
    EXPECT_EQ(
        shape(R"({"1":{"class_type":"A","inputs":{"x":1}},"2":{"class_type":"B","inputs":{"i":["1",0]}}})"),
        shape(R"({"9":{"class_type":"B","inputs":{"i":["8",0]}},"8":{"class_type":"A","inputs":{"x":2}}})"));
    EXPECT_NE(shape(R"({"1":{"class_type":"A","inputs":{}}})"),
              shape(R"({"1":{"class_type":"B","inputs":{}}})"));
}

TEST(Payload, DestinationsAreTheWorkersButForTheirNodes) {
    const std::string graph = R"({"9":{"class_type":"SaveImage","inputs":{}}})";
    const auto with = [&](const std::string& outputs) {
        return read_payload("{\"prompt\":" + graph + ",\"outputs\":" + outputs + "}");
    };
    EXPECT_TRUE(
        with(R"({"to":[{"put":"x","match":{"node":"9"}},{"store":"s","match":{"node":9}},{"store":"t"}],
                         "convert":{"image":{"format":"webp"}}})")
            .ok());
    const auto wrong = with(R"({"to":[{"put":"x","match":{"node":"77"}}]})");
    ASSERT_FALSE(wrong.ok());
    EXPECT_EQ(wrong.error().code, "invalid_payload");
    EXPECT_THAT(wrong.error().message, HasSubstr("a match of outputs.to names \"77\""));
    // Where the worker does not look, nothing would come of it.
    for (const std::string& hidden : {"{\"input\":{\"prompt\":" + graph + R"(,"outputs":{"to":[]}}})",
                                      "{\"prompt\":" + graph + R"(,"outputs":"{\"convert\":{}}"})"}) {
        const auto refused = read_payload(hidden);
        ASSERT_FALSE(refused.ok()) << hidden;
        EXPECT_THAT(refused.error().message, HasSubstr("is the worker's to read"));
    }
    EXPECT_TRUE(
        read_payload("{\"input\":{\"prompt\":" + graph + R"(,"outputs":{"to":null,"temp":true}}})").ok());
}

TEST(Payload, AnUnknownNodeInOutputsNodesIsAnErrorThatNamesIt) {
    const std::string graph = R"({"9":{"class_type":"SaveImage","inputs":{}}})";
    EXPECT_TRUE(read_payload("{\"prompt\":" + graph + R"(,"outputs":{"nodes":["9"]}})").ok());
    const auto wrong = read_payload("{\"prompt\":" + graph + R"(,"outputs":{"nodes":["9","77"]}})");
    ASSERT_FALSE(wrong.ok());
    EXPECT_EQ(wrong.error().code, "invalid_payload");
    EXPECT_THAT(wrong.error().message, HasSubstr("outputs.nodes names \"77\""));
}

TEST(Graph, AFreshInputGoesIntoTheNamedNodesAndEveryOtherByteStays) {
    EXPECT_EQ(with_fresh_input(R"({"1":{"inputs": { "a" : {"inputs":{}},"s":"\"2\":{"},"class_type":"X"},
 "2":{"class_type":"Y","inputs":{ }},"3":{"inputs":{"x":1.10}}})",
                               {"1", "2"}, "v"),
              R"({"1":{"inputs": {"emprops_fresh":"v", "a" : {"inputs":{}},"s":"\"2\":{"},"class_type":"X"},
 "2":{"class_type":"Y","inputs":{"emprops_fresh":"v" }},"3":{"inputs":{"x":1.10}}})");
}

TEST(Progress, OfALargeGraphIsTheSameHoweverItsEventsCome) {
    std::string text;
    for (int i = 0; i < 300; ++i) {
        text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + R"(":{"class_type":"A","inputs":{}})";
    }
    const auto payload = read_payload("{" + text + "}");
    Progress progress(payload->nodes);
    progress.on_event(Started{});
    progress.on_event(Cached{{"0", "1"}});
    for (int i = 2; i < 151; ++i) {
        const std::string id = std::to_string(i);
        progress.on_event(Executing{id});
        progress.on_event(ProgressState{{{id, id, 1, 1, true}, {id + ".0.1", id, 1, 1, true}}});
    }
    progress.on_event(Executing{"not in the graph"});
    EXPECT_NEAR(progress.percent(), 95 * 149.0 / 298, 1e-9);
}

TEST(Progress, CountsOnlyWhatWillRunAndNamesTheNode) {
    const auto payload = read_payload(
        R"({"1":{"class_type":"A","inputs":{}},"2":{"class_type":"KSampler","inputs":{"m":["1",0]},"_meta":{"title":"Face"}},"3":{"class_type":"Loose","inputs":{}}})");
    Progress progress(payload->nodes);
    progress.on_position(2, 3);
    EXPECT_EQ(progress.message(), "waiting in ComfyUI's queue, 2 ahead");
    progress.expect_outputs({"2"});
    progress.on_event(Started{});
    progress.on_event(Cached{{"1"}});
    progress.on_event(Executing{"2"});
    progress.on_event(ProgressState{{{"2", "2", 5, 20, false}}});
    EXPECT_DOUBLE_EQ(progress.percent(), 95 * 0.25);
    EXPECT_EQ(progress.message(), "Face (KSampler), 5/20");
    progress.on_event(ProgressState{{{"2", "2", 0, 40, false}}});
    EXPECT_DOUBLE_EQ(progress.percent(), 95 * 0.25);  // never backwards
}

TEST(Errors, KnowOutOfMemoryAndStickyFaultsByTheirWords) {
    const auto error = [](const char* type, const char* text) {
        NodeError out;
        out.exception_type = type;
        out.message = text;
        return out;
    };
    EXPECT_TRUE(is_out_of_memory(error("MemoryError", "")));
    EXPECT_TRUE(is_out_of_memory(error("torch.AcceleratorError", "Allocation on device 0 would exceed")));
    EXPECT_FALSE(is_out_of_memory(error("ValueError", "no")));
    EXPECT_TRUE(is_sticky_gpu_fault(error("RuntimeError", "CUDA error: device-side assert triggered")));
    EXPECT_FALSE(is_sticky_gpu_fault(error("RuntimeError", "CUDA error: out of memory")));
    EXPECT_TRUE(is_access(meaning_of(302, "text/html")));
    EXPECT_FALSE(is_access(meaning_of(404, "text/plain")));
}

TEST(Errors, PreflightFindsMissingClassesInputsAndValues) {
    const Json info =
        Json::parse(R"({"A":{"input":{"required":{"sampler":[["euler","heun"],{}],"n":["INT",{}]}}}})");
    const auto check = [&](const char* graph) {
        return preflight(Json::parse(graph), info, read_payload(graph)->nodes);
    };
    EXPECT_FALSE(check(R"({"1":{"class_type":"A","inputs":{"sampler":"euler","n":1}}})"));
    EXPECT_EQ(check(R"({"1":{"class_type":"B","inputs":{}}})")->code, "unsupported");
    EXPECT_THAT(check(R"({"1":{"class_type":"A","inputs":{"sampler":"eulr","n":1}}})")->message,
                HasSubstr("\"euler\""));
    EXPECT_THAT(check(R"({"1":{"class_type":"A","inputs":{"sampler":"euler"}}})")->message,
                HasSubstr("\"n\" is missing"));
}

TEST(Payload, AHalfCharacterIsReadAndSentOnAsItCame) {
    const std::string text =
        R"({"1":{"class_type":"X","inputs":{"text":"\ud83d"},"_meta":{"title":"a\ud83d"}}})";
    for (const std::string& whole : {text, "{\"workflow\":" + text + ",\"inputs\":{},\"extra_data\":{}}"}) {
        const auto payload = read_payload(whole);
        ASSERT_TRUE(payload.ok()) << payload.error().message;
        EXPECT_EQ(payload->graph_text, text);
    }
}

TEST(Payload, SaveNodesGetAFolderOfTheJobsOwnAndModelSaversDoNot) {
    const std::string text =
        R"({"1":{"class_type":"SaveImage","inputs":{"x":["a",{"filename_prefix":"n"}], "filename_prefix" : "p/q"}},)"
        R"("2":{"inputs":{"filename_prefix":"m"},"class_type":"CheckpointSave"},)"
        R"("3":{"class_type":"SaveVideo","inputs":{"filename_prefix":["2",0]}},)"
        R"("4":{"class_type":"SaveAudio","inputs":{"filename_prefix":"/abs"},"filename_prefix":"t"},)"
        R"("5":{"class_type":"SaveImage","inputs":{"filename_prefix":""}},)"
        R"("6":{"class_type":"SaveLoraNode","inputs":{"filename_prefix":"loras/x"}}})";
    const auto payload = read_payload(text);
    ASSERT_TRUE(payload.ok()) << payload.error().message;
    std::string expected = text;
    expected.replace(expected.find("p/q"), 0, "own/");
    EXPECT_EQ(with_output_folder(text, payload->nodes, "own"), expected);
}

TEST(Inputs, RedirectsAreFollowedByTheRules) {
    const std::string from = "http://h:1/a/b?c=d";
    EXPECT_EQ(absolute_location(from, "HTTP://x/y"), "HTTP://x/y");
    EXPECT_EQ(absolute_location(from, "//x/y"), "http://x/y");
    EXPECT_EQ(absolute_location(from, "/y"), "http://h:1/y");
    EXPECT_EQ(absolute_location(from, "y/z"), "http://h:1/a/y/z");
    EXPECT_EQ(absolute_location(from, "?q"), "http://h:1/a/b?q");
    EXPECT_EQ(absolute_location("http://h", "y"), "http://h/y");
    EXPECT_EQ(absolute_location(from, "ftp://x"), "");
    EXPECT_EQ(absolute_location(from, ""), "");
    EXPECT_EQ(
        read_payload(R"({"workflow":)" + node + R"(,"inputs":{"a":"HTTPS://x/y.png"}})")->inputs.at(0).url,
        "HTTPS://x/y.png");
}

TEST(Errors, AFaultOfANodesOwnArrayIsNoFaultOfTheGpu) {
    NodeError error;
    error.exception_type = "RuntimeError";
    error.message = "illegal memory access in my own parser";
    EXPECT_FALSE(is_sticky_gpu_fault(error));
    error.message = "CUDA error: an illegal memory access was encountered";
    EXPECT_TRUE(is_sticky_gpu_fault(error));
    error.exception_type = "torch.AcceleratorError";
    error.message = "device-side assert triggered";
    EXPECT_TRUE(is_sticky_gpu_fault(error));
}

TEST(Errors, PreflightLooksAtWhatOutputsNeedAndSurvivesOddAnswers) {
    const Json info = Json::parse(R"({"Save":{"output_node":true,"input":{"required":{"x":["IMAGE"]}}},
        "Load":{"input":{"required":{"name":[["a"],{}]}}},"Odd":{"input":"?"},"Odd2":null})");
    const auto check = [&](const std::string& graph) {
        const auto payload = read_payload(graph);
        return preflight(Json::parse(graph), info, payload->nodes);
    };
    EXPECT_FALSE(check(
        R"({"1":{"class_type":"Save","inputs":{"x":["2",0]}},"2":{"class_type":"Load","inputs":{"name":"a"}},
        "3":{"class_type":"Load","inputs":{"name":"b"}},"4":{"class_type":"Odd","inputs":{}},"5":{"class_type":"Odd2","inputs":{}}})"));
    EXPECT_TRUE(check(
        R"({"1":{"class_type":"Save","inputs":{"x":["2",0]}},"2":{"class_type":"Load","inputs":{"name":"b"}}})"));
}

TEST(Errors, PreflightLeavesInputsThatTakeUploadsToComfyUi) {
    const Json info = Json::parse(
        R"({"Load3D":{"output_node":true,"input":{"required":{"model_file":[["none"],{"file_upload":true}],"mode":[["a"],{}]}}}})");
    const auto check = [&](const std::string& graph) {
        return preflight(Json::parse(graph), info, read_payload(graph)->nodes);
    };
    EXPECT_FALSE(
        check(R"({"1":{"class_type":"Load3D","inputs":{"model_file":"https://x/a.glb","mode":"a"}}})"));
    EXPECT_TRUE(check(R"({"1":{"class_type":"Load3D","inputs":{"model_file":"a.glb","mode":"b"}}})"));
}

TEST(Errors, ANodesExceptionIsToldOnOneLineByTheNameOfItsClass) {
    NodeError error;
    error.node = "7";
    error.node_type = "RigRaise";
    error.exception_type = "/opt/ComfyUI/custom_nodes/rig.nodes/__init__.RigFailure";
    error.message = "first\r\n  second\n";
    const Failure failure = node_failure(error, {});
    EXPECT_EQ(failure.message, "node \"7\" (RigRaise) failed: RigFailure: first, second");
    EXPECT_EQ(failure.details["exception_type"], error.exception_type);
    EXPECT_EQ(failure.details["exception_message"], "first\r\n  second");
    error.exception_type = "torch.cuda.SomeError";
    EXPECT_THAT(node_failure(error, {}).message, HasSubstr("failed: torch.cuda.SomeError: "));
    error.exception_type = "C:\\ComfyUI\\custom_nodes\\x.Odd";
    EXPECT_THAT(node_failure(error, {}).message, HasSubstr("failed: Odd: "));
    error.message = "\n";
    EXPECT_THAT(node_failure(error, {}).message, HasSubstr("failed: Odd: no message"));
}

}  // namespace
}  // namespace emprops::comfyui
