#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "ipc/web/digest.h"
#include "ipc/web/transfer.h"
#include "ipc/web/url.h"
#include "ipc/web/uuid.h"
#include "tests/support/temp_dir.h"

namespace emprops {
namespace {

std::string parts(std::string_view text) {
    const auto url = web::Url::parse(text);
    if (!url.ok()) return "no: " + url.error().message;
    return url->scheme + " " + url->user + " " + url->password + " " +
           web::Url::authority(url->host, url->port) + " " + url->path + " " + url->query;
}

TEST(Url, IsTakenApart) {
    EXPECT_EQ(parts("WSS://hub.example:8001/a/../b%20c?x=1&y#end"),
              "wss   hub.example:8001 /a/../b%20c x=1&y");
    EXPECT_EQ(parts("http://me:p%40ss@host"), "http me p@ss host / ");
    EXPECT_EQ(parts("http://me:p@ss@host:1/x@y"), "http me p@ss host:1 /x@y ");
    EXPECT_EQ(parts("ws://[::1]:8188?q"), "ws   [::1]:8188 / q");
    EXPECT_EQ(parts("ws://[fe80::1%25eth0]/"), "ws   [fe80::1%25eth0] / ");
}

TEST(Url, ThatCannotBeUsedIsRefusedWithoutBeingRepeated) {
    for (const char* text :
         {"", "secret", "secret:1", "ws://", "ws://secret:0", "ws://secret:65536", "ws://secret:x",
          "ws://[::secret", "ws://sec ret", "ws://secret\n/", "http://:80/secret"})
        EXPECT_THAT(parts(text),
                    testing::AllOf(testing::StartsWith("no: "), testing::Not(testing::HasSubstr("ecret"))))
            << text;
}

TEST(Uuid, OfANameIsThatOfTheStandard) {
    EXPECT_EQ(uuid_v5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com"),
              "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    EXPECT_EQ(uuid_v5("nonsense", "x"), uuid_v5("00000000-0000-0000-0000-000000000000", "x"));
}

TEST(Uuid, ThatIsRandomDiffersAndSaysSo) {
    const auto one = uuid_v4();
    EXPECT_EQ(one.size(), 36U);
    EXPECT_EQ(one[14], '4');
    EXPECT_THAT(std::string("89ab"), testing::HasSubstr(one.substr(19, 1)));
    EXPECT_NE(one, uuid_v4());
}

struct Files : testing::Test {
    test::TempDir folder;
    std::string content = std::string(200'000, 'x') + "end";
    std::filesystem::path file() {
        std::ofstream(folder.path() / "f", std::ios::binary) << content;
        return folder.path() / "f";
    }
};

TEST_F(Files, HaveTheDigestOfTheirContent) {
    EXPECT_EQ(sha256_hex_of_file(file()), sha256_hex(content));
    EXPECT_EQ(sha256_hex_of_file(folder.path() / "none"), std::nullopt);
}

TEST_F(Files, AreTransferredToTheirEndOrUntilItIsEnough) {
    web::Transfer transfer;
    ASSERT_TRUE(transfer.usable());
    const auto url = "file://" + file().string();
    transfer.set(CURLOPT_URL, url);
    std::string body;
    transfer.on_body([&](std::string_view bytes) {
        body += bytes;
        return true;
    });
    EXPECT_EQ(transfer.perform(), CURLE_OK);
    EXPECT_EQ(body, content);
    transfer.on_body([](std::string_view) { return false; });
    EXPECT_EQ(transfer.perform(), CURLE_WRITE_ERROR);
    transfer.reset();
    transfer.set(CURLOPT_URL, url);
    transfer.on_body([](std::string_view) { return true; });
    transfer.abort_when([] { return true; });
    EXPECT_EQ(transfer.perform(), CURLE_ABORTED_BY_CALLBACK);
    transfer.reset();
    transfer.set(CURLOPT_URL, "file:///none/at/all");
    const auto code = transfer.perform();
    EXPECT_NE(code, CURLE_OK);
    EXPECT_THAT(transfer.why(code), testing::HasSubstr("/none/at/all"));
}

}  // namespace
}  // namespace emprops
