// The small parts of a run, each made alone: no Run here.

#include "tests/unit/comfyui/run_parts.h"
#include "connectors/comfyui/run/entry.h"
#include "connectors/comfyui/run/hearing.h"
#include "connectors/comfyui/run/look.h"
#include "connectors/comfyui/run/patience.h"
#include "connectors/comfyui/run/scan.h"
#include "connectors/comfyui/run/submission.h"
#include "connectors/comfyui/run/withdrawal.h"

namespace emprops::comfyui {
namespace {

using namespace parts;
using testing::ElementsAre;
using testing::HasSubstr;

// ---- Look

TEST(Look, AsksHistoryQueueAndTheHistoryAgainBeforeAPromptIsAbsent) {
    Look look;
    look.begin(at(10));
    EXPECT_EQ(word(look.next("p0", at(9))), "wait");
    EXPECT_FALSE(look.has_begun());
    EXPECT_EQ(word(look.next("p0", at(10))), "history p0");
    EXPECT_FALSE(look.on_history(NoEntry{}));
    EXPECT_TRUE(look.has_begun());
    EXPECT_EQ(word(look.next("p0", at(10))), "queue");
    EXPECT_FALSE(look.on_queue({}, "p0"));
    EXPECT_EQ(word(look.next("p0", at(10))), "history p0");
    EXPECT_EQ(look.on_history(NoEntry{})->where, Where::absent);
    EXPECT_FALSE(look.has_begun());
}

TEST(Look, IsOverWhereThePromptIsFound) {
    Look look;
    EXPECT_EQ(look.on_history(Entry{{{"a", 1}}, 2, 3})->entry.not_finite, 2);
    EXPECT_FALSE(look.on_history(NoEntry{}));
    EXPECT_EQ(look.on_queue(running("p0"), "p0")->where, Where::running);
    EXPECT_FALSE(look.on_history(NoEntry{}));
    EXPECT_EQ(look.on_queue({{}, {{"p0", 0, {}, {}}}}, "p0")->where, Where::pending);
    EXPECT_FALSE(look.on_history(NoEntry{}));
    EXPECT_FALSE(look.on_queue(running("other"), "p0"));
    EXPECT_EQ(look.on_history(Entry{})->where, Where::finished);
}

TEST(Look, AHistoryThatIsAnErrorThreeTimesWhileTheQueueAnswersIsTheEnd) {
    Look look;
    look.begin(at(0));
    const auto whole = [&](const Queue& queue) {
        look.on_history(Unreadable{"HTTP 500"});
        if (const auto found = look.on_queue(queue, "p0")) return *found;
        return *look.on_history(Unreadable{"HTTP 500"});
    };
    EXPECT_EQ(whole({}).where, Where::unclear);
    EXPECT_EQ(whole(running("p0")).where, Where::running);
    EXPECT_EQ(whole({}).where, Where::unclear);
    const Found end = whole({});
    EXPECT_EQ(end.where, Where::finished);
    EXPECT_EQ(end.entry.unreadable, "HTTP 500");
    EXPECT_FALSE(is_success(end.entry.entry));
}

TEST(Look, AnErrorOfTheHistoryThatPassesIsNoEnd) {
    Look look;
    look.begin(at(0));
    for (int i = 0; i < 2; ++i) {
        look.on_history(Unreadable{"HTTP 500"});
        look.on_queue({}, "p0");
        EXPECT_EQ(look.on_history(Unreadable{"HTTP 500"})->where, Where::unclear);
    }
    EXPECT_EQ(look.on_history(entry(Json::object()))->where, Where::finished);
    look.on_history(Unreadable{"HTTP 500"});
    look.on_queue({}, "p0");
    EXPECT_EQ(look.on_history(Unreadable{"HTTP 500"})->where, Where::unclear)
        << "they were not one after the other";
}

TEST(Look, CanBeHastenedAndAsksTheNewestOfTheHistoryOnRequest) {
    Look look;
    look.begin(at(100));
    look.come_by(at(50));
    look.come_by(at(70));
    EXPECT_EQ(word(look.next("p0", at(49))), "wait");
    EXPECT_EQ(word(look.next("p0", at(50))), "history p0");
    look.ask_recent();
    EXPECT_EQ(word(look.next("p0", at(50))), "recent");
    EXPECT_TRUE(look.has_begun());
}

TEST(Look, TheHighestSubmissionByMarkIsTheOneUnlessAnotherIsAskedFor) {
    const auto marked = [](int number) {
        return Json{
            {"prompt", Json::array({0, "x", Json::object(), {{"emprops", mark_json(own(), number)}}})}};
    };
    const Json entries = {
        {"a", marked(1)}, {"b", marked(3)}, {"c", marked(highest_submission + 1)}, {"d", 7}};
    EXPECT_EQ(find_recent(entries, own(), {})->prompt_id, "b");
    EXPECT_EQ(find_recent(entries, own(), 1)->prompt_id, "a");
    EXPECT_FALSE(find_recent(entries, own(), 2));
}

// ---- Scan

TEST(Scan, AsksQueueThenEachSubmissionDownwardsThenTheNewestOfTheHistory) {
    Scan scan(own(), name, at(0));
    EXPECT_EQ(word(scan.next(at(0))), "queue");
    EXPECT_FALSE(scan.on_queue(running("other")));
    for (int i = highest_submission; i >= 0; --i) {
        EXPECT_EQ(word(scan.next(at(0))), "history " + name(i));
        EXPECT_FALSE(scan.on_history(NoEntry{}));
    }
    EXPECT_EQ(word(scan.next(at(0))), "recent");
    EXPECT_FALSE(std::get<Scan::Nothing>(*scan.on_recent(Json::object())).failed);
}

TEST(Scan, TakesWhatRunsByIdOrByMarkAndTheHighestOfSeveral) {
    Scan scan(own(), name, at(0));
    EXPECT_EQ(std::get<OwnPrompt>(*scan.on_queue(running("p2"))).submission, 2);
    const Queue two{{{"x", 0, {}, mark_json(own(), 1)}}, {{"y", 1, {}, mark_json(own(), 4)}}};
    const auto found = std::get<OwnPrompt>(*scan.on_queue(two));
    EXPECT_EQ(found.prompt_id, "y");
    EXPECT_EQ(found.where, Where::pending);
}

TEST(Scan, TakesASuccessAndNamesAFailure) {
    Scan scan(own(), name, at(0));
    scan.on_queue({});
    EXPECT_EQ(std::get<OwnPrompt>(*scan.on_history(entry(Json::object()))).prompt_id,
              name(highest_submission));
    Scan other(own(), name, at(0));
    other.on_queue({});
    other.on_history(NoEntry{});
    EXPECT_EQ(std::get<Scan::Nothing>(*other.on_history(error_entry("X"))).failed, highest_submission - 1);
}

TEST(Scan, ACancelHastensItAndLimitsIt) {
    Scan scan(own(), name, at(0));
    scan.postpone(at(5'000));
    EXPECT_FALSE(scan.is_cancelled());
    EXPECT_FALSE(scan.gave_up(at(1'000'000)));
    scan.cancel(at(800), at(100));
    EXPECT_EQ(word(scan.next(at(100))), "queue");
    EXPECT_FALSE(scan.gave_up(at(799)));
    EXPECT_TRUE(scan.gave_up(at(800)));
    EXPECT_EQ(scan.possible_ids().size(), static_cast<std::size_t>(highest_submission + 1));
}

// ---- Hearing

TEST(Hearing, OnlyTimeInWhichSomebodyListenedIsSilence) {
    Hearing hearing(at(0));
    EXPECT_FALSE(hearing.up());
    EXPECT_TRUE(hearing.on_socket(true, at(1'000)));
    EXPECT_FALSE(hearing.on_socket(true, at(1'000)));
    hearing.sign(at(2'000));
    EXPECT_EQ(hearing.silence(at(5'000)), Ms{3'000});
    hearing.on_socket(false, at(5'000));
    EXPECT_EQ(hearing.silence(at(9'000)), Ms{3'000});
    hearing.on_socket(true, at(9'000));
    EXPECT_EQ(hearing.silence(at(10'000)), Ms{4'000});
    hearing.sign(at(10'000));
    EXPECT_EQ(hearing.silence(at(10'000)), Ms{0});
}

TEST(Hearing, ASocketIsDeafAfterAMinuteThenTwoUntilAnEventComes) {
    Hearing hearing(at(0));
    EXPECT_FALSE(hearing.is_deaf(at(600'000)));  // it is not up
    hearing.on_socket(true, at(0));
    EXPECT_FALSE(hearing.is_deaf(at(60'000)));
    EXPECT_TRUE(hearing.is_deaf(at(60'001)));
    EXPECT_FALSE(hearing.is_deaf(at(180'000)));
    EXPECT_TRUE(hearing.is_deaf(at(180'002)));
    hearing.event(at(180'002));
    EXPECT_TRUE(hearing.is_deaf(at(240'003)));
}

// ---- Place

TEST(Place, KnowsWhereThePromptStandsAndWhoIsBeforeIt) {
    Place place;
    EXPECT_EQ(place.position(), -1);
    place.entered(at(0));
    const Queue behind{{{"other", 0, {}, {}}}, {{"x", 1, {}, {}}, {"p0", 2, {"9"}, {}}}};
    place.on_queue(behind, "p0", own(), at(10));
    EXPECT_EQ(place.position(), 2);
    EXPECT_EQ(place.queue_length(), 3);
    EXPECT_THAT(place.outputs(), ElementsAre("9"));
    EXPECT_EQ(place.head()->prompt_id, "other");
    place.on_queue(behind, "p0", own(), at(20));
    EXPECT_EQ(place.head()->since, at(10));
    EXPECT_EQ(place.waiting_since(), at(0));
    place.on_queue(running("p0"), "p0", own(), at(30));
    EXPECT_EQ(place.position(), 0);
    EXPECT_FALSE(place.head());
    EXPECT_FALSE(place.waiting_since());
    EXPECT_TRUE(place.was_alone());
}

TEST(Place, IsIdleWhileNothingRunsAndNotBehindOurOwn) {
    Place place;
    place.on_queue({{}, {{"p0", 0, {}, {}}}}, "p0", own(), at(10));
    EXPECT_EQ(place.position(), 1);
    EXPECT_EQ(place.idle_since(), at(10));
    Queue ours{{{"other", 0, {}, {{"space", "s"}}}}, {{"p0", 0, {}, {}}}};
    place.on_queue(ours, "p0", own(), at(20));
    EXPECT_FALSE(place.idle_since());
    EXPECT_FALSE(place.head());
}

TEST(Place, RemembersTheOthersBeforeComfyuiWasGone) {
    Place place;
    place.on_queue({{{"other", 0, {}, {}}}, {{"p0", 1, {}, {}}}}, "p0", own(), at(0));
    place.on_gone();
    place.on_queue({}, "p0", own(), at(10));
    EXPECT_TRUE(place.was_gone());
    EXPECT_FALSE(place.was_alone());
}

TEST(Place, EventsOfAPromptThatAnotherInstanceSentGoElsewhere) {
    Place place;
    place.on_queue(running("p0", {{"instance", 1}}), "p0", own(), at(0));
    EXPECT_FALSE(place.directed());
    place.on_queue(running("p0", {{"instance", 0}}), "p0", own(), at(0));
    EXPECT_TRUE(place.directed());
}

// ---- Told

TEST(Told, TheTimeOfNodesThatLoadModelsIsAddedUp) {
    Told told;
    told.on_event({"p0", Executing{"1"}}, graph(), at(0));
    EXPECT_EQ(told.started_at(), at(0));
    told.on_event({"p0", Executing{"2"}}, graph(), at(700));
    told.on_event({"p0", Executing{"1"}}, graph(), at(800));
    told.on_event({"p0", Executing{"2"}}, graph(), at(900));
    EXPECT_EQ(told.load_time(), Ms{800});
    EXPECT_TRUE(told.executing_seen());
}

TEST(Told, OutputsOfOneNodeAreJoinedAndWholeOnlyAfterASuccess) {
    Told told;
    EXPECT_TRUE(told.outputs().is_null());
    EXPECT_FALSE(told.on_event({"p0", Executed{"2", {{"images", {1}}}}}, graph(), at(0)));
    EXPECT_FALSE(told.on_event({"p0", Executed{"2", {{"images", {2}}}}}, graph(), at(0)));
    EXPECT_EQ(told.outputs(), Json::parse(R"({"2":{"images":[1,2]}})"));
    EXPECT_FALSE(told.is_whole());
    EXPECT_TRUE(told.on_event({"p0", Succeeded{}}, graph(), at(0)));
    EXPECT_TRUE(told.is_whole());
    told.on_event({"p0", Executed{"2", {{"images", {3}}}}, std::size_t{33} << 20}, graph(), at(0));
    EXPECT_FALSE(told.is_whole());
}

TEST(Told, ABlockedBranchIsNoError) {
    Told told;
    NodeError error;
    error.blocked = true;
    EXPECT_FALSE(told.on_event({"p0", error}, graph(), at(0)));
    EXPECT_FALSE(told.error());
    error.blocked = false;
    EXPECT_TRUE(told.on_event({"p0", error}, graph(), at(0)));
    EXPECT_TRUE(told.error());
}

TEST(Settling, LooksComeFurtherAndFurtherApartAndAMinuteIsAll) {
    Settling settling;
    EXPECT_FALSE(settling.on(at(0)));
    settling.begin(Ms{0}, at(0));
    EXPECT_EQ(settling.next_delay(Ms{300}), Ms{0});
    EXPECT_EQ(settling.next_delay(Ms{300}), Ms{100});
    EXPECT_EQ(settling.next_delay(Ms{300}), Ms{200});
    EXPECT_EQ(settling.next_delay(Ms{300}), Ms{300});
    EXPECT_EQ(settling.next_delay(Ms{300}), Ms{300});
    settling.begin(Ms{0}, at(30'000));  // said again
    EXPECT_TRUE(settling.on(at(59'999)));
    EXPECT_FALSE(settling.on(at(60'000)));
}

// ---- Graph

TEST(Graph, KnowsWhatAnOutputNeedsAndWhichBranchesEnd) {
    const Graph two({{"1", "Loader", "", {}},
                     {"2", "SaveImage", "", {"1"}},
                     {"3", "Save", "", {"4"}},
                     {"4", "X", "", {}}});
    EXPECT_TRUE(two.loads_models("1"));
    EXPECT_FALSE(two.loads_models("2"));
    EXPECT_TRUE(two.all_cached({"1", "2"}, {"2"}));
    EXPECT_FALSE(two.all_cached({"1", "2"}, {"2", "3"}));
    EXPECT_FALSE(two.all_cached({"1", "2"}, {}));
    EXPECT_FALSE(two.all_cached({}, {}));
    EXPECT_THAT(two.ends_besides({"2"}), ElementsAre("3"));
}

// ---- Submission

TEST(Submission, APromptUnderAnotherIdIsFoundByItsMark) {
    Submission submission(1, "p1");
    submission.on_queue(running("server-id", mark_json(own(), 1)), own(), false, at(0));
    EXPECT_EQ(submission.prompt_id, "server-id");
    EXPECT_TRUE(submission.begun());
}

TEST(Submission, ALaterOneIsTakenOnlyIfThatIsWanted) {
    Submission submission(1, "p1");
    submission.on_queue(running("x", mark_json(own(), 2)), own(), false, at(0));
    EXPECT_EQ(submission.number, 1);
    EXPECT_FALSE(submission.begun());
    submission.on_queue(running("x", mark_json(own(), 0)), own(), true, at(0));
    EXPECT_EQ(submission.number, 1);
    submission.on_queue(running("x", mark_json(own(), 2)), own(), true, at(0));
    EXPECT_EQ(submission.number, 2);
}

// ---- Patience

TEST(Patience, EveryWaitHasItsLimit) {
    Limits limits;
    const Patience patience(limits);
    using Verdict = Patience::Verdict;
    const struct {
        std::optional<TimePoint> Waits::*wait;
        Ms limit;
        Verdict verdict;
        const char* error_class;
    } cases[] = {{&Waits::unreachable, limits.unreachable, Verdict::unreachable, "unreachable"},
                 {&Waits::idle, limits.start, Verdict::silent_worker, "silent_worker"},
                 {&Waits::queued, limits.queue_wait, Verdict::queued, "queue_timeout"},
                 {&Waits::behind, limits.no_progress, Verdict::blocked, "blocked"},
                 {&Waits::silent, limits.no_progress, Verdict::no_progress, "no_progress"}};
    const Place::Head head{"other", {}, at(0)};
    for (const auto& each : cases) {
        Waits waits;
        waits.began = at(0);
        waits.*each.wait = at(0);
        EXPECT_FALSE(patience.verdict(waits, start + each.limit - Ms{1}));
        EXPECT_EQ(patience.verdict(waits, start + each.limit), each.verdict);
        EXPECT_EQ(patience.failure(each.verdict, "", head).details["class"], each.error_class);
    }
}

TEST(Patience, AllOfItIsLimitedToo) {
    Limits limits;
    const Patience patience(limits);
    Waits waits;
    waits.began = at(0);
    EXPECT_FALSE(patience.verdict(waits, start + limits.total - Ms{1}));
    EXPECT_EQ(patience.verdict(waits, start + limits.total), Patience::Verdict::not_sent);
    waits.sent = true;
    EXPECT_EQ(patience.verdict(waits, start + limits.total), Patience::Verdict::took_too_long);
    waits.unreachable = at(0);  // says more than that it took too long
    EXPECT_EQ(patience.verdict(waits, start + limits.total), Patience::Verdict::unreachable);
    EXPECT_THAT(patience.failure(Patience::Verdict::unreachable, "no route", {}).message,
                HasSubstr("(no route)"));
}

// ---- Withdrawal

TEST(Withdrawal, WhereTheServerCanDoItInOneStepNothingElseIsAsked) {
    Withdrawal withdrawal({}, at(8'000), at(0));
    EXPECT_EQ(word(*withdrawal.next("p0")), "cancel p0");
    EXPECT_EQ(withdrawal.on_cancelled(CancelAnswer::none, at(10)), at(10) + Withdrawal::look_pause);
    EXPECT_FALSE(withdrawal.next("p0"));  // a look
    EXPECT_FALSE(withdrawal.on_found(Where::running, at(20)));
    EXPECT_EQ(word(*withdrawal.next("p0")), "cancel p0") << "the one before may not have arrived";
    EXPECT_EQ(withdrawal.on_cancelled(CancelAnswer::done, at(30)), at(30) + Withdrawal::look_pause);
    EXPECT_FALSE(withdrawal.on_found(Where::running, at(2'029)));
    EXPECT_FALSE(withdrawal.next("p0"));  // not again at once
    EXPECT_FALSE(withdrawal.on_found(Where::running, at(2'030)));
    EXPECT_EQ(word(*withdrawal.next("p0")), "cancel p0");
    withdrawal.on_cancelled(CancelAnswer::done, at(2'040));
    EXPECT_FALSE(withdrawal.on_found(Where::pending, at(2'050)));
    EXPECT_EQ(word(*withdrawal.next("p0")), "cancel p0");
    EXPECT_TRUE(withdrawal.on_found(Where::finished, at(2'060)));
}

TEST(Withdrawal, DeletesLooksAndInterruptsOnlyWhatRunsWhereTheServerHasNoJobs) {
    Withdrawal withdrawal({}, at(8'000), at(0));
    EXPECT_EQ(word(*withdrawal.next("p0")), "cancel p0");
    EXPECT_EQ(withdrawal.on_cancelled(CancelAnswer::unknown_call, at(5)), at(5));
    EXPECT_EQ(word(*withdrawal.next("p0")), "delete p0");
    EXPECT_EQ(withdrawal.on_done(true, at(10)), at(10));
    EXPECT_FALSE(withdrawal.next("p0"));  // a look
    EXPECT_FALSE(withdrawal.on_found(Where::running, at(20)));
    EXPECT_EQ(word(*withdrawal.next("p0")), "interrupt p0");
    EXPECT_EQ(withdrawal.on_done(true, at(30)), at(30) + Withdrawal::look_pause);
    EXPECT_FALSE(withdrawal.on_found(Where::running, at(2'029)));
    EXPECT_FALSE(withdrawal.next("p0"));  // not again at once
    EXPECT_FALSE(withdrawal.on_found(Where::running, at(2'030)));
    EXPECT_EQ(word(*withdrawal.next("p0")), "interrupt p0");
    withdrawal.on_done(true, at(2'040));
    EXPECT_FALSE(withdrawal.on_found(Where::pending, at(2'050)));
    EXPECT_EQ(word(*withdrawal.next("p0")), "delete p0");
    EXPECT_TRUE(withdrawal.on_found(Where::absent, at(2'060)));
    EXPECT_TRUE(withdrawal.on_found(Where::finished, at(2'060)));
    EXPECT_FALSE(withdrawal.is_over(at(7'999)));
    EXPECT_TRUE(withdrawal.is_over(at(8'000)));
}

TEST(Withdrawal, ARequestWithoutAnAnswerIsNotFollowedAtOnceAndACancelChangesTheReason) {
    Withdrawal::Reason reason;
    reason.kind = Outcome::Kind::failed;
    reason.failure.code = "timeout";
    reason.suspicious = true;
    Withdrawal withdrawal(reason, at(8'000), at(0));
    EXPECT_EQ(withdrawal.on_done(false, at(10)), at(10) + Withdrawal::look_pause);
    withdrawal.cancel();
    EXPECT_EQ(withdrawal.reason().kind, Outcome::Kind::cancelled);
    EXPECT_EQ(withdrawal.reason().failure.code, "");
    EXPECT_TRUE(withdrawal.reason().suspicious);
}

}  // namespace
}  // namespace emprops::comfyui
