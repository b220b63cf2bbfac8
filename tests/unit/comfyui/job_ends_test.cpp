// The two ends of a job's run and its ear, each made alone: Sending, Failing, Mail. No ComfyUI is asked.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "connectors/comfyui/job/failing.h"
#include "connectors/comfyui/job/mail.h"
#include "connectors/comfyui/job/sending.h"
#include "connectors/comfyui/run/failures.h"
#include "connectors/comfyui/text/errors.h"
#include "tests/support/silent_context.h"
#include "tests/support/temp_dir.h"

namespace emprops::comfyui {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

const TimePoint no_wait{};

/// The place of a Monitor to which nobody talks: a real one would begin to ask ComfyUI.
union NoMonitor {
    NoMonitor() {}
    ~NoMonitor() {}
    Monitor monitor;
};

/// What the parts of a job have in common, with ComfyUI's folder on this machine.
struct ScopeBench : testing::Test {
    ScopeBench() {
        settings.comfyui_folder = folder.path().string();
        settings.delete_delivered = true;
        for (const char* kind : {"input", "output"})
            std::filesystem::create_directories(folder.path() / kind / "job-1");
        scope.payload.graph_text = R"({"1":{"class_type":"SaveImage","inputs":{}}})";
        scope.payload.nodes = {{"1", "SaveImage", "SaveImage", {}}};
        scope.own_folder = "job-1";
        scope.cancelled = [] { return false; };
    }
    bool is_there(const char* kind) const { return std::filesystem::exists(folder.path() / kind / "job-1"); }

    test::TempDir folder;
    Settings settings;
    PromptNames names{"scope"};
    Mailboxes boxes;
    TimeBook times;
    ObjectInfo object_info;
    DeathBook deaths;
    NoMonitor none;
    std::atomic<bool> keeps_slot = false;
    Shared shared{settings,
                  names,
                  "client",
                  "comfyui",
                  0,
                  folder.path().string(),
                  boxes,
                  times,
                  object_info,
                  deaths,
                  none.monitor,
                  nullptr,
                  {},
                  keeps_slot};
    Job job;
    test::SilentContext context;
    Api api{settings};
    JobScope scope{shared, job, context, {}, {}, api, {}, {}, {}};
};

/// What it throws.
JobFailure failure_of_call(const std::function<void()>& call) {
    try {
        call();
    } catch (const JobFailure& failure) {
        return failure;
    }
    ADD_FAILURE() << "it did not fail";
    return JobFailure("", "");
}

// ---- Failing

struct FailingTest : ScopeBench {
    Failing failing{scope};
    Outcome outcome;
};

TEST_F(FailingTest, ACancelSaysWhetherThePromptIsStillThere) {
    outcome.kind = Outcome::Kind::cancelled;
    EXPECT_EQ(failing.failure_of_run(outcome).message, "cancelled; the prompt was taken out of ComfyUI");
    outcome.abandoned = true;
    EXPECT_THAT(failing.failure_of_run(outcome).message, HasSubstr("has not let go of the prompt yet"));
    EXPECT_EQ(failing.failure_of_run(outcome).code, "cancelled");
}

TEST_F(FailingTest, ARefusedAccessNamesTheServer) {
    settings.server.host = "gpu-7";
    outcome.failure = denied_failure(
        {401, barrier_text({Meaning::denied, status_text(401), settings.server.text(), "/prompt", ""})});
    const Failure failure = failing.failure_of_run(outcome);
    EXPECT_THAT(failure.message, HasSubstr("gpu-7"));
    outcome.failure = {"service_unavailable", "it went away", true, Json::object()};
    EXPECT_EQ(failing.failure_of_run(outcome).message, "it went away");
}

TEST_F(FailingTest, WhatOtherNodesPutOutIsNamedAndStays) {
    outcome.kind = Outcome::Kind::failed;
    outcome.failure = {"x", "node 2 failed", true, Json::object()};
    outcome.prompt_id = "p0";
    outcome.note("submitted twice");
    outcome.outputs =
        Json::parse(R"({"1":{"images":[{"filename":"a.png","subfolder":"job-1","type":"output"}]}})");
    scope.payload.inputs.emplace_back();
    const JobFailure failure = failure_of_call([&] { failing.fail(outcome); });
    EXPECT_THAT(failure.what(),
                HasSubstr("node 2 failed; what other nodes put out lies in ComfyUI's folders (1 file"));
    EXPECT_EQ(failure.details()["prompt_id"], "p0");
    EXPECT_EQ(failure.details()["notes"], Json({"submitted twice"}));
    EXPECT_EQ(failure.details()["files"][0]["filename"], "a.png");
    EXPECT_TRUE(is_there("output"));
    EXPECT_FALSE(is_there("input")) << "nothing reads it any more";
}

TEST_F(FailingTest, NothingIsLeftOfAPromptThatPutNothingOut) {
    outcome.failure = {"x", "it failed", true, Json::object()};
    scope.payload.inputs.emplace_back();
    EXPECT_STREQ(failure_of_call([&] { failing.fail(outcome); }).what(), "it failed");
    EXPECT_FALSE(is_there("output"));
    EXPECT_FALSE(is_there("input"));
}

TEST_F(FailingTest, WhatAnAbandonedPromptMayStillReadStays) {
    outcome.failure = {"x", "it failed", true, Json::object()};
    outcome.abandoned = true;
    scope.payload.inputs.emplace_back();
    failure_of_call([&] { failing.fail(outcome); });
    EXPECT_TRUE(is_there("output"));
    EXPECT_TRUE(is_there("input"));
}

// ---- Sending

struct SendingTest : ScopeBench {
    std::vector<std::string> said;
    Report report{scope.payload.nodes, settings.previews, times,
                  [this](double, const std::string& text, const Json&) { said.push_back(text); }};
    OwnMark mark;
    Sending sending{scope, mark, report};
};

TEST_F(SendingTest, InputsAreBroughtOnceUnlessTheyAreAskedForAgain) {
    scope.payload.graph_text = R"({"1":{"inputs":{"image":{"$input":"face"}}}})";
    EXPECT_EQ(failure_of_call([&] { sending.provide(); }).code(), "invalid_payload");
    sending.provide();
    sending.provide_again();
    EXPECT_EQ(failure_of_call([&] { sending.provide(); }).code(), "invalid_payload");
    EXPECT_TRUE(said.empty()) << "there is no file to upload";
}

TEST_F(SendingTest, AnInputThatCannotBeReadFailsTheJobAndLeavesNoFolder) {
    InputFile file;
    file.key = file.filename = "face";
    file.base64 = "not base64!";
    scope.payload.inputs = {file};
    failure_of_call([&] { sending.provide(); });
    EXPECT_THAT(said, testing::ElementsAre("uploading input files"));
    EXPECT_FALSE(is_there("input"));
}

// ---- Mail

struct MailTest : testing::Test {
    std::vector<Node> nodes{{"1", "KSampler", "KSampler", {}},
                            {"2", "SaveImageWebsocket", "SaveImageWebsocket", {"1"}}};
    comfyui::Run run{{}, nodes, [](int number) { return "p" + std::to_string(number); }, no_wait};
    SocketPictures pictures{nodes, {"SaveImageWebsocket"}, 1000};
    PreviewSettings previews{true, Ms{0}, 1000};
    TimeBook times;
    std::vector<Json> said;
    Report report{nodes, previews, times,
                  [this](double, const std::string&, const Json& details) { said.push_back(details); }};
    Mailbox box;
    Mail mail{box, run, pictures, report};

    void say(const std::string& prompt_id, EventBody body) { read(Event{prompt_id, std::move(body), 0}); }
    void show(const std::string& prompt_id, const std::string& node) {
        read(Picture{prompt_id, node, "image/png", "bytes"});
    }
    void read(Letter letter) {
        box.put(std::move(letter));
        mail.read(no_wait);
    }
    /// How many previews people have seen.
    int shown() {
        report.tell(run.prompt_id(), TimePoint{} + Ms{1});
        return static_cast<int>(std::count_if(said.begin(), said.end(),
                                              [](const Json& each) { return each.contains("preview"); }));
    }
};

TEST_F(MailTest, OnlyEventsOfThisPromptAreHeard) {
    ASSERT_EQ(run.prompt_id(), "p0");
    say("somebody else's", Started{});
    EXPECT_FALSE(mail.heard());
    say("p0", Started{});
    EXPECT_TRUE(mail.heard());
    mail.restart();
    EXPECT_FALSE(mail.heard()) << "the next submission has said nothing yet";
}

TEST_F(MailTest, AStateThatWaitsUnparsedIsAnEventToo) {
    read(RawState{"p0", R"({"type":"progress_state","data":{"prompt_id":"p0","nodes":{}}})"});
    EXPECT_TRUE(mail.heard());
    mail.restart();
    read(RawState{"p0", "no JSON"});
    EXPECT_FALSE(mail.heard());
}

TEST_F(MailTest, APictureWithoutAnIdIsOursWhileOneOfOurNodesRuns) {
    show("", "");
    EXPECT_EQ(shown(), 0);
    say("p0", Executing{"1"});
    show("", "");
    EXPECT_EQ(shown(), 1);
    say("p0", Ended{});
    show("", "");
    EXPECT_EQ(shown(), 1);
    show("another prompt", "1");
    EXPECT_EQ(shown(), 1);
    show("p0", "1");
    EXPECT_EQ(shown(), 2);
}

TEST_F(MailTest, APictureThatIsAnOutputIsKeptInsteadOfShown) {
    say("p0", Executing{"2"});
    show("p0", "2");
    EXPECT_EQ(shown(), 0);
    EXPECT_THAT(pictures.take(Json::object()), SizeIs(1));
}

TEST(RegistrationTest, AJobIsKnownAndItsBoxGetsItsMailWhileItLives) {
    Mailboxes boxes;
    {
        const Registration registration(boxes, "j1");
        EXPECT_TRUE(boxes.has_job("j1"));
        registration.add_prompt("p0");
        EXPECT_TRUE(boxes.waits_for("p0"));
        boxes.on_text(R"({"type":"execution_start","data":{"prompt_id":"p0"}})");
        EXPECT_THAT(registration.box()->take(no_wait), SizeIs(testing::Ge(1u)));
    }
    EXPECT_FALSE(boxes.has_job("j1"));
    EXPECT_TRUE(boxes.empty());
}

}  // namespace
}  // namespace emprops::comfyui
