// The parts of a run, each made alone: no Run here.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/comfyui/run/arrival.h"
#include "connectors/comfyui/run/hearing.h"
#include "connectors/comfyui/run/judge.h"
#include "connectors/comfyui/run/look.h"
#include "connectors/comfyui/run/patience.h"
#include "connectors/comfyui/run/scan.h"
#include "connectors/comfyui/run/submission.h"
#include "connectors/comfyui/run/withdrawal.h"

namespace emprops::comfyui {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const TimePoint start{};

TimePoint at(int ms) {
    return start + Ms{ms};
}

std::string name(int number) {
    return "p" + std::to_string(number);
}

OwnMark own() {
    return {"s", "comfyui", 0, "j", "h"};
}

/// What a machine wants, as a word.
std::string word(const Action& action) {
    if (const auto* ask = std::get_if<AskHistory>(&action)) return "history " + ask->prompt_id;
    if (const auto* send = std::get_if<SendPrompt>(&action)) return "post " + send->prompt_id;
    if (const auto* remove = std::get_if<DeletePending>(&action)) return "delete " + remove->prompt_id;
    if (const auto* stop = std::get_if<Interrupt>(&action)) return "interrupt " + stop->prompt_id;
    if (std::holds_alternative<AskQueue>(action)) return "queue";
    if (std::holds_alternative<AskRecent>(action)) return "recent";
    if (std::holds_alternative<Wait>(action)) return "wait";
    return "?";
}

Entry entry(const Json& outputs, const std::string& status = "success",
            const Json& messages = Json::array()) {
    return {{{"outputs", outputs}, {"status", {{"status_str", status}, {"messages", messages}}}}, 0, 0};
}

Entry error_entry(const std::string& exception) {
    return entry(
        Json::object(), "error",
        Json::array({Json::array(
            {"execution_error", {{"prompt_id", "p0"}, {"node_id", "1"}, {"exception_type", exception}}})}));
}

Queue running(const std::string& id, const Json& mark = {}) {
    return {{{id, 0, {}, mark}}, {}};
}

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

const Graph& graph() {
    static const Graph value({{"1", "CheckpointLoader", "", {}}, {"2", "SaveImage", "", {"1"}}});
    return value;
}

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

TEST(Withdrawal, DeletesLooksAndInterruptsOnlyWhatRuns) {
    Withdrawal withdrawal({}, at(8'000), at(0));
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

// ---- Arrival

struct ArrivalTest : testing::Test {
    void make() { arrival.emplace(rules, names, reach, submission, at(0)); }
    /// Nothing is found by a whole look.
    Arrival::Result look_in_vain(TimePoint now) {
        arrival->on_history(NoEntry{}, now);
        arrival->on_queue({}, now);
        return arrival->on_history(NoEntry{}, now);
    }
    RunRules rules;
    Arrival::Names names = name;
    Reach reach;
    Submission submission{7, "old"};
    std::optional<Arrival> arrival;
};

TEST_F(ArrivalTest, LooksThenSends) {
    make();
    EXPECT_EQ(submission.prompt_id, "p0");
    EXPECT_TRUE(arrival->is_first_look());
    look_in_vain(at(0));
    EXPECT_EQ(word(arrival->next(at(0))), "post p0");
    const auto result = arrival->on_post(Accepted{"its-own", {}}, at(1));
    EXPECT_TRUE(std::holds_alternative<Arrival::Arrived>(result));
    EXPECT_EQ(submission.prompt_id, "its-own");
    EXPECT_TRUE(submission.attached);
    EXPECT_FALSE(submission.answer_lost);
}

TEST_F(ArrivalTest, APostWithoutAnAnswerIsLookedForAndThenSentAgain) {
    rules.mark = own();
    make();
    look_in_vain(at(0));
    arrival->on_post(Unreachable{"lost"}, at(0));
    EXPECT_TRUE(submission.doubtful);
    EXPECT_EQ(word(arrival->next(at(0))), "history p0");
    look_in_vain(at(3'999));
    EXPECT_EQ(word(arrival->next(at(3'999))), "wait");
    look_in_vain(at(4'000));
    EXPECT_EQ(word(arrival->next(at(4'000))), "recent");
    arrival->on_recent(Recent{Json::object()}, at(4'000));
    EXPECT_FALSE(submission.doubtful);
    EXPECT_EQ(word(arrival->next(at(4'999))), "wait");
    EXPECT_EQ(word(arrival->next(at(5'000))), "post p0");
}

TEST_F(ArrivalTest, TimeInWhichComfyuiDoesNotAnswerIsNoPartOfTheDoubt) {
    make();
    look_in_vain(at(0));
    arrival->on_post(Unreachable{"lost"}, at(0));
    arrival->on_no_answer(at(10'000), at(9'000));
    look_in_vain(at(10'000));
    EXPECT_EQ(word(arrival->next(at(11'000))), "history p0");
}

TEST_F(ArrivalTest, TwoServerErrorsAreARefusalAndLeaveNoDoubt) {
    make();
    for (int i = 0; i < 2; ++i) {
        look_in_vain(at(0));
        if (i > 0) arrival->on_recent(Recent{Json::object()}, at(0));
        arrival->on_post(ServerError{500, "boom"}, at(0));
    }
    const auto result = look_in_vain(at(0));
    EXPECT_EQ(std::get<Failure>(result).details["class"], "server_error");
    EXPECT_FALSE(submission.doubtful);
}

TEST_F(ArrivalTest, AfterFourPostsItGivesUpInDoubt) {
    make();
    for (int i = 0; i < 4; ++i) {
        look_in_vain(at(i * 10'000));
        if (i > 0) arrival->on_recent(Recent{Json::object()}, at(i * 10'000));
        arrival->on_post(ServerError{504, "late"}, at(i * 10'000));
    }
    const auto result = look_in_vain(at(40'000));
    EXPECT_EQ(std::get<Failure>(result).details["class"], "unreachable");
    EXPECT_TRUE(submission.doubtful);
}

TEST_F(ArrivalTest, ANotedSubmissionGoesOnAndItsFailureIsThisJobs) {
    rules.resume = true;
    rules.resume_from = 3;
    make();
    EXPECT_EQ(submission.prompt_id, "p3");
    const auto result = arrival->on_history(error_entry("X"), at(0));
    EXPECT_EQ(std::get<Arrival::Arrived>(result).found->where, Where::finished);
    EXPECT_TRUE(submission.origin.was_over);
    EXPECT_FALSE(submission.origin.earlier);
}

TEST_F(ArrivalTest, WithoutANoteAFailureIsPassedOverAndASuccessTaken) {
    rules.resume = true;
    make();
    EXPECT_TRUE(arrival->is_scanning());
    arrival->on_queue({}, at(0));
    for (int i = highest_submission; i > 2; --i) {
        arrival->on_history(NoEntry{}, at(0));
    }
    arrival->on_history(error_entry("X"), at(0));
    EXPECT_EQ(submission.prompt_id, "p3");
    EXPECT_FALSE(arrival->is_scanning());
    const auto result = arrival->on_history(entry(Json::object()), at(0));
    EXPECT_TRUE(std::holds_alternative<Arrival::Arrived>(result));
    EXPECT_TRUE(submission.origin.earlier);
}

TEST_F(ArrivalTest, ACancelWhileAllAreLookedForEndsWithNothingToWithdraw) {
    rules.resume = true;
    make();
    EXPECT_TRUE(arrival->cancel(at(1'000), at(0)));
    EXPECT_FALSE(arrival->gave_up(at(999)));
    EXPECT_TRUE(arrival->gave_up(at(1'000)));
    arrival->on_queue({}, at(0));
    const auto result = arrival->on_history(error_entry("X"), at(0));
    EXPECT_TRUE(std::holds_alternative<Arrival::NothingToWithdraw>(result));
}

// ---- Judge

struct JudgeTest : testing::Test {
    static bool is_again(const Judge::Verdict& verdict) {
        return std::holds_alternative<Judge::Again>(verdict);
    }
    RunRules rules;
    Outcome outcome;
    Submission submission{0, "p0"};
    Judge judge{rules, graph(), outcome};
};

TEST_F(JudgeTest, OutOfMemoryIsCuredOnceAndNotWhereTheJobIsCancelled) {
    const Entry full = error_entry("torch.cuda.OutOfMemoryError");
    EXPECT_FALSE(is_again(judge.ended(submission, full, true, false)));
    EXPECT_TRUE(std::get<Judge::Again>(judge.ended(submission, full, false, false)).free_memory);
    const auto second = judge.ended(submission, full, false, false);
    EXPECT_EQ(std::get<Judge::End>(second).kind, Outcome::Kind::node_failed);
}

TEST_F(JudgeTest, AllFromTheCacheAndNothingNamedIsRunOnceMore) {
    Submission cached{0, "p0"};
    cached.told.on_event({"p0", Cached{{"1", "2"}}}, graph(), at(0));
    EXPECT_TRUE(is_again(judge.ended(cached, entry(Json::object()), false, false)));
    EXPECT_FALSE(is_again(judge.ended(cached, entry(Json::object()), false, false)));
    EXPECT_TRUE(cached.origin.maybe_old);
}

TEST_F(JudgeTest, APromptThatVanishedIsSentAgainAsOftenAsTheRulesSay) {
    const auto first = judge.vanished(submission, false);
    EXPECT_FALSE(std::get<Judge::Again>(first).free_memory);
    EXPECT_EQ(judge.resubmissions(), 1);
    judge.vanished(submission, false);
    EXPECT_EQ(outcome.failure.code, "lost");
    EXPECT_EQ(outcome.deaths, 0);
}

TEST_F(JudgeTest, WhatRanAsComfyuiEndedTwiceIsPoisonUnlessTheMachineIsSick) {
    submission.place.begun();
    submission.place.on_gone();
    EXPECT_TRUE(is_again(judge.vanished(submission, false)));
    judge.vanished(submission, false);
    EXPECT_EQ(outcome.failure.code, "poison");
    EXPECT_EQ(outcome.deaths, 2);
    rules.machine_is_sick = true;
    judge.vanished(submission, false);
    EXPECT_EQ(outcome.failure.code, "lost");
}

TEST_F(JudgeTest, WhatTheEventsToldIsAResultWhereTheHistoryWasCleared) {
    submission.told.on_event({"p0", Executed{"2", {{"images", {1}}}}}, graph(), at(0));
    submission.told.on_event({"p0", Succeeded{}}, graph(), at(0));
    const auto verdict = judge.vanished(submission, false);
    EXPECT_EQ(std::get<Judge::End>(verdict).kind, Outcome::Kind::succeeded);
    EXPECT_EQ(outcome.outputs, Json::parse(R"({"2":{"images":[1]}})"));
}

TEST_F(JudgeTest, FilesThatAreGoneAreMadeAnewOnceAndOnlyIfTheyMayBeOld) {
    outcome.kind = Outcome::Kind::succeeded;
    EXPECT_FALSE(judge.files_gone());
    outcome.origin.maybe_old = true;
    EXPECT_TRUE(judge.files_gone()->free_memory);
    EXPECT_FALSE(judge.files_gone());
}

TEST_F(JudgeTest, AFaultOfTheGpuAsksForARestart) {
    const Entry fault =
        entry(Json::object(), "error",
              Json::array({Json::array({"execution_error",
                                        {{"prompt_id", "p0"},
                                         {"exception_type", "torch.AcceleratorError"},
                                         {"exception_message", "CUDA error: device-side assert"}}})}));
    const auto verdict = judge.ended(submission, fault, false, false);
    EXPECT_TRUE(std::get<Judge::End>(verdict).restart->fault);
}

}  // namespace
}  // namespace emprops::comfyui
