// What jobs of EmProps say of their storage, and what they find in the result.

#include "supervisor/files/ctx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supervisor/files/delivery.h"
#include "supervisor/files/outputs.h"

namespace emprops::files {
namespace {

using testing::HasSubstr;

const std::map<std::string, std::string> stores{{"azure:renders", "blobs"}};

Result<std::optional<Destination>> read(const std::string& ctx) {
    return read_ctx(R"({"prompt":{},"ctx":)" + ctx + "}", stores);
}
std::string refusal(const std::string& ctx) {
    const auto to = read(ctx);
    if (to) return "";
    EXPECT_EQ(to.error().code, ipc::code::invalid_payload);
    return to.error().message;
}

TEST(Ctx, ItsStorageIsAStoreThatTheOperatorHasGivenThisName) {
    const auto to = read(R"({"storage":{"provider":"azure","bucket":"renders","cdnUrl":"cdn.emprops.ai/",
        "accountKey":"SECRET"},"prefix":"users/7/","filename":"out.bin"})");
    ASSERT_TRUE(to && *to);
    EXPECT_EQ((*to)->store, "blobs");
    EXPECT_EQ((*to)->prefix, "users/7");
    EXPECT_EQ((*to)->filename, "out.bin");
    EXPECT_EQ((*to)->public_url, "https://cdn.emprops.ai");
    EXPECT_EQ((*to)->label, "ctx.storage");
    EXPECT_TRUE((*to)->is_ctx);
    EXPECT_EQ(destination_text(**to).find("SECRET"), std::string::npos) << "its credentials are nobody's";
    const auto flat = read(R"({"provider":"azure","bucket":"renders","filename":"a/b.png"})");
    ASSERT_TRUE(flat && *flat);
    EXPECT_EQ((*flat)->prefix, "a");
    EXPECT_EQ((*flat)->filename, "b.png");
    const auto bare = read(R"({"provider":"azure","bucket":"renders"})");
    ASSERT_TRUE(bare && *bare);
    EXPECT_FALSE((*bare)->prefix) << "the store's own key";
}

TEST(Ctx, WithoutAStorageItSaysNothing) {
    for (const char* ctx :
         {"null", "5", "[]", "{}", R"({"storage":5})", R"({"storage":{"provider":"azure"}})",
          R"({"bucket":"renders","workflow_context":{}})", R"({"provider":5,"bucket":"renders"})"}) {
        const auto to = read(ctx);
        ASSERT_TRUE(to) << ctx;
        EXPECT_FALSE(*to) << ctx;
    }
    EXPECT_FALSE(*read_ctx("{}", stores));
}

TEST(Ctx, WhatCannotBeMetIsRefused) {
    const auto with = [](const std::string& more) {
        return refusal(R"({"storage":{"provider":"azure","bucket":"renders")" + more + "}}");
    };
    EXPECT_EQ(
        refusal(R"({"provider":"azure","bucket":"other"})"),
        "ctx.storage names azure:other, which no store of this worker has in its `ctx`; there are azure:renders");
    EXPECT_THAT(with(R"(,"prefix":"a/../b")"), HasSubstr("ctx.prefix must not have a part \"..\""));
    EXPECT_THAT(with(R"(,"filename":"..")"), HasSubstr("ctx.filename"));
    EXPECT_THAT(with(R"(,"filename":"../x.png")"), HasSubstr("ctx.filename"));
    EXPECT_THAT(with(R"(,"filename":"a/")"), HasSubstr("ctx.filename"));
    EXPECT_THAT(with(R"(,"filename":"a\u0000b")"), HasSubstr("ctx.filename"));
    EXPECT_THAT(with(R"(,"cdnUrl":"https://h/?x")"), HasSubstr("ctx.storage.cdnUrl"));
    EXPECT_THAT(with(R"(,"cdnUrl":"javascript:alert(1) ")"), HasSubstr("ctx.storage.cdnUrl"));
}

TEST(Ctx, AFileKeepsItsEnding) {
    EXPECT_EQ(named_by_ctx("picture.webp", "out.bin"), "out.webp");
    EXPECT_EQ(named_by_ctx("picture.webp", "out"), "out.webp");
    EXPECT_EQ(named_by_ctx("picture.webp", "out.v2.png"), "out.v2.webp");
    EXPECT_EQ(named_by_ctx("picture", "out.png"), "out.png");
    EXPECT_EQ(named_by_ctx(".hidden", "out.png"), "out.png");
    EXPECT_EQ(named_by_ctx("picture.webp", ".out"), ".out.webp");
}

TEST(Ctx, TheResultHasWhatItsClientsReadUnlessItHadItBefore) {
    ipc::ResultFile file;
    file.mime_type = "image/webp";
    EXPECT_EQ(
        with_ctx_members(R"({"seed":1.10})", file, R"({"url":"https://cdn/x.webp"})"),
        R"({"image_url":"https://cdn/x.webp","mime_type":"image/webp","content_type":"image","seed":1.10})");
    EXPECT_EQ(with_ctx_members(R"({ })", file, "{}"),
              R"({"mime_type":"image/webp","content_type":"image" })");
    EXPECT_EQ(with_ctx_members(R"({"image_url":1,"mime_type":2,"content_type":3})", file, R"({"url":"u"})"),
              R"({"image_url":1,"mime_type":2,"content_type":3})");
    file.mime_type = "";
    EXPECT_THAT(with_ctx_members("{}", file, R"({"url":"u","mime_type":"video/mp4"})"),
                HasSubstr(R"("content_type":"video")"));
    EXPECT_THAT(with_ctx_members("{}", file, R"({"url":"u"})"),
                HasSubstr(R"("mime_type":"application/octet-stream","content_type":"binary")"));
}

TEST(Ctx, IsWhatIsLeftOverOfOutputsTo) {
    config::Settings settings;
    settings.stores = {{"blobs", {{"type", "azure"}, {"jobs", true}, {"ctx", {"azure:renders"}}}},
                       {"closed", {{"type", "azure"}, {"ctx", {"azure:closed"}}}}};
    const Permits permits = permits_of(settings);
    EXPECT_EQ(permits.ctx, (std::map<std::string, std::string>{{"azure:renders", "blobs"}}));
    const std::string ctx = R"("ctx":{"storage":{"provider":"azure","bucket":"renders"},"filename":"x.png"})";
    const auto both =
        read_outputs(R"({"outputs":{"to":[{"store":"blobs","match":{"node":"9"}}]},)" + ctx + "}", permits);
    ASSERT_TRUE(both);
    ASSERT_EQ(both->to.size(), 2u);
    EXPECT_TRUE(both->to[1].is_ctx);
    const auto none = read_outputs("{" + ctx + "}", Permits());
    ASSERT_TRUE(none);
    EXPECT_TRUE(none->to.empty()) << "nobody has said anything of ctx here: jobs of EmProps run as before";

    Delivery delivery;
    delivery.result = R"({"files":[{"$file":0},{"$file":1}]})";
    delivery.folder = "5";
    for (const char* name : {"a.webp", "b.webp"}) {
        FileOnWay& one = delivery.files.emplace_back();
        one.file.path = one.file.name = one.place = name;
    }
    assign(delivery, read_outputs("{" + ctx + "}", permits)->to);
    make_names_unique(delivery.files);
    EXPECT_EQ(delivery.files[0].file.name, "x.webp");
    EXPECT_EQ(delivery.files[1].file.name, "x-2.webp");
    for (FileOnWay& each : delivery.files)
        each.entry = R"({"url":"https://cdn/)" + each.file.name + "\"}";
    const std::uint64_t most = finished_bytes(delivery);
    const std::string result = finished_result(delivery);
    EXPECT_THAT(result,
                HasSubstr(R"({"image_url":"https://cdn/x.webp","mime_type":"application/octet-stream")"));
    EXPECT_LE(result.size(), most);
    auto again = read_state(state_text(delivery));
    ASSERT_TRUE(again.ok());
    again->result = delivery.result;
    EXPECT_EQ(finished_result(*again), result) << "after a restart";
}

}  // namespace
}  // namespace emprops::files
