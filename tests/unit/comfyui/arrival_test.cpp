// How a prompt comes into ComfyUI: an Arrival alone.

#include "connectors/comfyui/run/arrival.h"
#include "tests/unit/comfyui/run_parts.h"

namespace emprops::comfyui {
namespace {

using namespace parts;

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

TEST_F(ArrivalTest, APostThatIsPutOffIsSentAgainWhenTheServerSays) {
    make();
    look_in_vain(at(0));
    arrival->on_post(PutOff{"HTTP 429", Ms{7'000}, false}, at(0));
    EXPECT_FALSE(submission.doubtful);
    EXPECT_EQ(word(arrival->next(at(6'999))), "wait");
    EXPECT_EQ(word(arrival->next(at(7'000))), "post p0");
    EXPECT_TRUE(std::holds_alternative<Arrival::Arrived>(arrival->on_post(Accepted{"p0", {}}, at(7'001))));
}

TEST_F(ArrivalTest, APutOffThatMayHaveBeenTakenIsLookedForFirst) {
    make();
    look_in_vain(at(0));
    arrival->on_post(PutOff{"HTTP 503", Ms{0}, true}, at(0));
    EXPECT_TRUE(submission.doubtful);
    EXPECT_EQ(word(arrival->next(at(0))), "history p0");
    arrival->on_history(NoEntry{}, at(1));
    const auto result = arrival->on_queue(running("p0"), at(1));
    EXPECT_TRUE(std::get<Arrival::Arrived>(result).found);
}

TEST_F(ArrivalTest, PutOffsEndWithTheTimeForAnAnswerAndNotByTheirNumber) {
    rules.limits.unreachable = Ms{30'000};
    make();
    look_in_vain(at(0));
    Arrival::Result result;
    int now = 0, posts = 0;
    while (!std::holds_alternative<Failure>(result) && posts < 100) {
        result = arrival->on_post(PutOff{"HTTP 429", Ms{0}, false}, at(now));
        ++posts;
        while (word(arrival->next(at(now))) == "wait" && now < 100'000)
            now += 100;
    }
    EXPECT_GT(posts, 5);
    EXPECT_EQ(std::get<Failure>(result).code, "service_unavailable");
    EXPECT_THAT(std::get<Failure>(result).message, testing::HasSubstr("HTTP 429"));
}

TEST_F(ArrivalTest, ATooLargeWorkflowIsFinalAndARefusalOfAccessNamesItself) {
    make();
    look_in_vain(at(0));
    const auto result = arrival->on_post(ServerError{413, "HTTP 413 (too large)"}, at(0));
    EXPECT_EQ(std::get<Failure>(result).details["class"], "too_large");
    EXPECT_FALSE(std::get<Failure>(result).retryable);
    make();
    look_in_vain(at(0));
    const auto denied = std::get<Failure>(arrival->on_post(AccessDenied{401, "log in"}, at(0)));
    EXPECT_EQ(denied.message, "log in");
    EXPECT_EQ(denied.details["http_status"], 401);
}

}  // namespace
}  // namespace emprops::comfyui
