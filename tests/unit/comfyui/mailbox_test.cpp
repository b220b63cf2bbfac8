// What comes over the socket, and what of it waits for a job: bounded, and of the chattiest message the
// newest.

#include "connectors/comfyui/server/mailbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::comfyui {
namespace {

using testing::SizeIs;

const TimePoint no_wait{};

std::string state(const std::string& prompt, int value) {
    return R"({"type": "progress_state", "data": {"prompt_id": ")" + prompt +
           R"(", "nodes": {"1": {"value": )" + std::to_string(value) +
           R"(, "max": 9, "state": "running", "display_node_id": "1"}}}})";
}

template <class T>
int count(const std::deque<Letter>& letters) {
    int out = 0;
    for (const Letter& letter : letters) {
        out += std::holds_alternative<T>(letter) ? 1 : 0;
    }
    return out;
}

std::string frame(const std::string& head, const std::string& picture) {
    return head + picture;
}

TEST(ProgressState, IsKnownByItsBeginningAndOnlyAsComfyUiWritesIt) {
    EXPECT_EQ(progress_state_prompt(state("p", 1)), "p");
    EXPECT_EQ(progress_state_prompt(R"({"type":"progress_state","data":{"prompt_id":"q","nodes":{}}})"), "q");
    for (const char* other :
         {R"({"type": "progress", "data": {"prompt_id": "p"}})",
          R"({"data": {"prompt_id": "p"}, "type": "progress_state"})",
          R"({"type": "progress_state", "data": {"prompt_id": "a\u0062"}})",
          R"({"type": "progress_state", "data": {"prompt_id": "p)", R"({"type": "progress_state")", ""}) {
        EXPECT_FALSE(progress_state_prompt(other)) << other;
    }
}

TEST(Mailbox, OfTheProgressStatesThatWaitOnlyTheNewestIsThere) {
    Mailboxes boxes;
    const auto box = boxes.make_box();
    boxes.add("p", box);
    for (int i = 0; i < 1000; ++i) {
        boxes.on_text(state("p", i));
        boxes.on_text(state("somebody else's", i));
    }
    auto letters = box->take(no_wait);
    ASSERT_THAT(letters, SizeIs(1));
    EXPECT_EQ(std::get<RawState>(letters[0]).text, state("p", 999));
    EXPECT_EQ(boxes.last_foreign_sign().prompt_id, "somebody else's");
    // The next one is given out only after a while.
    box->state_read(Ms{100}, Clock::now());
    boxes.on_text(state("p", 5));
    EXPECT_THAT(box->take(no_wait), SizeIs(0));
    box->state_read(Ms{0}, Clock::now() - Ms{200});
    EXPECT_THAT(box->take(no_wait), SizeIs(1));
}

TEST(Mailbox, WhatWasSaidBeforeTheSocketEndedStaysBeforeIt) {
    Mailboxes boxes;
    const auto box = boxes.make_box();
    boxes.add("p", box);
    boxes.on_text(state("p", 1));
    boxes.on_state(false, "gone");
    EXPECT_EQ(boxes.why_no_socket(), "gone");
    const auto letters = box->take(no_wait);
    ASSERT_THAT(letters, SizeIs(2));
    EXPECT_TRUE(std::holds_alternative<RawState>(letters[0]));
    EXPECT_TRUE(std::holds_alternative<SocketUp>(letters[1]));
}

TEST(Mailbox, HoldsSoManyLettersAndBytesAndTellsWhatItDropped) {
    MailLimits limits;
    limits.letters = 10;
    Mailboxes boxes(limits);
    const auto box = boxes.make_box();
    boxes.add("p", box);
    for (int i = 0; i < 100; ++i) {
        boxes.on_text(R"({"type":"executing","data":{"node":"1","prompt_id":"p"}})");
    }
    auto letters = box->take(no_wait);
    EXPECT_EQ(count<Event>(letters), 10);
    EXPECT_EQ(count<Missed>(letters), 1);
    boxes.on_state(true);  // is never dropped
    EXPECT_EQ(count<SocketUp>(box->take(no_wait)), 1);
}

TEST(Mailbox, AllBoxesTogetherHoldSoMuchAndWhatIsTakenMakesRoom) {
    MailLimits limits;
    limits.all_bytes = 10'000;
    Mailboxes boxes(limits);
    const auto one = boxes.make_box();
    auto other = boxes.make_box();
    boxes.add("p", one);
    boxes.add("q", other);
    const std::string picture = frame(std::string("\0\0\0\1\0\0\0\2", 8), std::string(4'000, 'x'));
    for (int i = 0; i < 3; ++i) {
        boxes.on_binary(picture);  // goes to both: it names no prompt
    }
    EXPECT_EQ(count<Picture>(one->take(no_wait)) + count<Picture>(other->take(no_wait)), 2);
    boxes.on_binary(picture);
    EXPECT_EQ(count<Picture>(one->take(no_wait)), 1);
    boxes.remove(other);
    other.reset();  // with what it held
    boxes.on_binary(picture);
    boxes.on_binary(picture);
    EXPECT_EQ(count<Picture>(one->take(no_wait)), 2);
}

TEST(Mailbox, ATextFrameWithoutEndIsNotParsed) {
    MailLimits limits;
    limits.frame = 1'000;
    Mailboxes boxes(limits);
    const auto box = boxes.make_box();
    boxes.add("p", box);
    boxes.on_text(R"({"type":"executed","data":{"prompt_id":"p","output":{"text":[")" +
                  std::string(2'000, 'x') + R"("]}}})");
    const auto letters = box->take(no_wait);
    ASSERT_THAT(letters, SizeIs(1));
    EXPECT_TRUE(std::holds_alternative<Missed>(letters[0]));
}

TEST(Preview, IsKnownByItsBytesOrByWhatTheFrameSays) {
    const std::string jpeg("\xFF\xD8\xFF\xE0 jpeg"), png("\x89PNG\r\n\x1a\n png", 12),
        webp("RIFF\1\2\3\4WEBPx");
    const auto type = [](const std::string& bytes) {
        const auto preview = read_preview(bytes);
        return preview ? preview->mime_type : std::string("none");
    };
    EXPECT_EQ(type(frame(std::string("\0\0\0\1\0\0\0\1", 8), "any")), "image/jpeg");
    EXPECT_EQ(type(frame(std::string("\0\0\0\1\0\0\0\2", 8), jpeg)), "image/jpeg");
    EXPECT_EQ(type(frame(std::string("\0\0\0\1\0\0\0\7", 8), webp)), "image/webp");
    EXPECT_EQ(type(frame(std::string("\0\0\0\1", 4), png)), "image/png");  // no word for the format
    EXPECT_EQ(type(frame(std::string("\0\0\0\1\0\0\0\7", 8), "what?")), "none");
    EXPECT_EQ(type(frame(std::string("\0\0\0\3\0\0\0\1", 8), "text")), "none");
    const std::string about = R"({"prompt_id":"p","node_id":"7.0.1","display_node_id":"7"})";
    const std::string whole =
        frame(std::string("\0\0\0\4\0\0\0", 7) + static_cast<char>(about.size()) + about, png);
    const auto preview = read_preview(whole);  // looks into `whole`
    ASSERT_TRUE(preview);
    EXPECT_EQ(preview->node, "7");
    EXPECT_EQ(preview->prompt_id, "p");
    EXPECT_EQ(preview->picture, png);
    EXPECT_EQ(preview->mime_type, "image/png");
}

}  // namespace
}  // namespace emprops::comfyui
