// What answers over HTTP mean, and what people are told of those that are none.

#include "connectors/comfyui/text/web.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/comfyui/text/errors.h"
#include "connectors/comfyui/text/failure.h"
#include "tests/support/generated_table.h"

namespace emprops::comfyui {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(Meaning, TheStatusDecidesAndTheShapeOnlyWhereAllIsWell) {
    const char* const html = "text/html; charset=utf-8";
    const struct {
        long status;
        const char* type;
        Meaning meaning;
    } list[] = {
        {200, "application/json", Meaning::good},
        {201, "", Meaning::good},
        {200, html, Meaning::page},
        {200, "TEXT/HTML", Meaning::page},
        {302, html, Meaning::redirect},
        {308, "", Meaning::redirect},
        {401, html, Meaning::denied},
        {403, "", Meaning::denied},
        {407, html, Meaning::denied},
        {404, html, Meaning::missing},
        {408, html, Meaning::later},
        {413, html, Meaning::too_large},
        {413, "text/plain", Meaning::too_large},
        {429, html, Meaning::later},
        {503, html, Meaning::later},
        {502, html, Meaning::gateway},
        {524, html, Meaning::gateway},
        {500, html, Meaning::broken},
        {400, html, Meaning::refused},
        {431, "", Meaning::refused},
        {505, "", Meaning::broken},
        {511, html, Meaning::denied},
        {425, "", Meaning::later},
        {410, "", Meaning::missing},
    };
    for (const auto& each : list)
        EXPECT_EQ(meaning_of(each.status, each.type), each.meaning) << each.status << " " << each.type;
    EXPECT_EQ(meaning_of(200, html, true), Meaning::good);
}

TEST(Meaning, OnlyAnotherMomentIsWaitedFor) {
    for (const long status : {408, 429, 500, 502, 503, 504, 520})
        EXPECT_TRUE(is_passing(meaning_of(status, ""))) << status;
    for (const long status : {200, 301, 400, 401, 403, 404, 405, 413})
        EXPECT_FALSE(is_passing(meaning_of(status, ""))) << status;
    EXPECT_TRUE(is_surely_not_done(429));
    EXPECT_FALSE(is_surely_not_done(503));
    EXPECT_TRUE(is_nobody_there(502));
    EXPECT_FALSE(is_nobody_there(504));
}

TEST(Meaning, ANumberIsNeverAllThatIsSaid) {
    EXPECT_EQ(status_text(413), "HTTP 413 (too large)");
    EXPECT_EQ(status_text(418), "HTTP 418 (refused)");
    EXPECT_EQ(answer_text(502, "<html><head><title>502 Bad Gateway</title></head></html>"),
              "HTTP 502 (bad gateway: 502 Bad Gateway)");
    EXPECT_EQ(answer_text(500, ""), "HTTP 500 (internal error)");
}

TEST(Barrier, ARedirectSaysWhereToAndWhatToSet) {
    const auto text = [](const std::string& location) {
        return barrier_text(
            {Meaning::redirect, status_text(302), "http://gpu:8188", "/system_stats", location});
    };
    EXPECT_THAT(text("https://gpu/system_stats"), HasSubstr("Set server_url to https://gpu."));
    EXPECT_THAT(text("https://gpu/comfy/system_stats?a=b"),
                HasSubstr("Set server_url to https://gpu/comfy."));
    EXPECT_THAT(text("/login?next=%2Fsystem_stats&token=secret"),
                AllOf(HasSubstr("to http://gpu:8188/login "), HasSubstr("username and password"),
                      Not(HasSubstr("secret"))));
    EXPECT_THAT(text(""), HasSubstr("nowhere usable"));
}

TEST(Barrier, ALoginSaysWhatToSetWhetherByItsStatusOrByItsPage) {
    for (const Meaning meaning : {Meaning::denied, Meaning::page})
        EXPECT_THAT(barrier_text({meaning, status_text(401), "http://gpu:8188", "/prompt", ""}),
                    AllOf(HasSubstr("http://gpu:8188"), HasSubstr("bearer_token"),
                          HasSubstr("HTTP 401 (a password")));
}

TEST(TooLarge, NamesBothLimitsAndTheOneThatRefused) {
    const Failure proxy =
        too_large_failure("the workflow", answer_text(413, "<html><title>413</title></html>"), "");
    EXPECT_EQ(proxy.code, "invalid_payload");
    EXPECT_FALSE(proxy.retryable);
    EXPECT_THAT(proxy.message, AllOf(HasSubstr("client_max_body_size"), HasSubstr("--max-upload-size"),
                                     HasSubstr("The proxy's is most likely the one")));
    const Failure own = too_large_failure(
        "the workflow",
        answer_text(413, "Maximum request body size 1048576 exceeded, actual body size 2000000"), "");
    EXPECT_THAT(own.message, HasSubstr("ComfyUI's is the one to raise"));
}

TEST(Failures, EachIsSaidOnceAndTheReadmeHasThemAll) {
    std::set<std::pair<std::string, std::string>> seen;
    for (const FailureKind& kind : failure_kinds()) {
        EXPECT_TRUE(seen.emplace(kind.code, kind.error_class).second) << kind.code << " " << kind.error_class;
        const Failure failure = failure_of(kind.cause, "text");
        EXPECT_EQ(failure.code, kind.code);
        EXPECT_EQ(failure.retryable, kind.retryable);
        EXPECT_EQ(failure.details.value("class", ""), kind.error_class);
        EXPECT_STRNE(kind.why, "");
    }
    test::expect_generated_table(EMPROPS_SOURCE_DIR "/connectors/comfyui/README.md", failure_table(),
                                 "failures");
}

TEST(Failures, WhatIsTheSameEverywhereIsNotTriedAgain) {
    for (const Cause cause : {Cause::validation, Cause::payload_too_large, Cause::no_file, Cause::node_error,
                              Cause::unreadable_history, Cause::ended_comfyui, Cause::result_too_large,
                              Cause::files_gone, Cause::cancelled})
        EXPECT_FALSE(failure_of(cause, "").retryable) << failure_of(cause, "").code;
    for (const Cause cause : {Cause::missing_model, Cause::access, Cause::unreachable, Cause::out_of_memory,
                              Cause::not_comfyui, Cause::disk, Cause::gpu_fault})
        EXPECT_TRUE(failure_of(cause, "").retryable) << failure_of(cause, "").code;
}

TEST(Url, AsAHostHeaderHasItTheSchemesOwnPortIsLeftOut) {
    const auto authority = [](const char* text) { return parse_url(text)->authority(); };
    EXPECT_EQ(authority("http://gpu:80"), "gpu");
    EXPECT_EQ(authority("https://gpu:443/x"), "gpu");
    EXPECT_EQ(authority("https://gpu:80"), "gpu:80");
    EXPECT_EQ(authority("http://gpu:443"), "gpu:443");
    EXPECT_EQ(authority("http://[::1]:80"), "[::1]");
    EXPECT_EQ(authority("http://[::1]:8188"), "[::1]:8188");
    EXPECT_EQ(authority("https://127.0.0.1"), "127.0.0.1");
}

TEST(Url, TlsAsksForNamesOnly) {
    const auto name = [](const char* text) { return parse_url(text)->server_name(); };
    EXPECT_EQ(name("https://gpu.example"), "gpu.example");
    EXPECT_EQ(name("https://gpu.example."), "gpu.example");
    EXPECT_EQ(name("https://127.0.0.1"), "");
    EXPECT_EQ(name("https://[::1]"), "");
    EXPECT_EQ(name("https://[fe80::1%25eth0]"), "");
}

TEST(Url, AnAddressAsPeopleWriteItIsMadeOneThatHttpCarries) {
    EXPECT_EQ(tidy_url(" http://h/my photo.png\n"), "http://h/my%20photo.png");
    EXPECT_EQ(tidy_url("http://h/\u5199.png?q=a b"), "http://h/%E5%86%99.png?q=a%20b");
    EXPECT_EQ(tidy_url("http://h/a%20b/c|d\r\nx"), "http://h/a%20b/c%7Cdx");
    EXPECT_EQ(tidy_url("http://h"), "http://h");
    EXPECT_EQ(absolute_location("http://h/r", "/files/my photo.png"), "http://h/files/my%20photo.png");
    EXPECT_EQ(absolute_location("http://h/r", " http://h2/a b "), "http://h2/a%20b");
    EXPECT_EQ(without_secrets("https://me:pass@h/p?sig=1"), "https://h/p");
}

}  // namespace
}  // namespace emprops::comfyui
