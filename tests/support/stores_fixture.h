#pragma once
// Stores against a server that misbehaves, in this process: one file, one bucket, and what came of it.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "connectors/stores/kinds/http_put.h"
#include "connectors/stores/kinds/s3.h"
#include "ipc/unique_fd.h"
#include "ipc/web/digest.h"
#include "tests/support/s3_double.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {

struct StoresTest : testing::Test {
    StoresTest() { load("0123456789abcdef-0123456789"); }

    void load(const std::string& text) {
        content = text;
        folder.write_file("file", text);
        file = UniqueFd(::open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC));
        cargo.descriptor = file.get();
        cargo.size = text.size();
        cargo.sha256 = sha256_hex(text);
        cargo.name = "a b.png";
        cargo.mime_type = "image/png";
        cargo.values = {{"job_id", "job 1+\u00e4"}, {"filename", "a b.png"}, {"sha256", cargo.sha256}};
        cargo.owner = "file";
    }
    stores::Road road(bool repeat = false) {
        return {http, [this] { return cancelled.load(); }, [this](std::uint64_t bytes) { moved = bytes; },
                repeat,
                [this](const stores::Json& told) {
                    begun = told;
                    requests_before_begun = server.requests().size();
                }};
    }
    stores::S3Settings settings() const {
        stores::S3Settings s3;
        s3.endpoint = server.endpoint();
        s3.bucket = "results";
        s3.access_key = "AK";
        s3.secret_key = "secret";
        s3.timeout = stores::Ms{1000};
        return s3;
    }
    /// Above 10 bytes in parts of 8.
    std::unique_ptr<stores::Store> s3(bool repeat = false) {
        return stores::make_s3(settings(), words, road(repeat), {10, 8, 1000});
    }
    /// One request, whatever the size.
    std::unique_ptr<stores::Store> single() { return stores::make_s3(settings(), words, road()); }
    std::unique_ptr<stores::Store> put() {
        stores::HttpPutSettings settings;
        settings.url = server.endpoint() + "/in/{key}?sig=hush";
        settings.timeout = stores::Ms{1000};
        return stores::make_http_put(settings, words, road());
    }
    void expect_stored() {
        const auto object = server.object(target);
        ASSERT_TRUE(object) << testing::PrintToString(server.object_names());
        EXPECT_EQ(object->body, content);
        EXPECT_EQ(object->content_type, "image/png");
        EXPECT_THAT(server.refusals(), testing::IsEmpty());
        EXPECT_THAT(server.open_uploads(), testing::IsEmpty());
        EXPECT_THAT(server.object_names(), testing::SizeIs(1));
    }
    std::vector<std::string> sent() const {
        std::vector<std::string> out;
        for (const SignedRequest& request : server.requests())
            out.push_back(request.method + " " + request.query.substr(0, request.query.find('=')));
        return out;
    }

    const std::string target = "/results/job%201%2B%C3%A4/a%20b.png";
    const stores::Words words{"results", "endpoint", "access_key"};
    S3Double server;
    stores::HttpClient http;
    TempDir folder;
    UniqueFd file;
    stores::Cargo cargo;
    std::string content;
    std::atomic<bool> cancelled{false};
    std::uint64_t moved = 0;
    stores::Json begun;  ///< the newest that was told
    std::size_t requests_before_begun = 0;
};

}  // namespace emprops::test
