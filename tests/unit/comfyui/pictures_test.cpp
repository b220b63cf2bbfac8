// Pictures that travel over the WebSocket only: what is counted against what, and when it is not enough.

#include "connectors/comfyui/job/pictures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::comfyui {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::vector<Node> four_nodes{{"1", "EmptyImage", "EmptyImage", {}},
                                   {"2", "SaveImageWebsocket", "SaveImageWebsocket", {"1"}},
                                   {"3", "ETN_SendImageWebSocket", "ETN", {"1"}},
                                   {"4", "KSampler", "KSampler", {"1"}}};
const Json nothing = Json::object();

Json announced(const char* node, int count) {
    Json list = Json::array();
    for (int i = 0; i < count; ++i) {
        list.push_back({{"source", "websocket"}, {"content-type", "image/jpeg"}, {"type", "output"}});
    }
    return {{node, {{"images", list}}}};
}

struct Talk : SocketPictures {
    explicit Talk(std::size_t most = 1000) : SocketPictures(four_nodes, {"SaveImageWebsocket"}, most) {
        on_event(Started{});
    }
    /// The node sends `count` of `max` pictures, each with a step of its progress bar.
    void runs(const std::string& node, int count, int max) {
        on_event(Executing{node});
        for (int i = 0; i < count; ++i) {
            on_event(NodeProgress{node, static_cast<double>(i), static_cast<double>(max)});
            on_picture(node, "image/png", "p" + std::to_string(i));
        }
    }
    void ends() {
        on_event(Succeeded{});
        on_event(Ended{});
    }
    std::vector<std::string> taken(const Json& outputs = nothing) {
        std::vector<std::string> out;
        for (const auto& each : take(outputs)) {
            out.push_back(each.node + ":" + each.bytes);
        }
        return out;
    }
};

TEST(SocketPictures, OfAKnownNodeAreCountedAgainstItsOwnProgress) {
    Talk all;
    all.runs("2", 3, 3);
    EXPECT_FALSE(all.over());
    all.ends();
    EXPECT_TRUE(all.over());
    EXPECT_THAT(all.missing(nothing, {"2"}, {}), IsEmpty());
    EXPECT_THAT(all.taken(), ElementsAre("2:p0", "2:p1", "2:p2"));
    Talk some;
    some.runs("2", 2, 3);
    some.ends();
    const auto missing = some.missing(nothing, {"2"}, {});
    ASSERT_THAT(missing, SizeIs(1));
    EXPECT_EQ(missing_text(missing), "2 of 3 pictures of node 2 (SaveImageWebsocket)");
}

TEST(SocketPictures, OfAListOfInputsAreCountedForEachOfItsRuns) {
    Talk talk;
    talk.runs("2", 2, 2);
    talk.on_event(NodeProgress{"2", 0, 2});
    talk.on_picture("2", "image/png", "p2");
    talk.on_event(NodeProgress{"2", 1, 2});
    talk.ends();
    const auto missing = talk.missing(nothing, {}, {});
    ASSERT_THAT(missing, SizeIs(1));
    EXPECT_EQ(missing[0].expected, 4);
    EXPECT_EQ(missing[0].arrived, 3);
}

TEST(SocketPictures, ASocketThatWasAwayWhileTheNodeRanLeavesDoubtHoweverManyCame) {
    Talk talk;
    talk.runs("2", 3, 3);
    talk.on_socket(false);
    talk.on_socket(true);
    talk.ends();
    ASSERT_THAT(talk.missing(nothing, {"2"}, {}), SizeIs(1));
    Talk later;
    later.runs("2", 3, 3);
    later.on_event(ProgressState{{{"2", "2", 3, 3, true}}});
    later.on_socket(false);  // when the node was done
    later.ends();
    EXPECT_THAT(later.missing(nothing, {"2"}, {}), IsEmpty());
    Talk resumed;  // another process heard its beginning
    resumed.restart();
    resumed.ends();
    ASSERT_THAT(resumed.missing(nothing, {"2"}, {}), SizeIs(1));
    EXPECT_FALSE(resumed.missing(nothing, {"2"}, {})[0].expected);
    EXPECT_THAT(resumed.missing(nothing, {"9"}, {}), IsEmpty());  // it is not among those that ran
    Talk dropped;
    dropped.on_event(Executing{"2"});
    dropped.on_missed();
    dropped.ends();
    EXPECT_THAT(dropped.missing(nothing, {"2"}, {}), SizeIs(1));
}

TEST(SocketPictures, ANodeThatHadNoPartInTheRunOwesNothingUnlessTheCacheAnsweredForIt) {
    Talk talk;
    talk.ends();
    EXPECT_THAT(talk.missing(nothing, {"2"}, {}), IsEmpty());
    EXPECT_THAT(talk.missing(nothing, {"2"}, {"2"}), SizeIs(1));
    Talk blocked;  // begun, and its branch was blocked
    blocked.on_event(Executing{"2"});
    blocked.ends();
    EXPECT_THAT(blocked.missing(nothing, {"2"}, {}), IsEmpty());
}

TEST(SocketPictures, OfOtherNodesAreFoundByTheirAnnouncementInAnyFormat) {
    Talk talk;
    talk.on_event(Executing{"4"});
    EXPECT_FALSE(talk.on_picture("", "image/jpeg", "preview"));  // of the sampler
    talk.on_event(Executing{"3"});
    talk.on_picture("", "image/jpeg", "a");  // frames without a name are of the node that runs
    talk.on_picture("", "image/webp", "b");
    talk.on_event(Executed{"3", announced("3", 2)["3"]});
    talk.ends();
    const Json outputs = announced("3", 2);
    EXPECT_THAT(talk.missing(outputs, {"3"}, {}), IsEmpty());
    EXPECT_THAT(talk.taken(outputs), ElementsAre("3:a", "3:b"));
    EXPECT_THAT(talk.taken(outputs), IsEmpty());
}

TEST(SocketPictures, AnAnnouncementWithoutPicturesIsNoSuccess) {
    Talk talk;
    talk.on_event(Executing{"3"});
    talk.on_event(Executed{"3", announced("3", 1)["3"]});
    talk.ends();
    const auto missing = talk.missing(announced("3", 1), {"3"}, {});
    ASSERT_THAT(missing, SizeIs(1));
    EXPECT_EQ(missing_text(missing), "0 of 1 pictures of node 3 (ETN_SendImageWebSocket)");
    Talk cached;  // the announcement out of the cache: nothing was sent
    cached.on_event(Executed{"3", announced("3", 1)["3"]});
    cached.ends();
    EXPECT_THAT(cached.missing(announced("3", 1), {"3"}, {"3"}), SizeIs(1));
}

TEST(SocketPictures, WhereMoreCameThanWereAnnouncedTheFirstOnesWerePreviews) {
    Talk talk;
    talk.on_event(Executing{"3"});
    for (const char* bytes : {"preview", "a", "b"}) {
        talk.on_picture("3", "image/png", bytes);
    }
    talk.on_event(Executed{"3", announced("3", 2)["3"]});
    talk.ends();
    EXPECT_THAT(talk.taken(announced("3", 2)), ElementsAre("3:a", "3:b"));
}

TEST(SocketPictures, NodesOfAnExpansionCountForTheNodeThatWasSent) {
    Talk talk;
    talk.on_event(Executing{"3"});
    talk.on_picture("3.0.0.2", "image/png", "a");
    talk.ends();
    EXPECT_EQ(announced_pictures(announced("3.0.0.2", 1), four_nodes),
              (std::map<std::string, int>{{"3", 1}}));
    EXPECT_THAT(talk.missing(announced("3.0.0.2", 1), {}, {}), IsEmpty());
    EXPECT_THAT(talk.taken(announced("3.0.0.2", 1)), ElementsAre("3:a"));
}

TEST(SocketPictures, PreviewsMakeRoomForOutputsAndOutputsThatFindNoneAreCounted) {
    Talk talk(10);
    talk.on_event(Executing{"4"});
    talk.on_picture("4", "image/png", "previews");
    talk.on_event(Executing{"2"});
    talk.on_picture("2", "image/png", "12345678");
    EXPECT_EQ(talk.dropped(), 0);
    talk.on_picture("2", "image/png", "123");
    EXPECT_EQ(talk.dropped(), 1);
    EXPECT_THAT(talk.taken(), ElementsAre("2:12345678"));
}

}  // namespace
}  // namespace emprops::comfyui
