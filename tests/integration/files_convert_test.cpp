// Files of results in the form that is wanted, end to end: a connector in bash, the worker, its courier, the converter, a
// folder as the store, the local hub.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "ipc/web/base64.h"
#include "ipc/web/digest.h"
#include "tests/support/job_client.h"
#include "tests/support/pictures/picture_files.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::string text_of(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::string picture() {
    convert::Picture picture = gradient(200, 100);
    picture.about.texts = {{"workflow", R"({"nodes": []})"}};
    return png_file(picture);
}

/// A worker with the connector `copies`, and a store `results` that is a folder.
struct Place {
    TempDir dir;
    TestHub hub;
    std::optional<TestWorker> worker;
    JobClient client{hub};

    explicit Place(const std::string& more, const std::string& of_connector = "") {
        const fs::path from = dir.write_file("from", picture());
        fs::create_directories(dir.path() / "store");
        worker.emplace(TestWorkerOptions{
            hub.url(),
            "[stores.results]\ntype = \"directory\"\npath = \"" + (dir.path() / "store").string() +
                "\"\n[files]\ndeliver = [\"results\", \"inline\"]\n" + more +
                "[connectors.copies]\ncommand = [\"bash\", \"" + std::string(EMPROPS_FIXTURES) +
                "/connectors/copies.sh\"]\nenv = {FROM = \"" + from.string() + "\"}\n" + of_connector,
            {},
            {},
            {}});
        worker->wait_state("copies", "ready");
        worker->wait_state("courier", "ready");
    }
    Json entries(const Json& payload) {
        return client.completed(client.submit("copies", payload), Ms(60'000)).at("all");
    }
    std::size_t objects() const {
        std::size_t count = 0;
        for (const auto& each : fs::recursive_directory_iterator(dir.path() / "store"))
            count += each.is_regular_file() ? 1 : 0;
        return count;
    }
    int courier_pid() const { return worker->connector("courier").at("pid").get<int>(); }
};

const char* to_webp = "convert = {image = {format = \"webp\", max_side = 100}}\n";

TEST(FilesConvert, PicturesArriveAsTheOperatorWantsThemUnderNamesOfTheirOwn) {
    Place place(to_webp);
    const Json all = place.entries({{"names", {"a.png", "a.webp", "notes.txt"}}});
    const Json& converted = all.at(0);
    EXPECT_EQ(converted.at("name"), "a-2.webp") << "another file has the name a.webp";
    EXPECT_EQ(converted.at("mime_type"), "image/webp");
    EXPECT_EQ(converted.at("kind"), "copy");
    EXPECT_EQ(converted.at("converted_from"), Json({{"mime_type", "image/png"}, {"size", picture().size()}}));
    const std::string file = text_of(converted.at("path").get<std::string>());
    EXPECT_EQ(fs::path(converted.at("path").get<std::string>()).filename(), "a-2.webp");
    EXPECT_EQ(converted.at("size"), file.size());
    EXPECT_EQ(converted.at("sha256"), sha256_hex(file));
    EXPECT_THAT(file, testing::AllOf(HasSubstr("WEBP"), HasSubstr("workflow:{\"nodes\": []}")));
    EXPECT_FALSE(converted.contains("conversion"));
    EXPECT_EQ(all.at(2).at("sha256"), sha256_hex(picture())) << "by its name it is no picture";
    EXPECT_EQ(all.at(2).at("name"), "notes.txt");
    place.worker->stop_and_wait();
}

TEST(FilesConvert, AConnectorsConfigurationWinsAndInlineFilesAreConvertedToo) {
    Place place(to_webp,
                "deliver = [\"inline\"]\nconvert = {image = {format = \"jpeg\", metadata = \"strip\"}}\n");
    const Json entry = place.entries({{"names", {"a.png"}}}).at(0);
    EXPECT_EQ(entry.at("name"), "a.jpg");
    EXPECT_EQ(entry.at("delivery"), "inline");
    const auto bytes = web::base64_decode(entry.at("data").get<std::string>());
    ASSERT_TRUE(bytes);
    EXPECT_TRUE(bytes->starts_with("\xFF\xD8\xFF"));
    EXPECT_THAT(*bytes, Not(HasSubstr("workflow")));
    place.worker->stop_and_wait();
}

TEST(FilesConvert, AJobSaysItsFormOrIsRefusedBeforeItRuns) {
    Place place(to_webp);
    const auto ask = [](const Json& convert) {
        return Json{{"names", {"a.png"}}, {"outputs", {{"convert", convert}}}};
    };
    const Json entry = place.entries(ask({{"image", {{"format", "jpeg"}}}})).at(0);
    EXPECT_EQ(entry.at("name"), "a.jpg");
    EXPECT_EQ(place.entries(ask({{"image", Json::object()}})).at(0).at("sha256"), sha256_hex(picture()));
    EXPECT_THAT(place.client.failed(place.client.submit("copies", ask({{"image", {{"quality", 0}}}}))),
                HasSubstr("outputs.convert.image.quality must be a whole number from 1 to 100"));
    EXPECT_THAT(place.client.failed(place.client.submit("copies", ask({{"video", {{"command", "rm -rf"}}}}))),
                HasSubstr("outputs.convert.video.command is"));
    place.worker->stop_and_wait();
}

TEST(FilesConvert, AFileFromWhichMetadataHaveToGoLosesThemOrFailsItsJob) {
    Place place("");
    const Json entry = place.entries({{"names", {"a.png"}}, {"strip", true}}).at(0);
    EXPECT_THAT(text_of(entry.at("path").get<std::string>()), Not(HasSubstr("workflow")));
    EXPECT_FALSE(entry.contains("converted_from"));
    std::ofstream(place.dir.path() / "from") << "II*";
    const std::string error =
        place.client.failed(place.client.submit("copies", {{"names", {"a.tiff"}}, {"strip", true}}));
    EXPECT_THAT(error, HasSubstr("\"a.tiff\" is not delivered"));
    place.worker->stop_and_wait();
}

std::string command_table(const std::string& script) {
    return "convert = {video = {command = \"web\"}}\n[files.commands.web]\nextension = \"mp4\"\ncommand = "
           "[\"sh\", \"-c\", '''" +
           script + "''', \"sh\", \"{in}\", \"{out}\"]\n";
}

TEST(FilesConvert, ACourierThatIsKilledMeanwhileConvertsOnceMore) {
    const TempDir marks;
    const std::string mark = (marks / "mark").string();
    Place place(command_table("[ -e " + mark + " ] || { echo $$ > " + mark + ".new; mv " + mark + ".new " +
                              mark + "; sleep 100; }; cat \"$1\" > \"$2\""));
    const std::string id = place.client.submit("copies", {{"names", {"a.webm"}}});
    ASSERT_TRUE(wait_until([&] { return fs::exists(mark); }, Ms(30'000))) << place.worker->log();
    ASSERT_EQ(::kill(place.courier_pid(), SIGKILL), 0);
    const Json entry = place.client.completed(id, Ms(60'000)).at("all").at(0);
    EXPECT_EQ(entry.at("name"), "a.mp4") << entry;
    EXPECT_EQ(entry.at("mime_type"), "video/mp4");
    EXPECT_EQ(entry.at("sha256"), sha256_hex(picture()));
    EXPECT_EQ(place.objects(), 1u);
    const pid_t hung = std::stoi(text_of(mark));
    EXPECT_TRUE(wait_until([&] {
        const std::string stat = text_of("/proc/" + std::to_string(hung) + "/stat");
        return stat.empty() || stat.find(") Z") != stat.npos;
    })) << "the command of the dead courier is still there";
    place.worker->stop_and_wait();
}

TEST(FilesConvert, AFileThatEndsTheCourierEachTimeGoesUnconverted) {
    Place place(command_table("kill -9 $PPID; sleep 100"));
    const Json entry = place.entries({{"names", {"a.webm"}}}).at(0);
    EXPECT_EQ(entry.at("name"), "a.webm") << entry;
    EXPECT_EQ(entry.at("sha256"), sha256_hex(picture()));
    EXPECT_THAT(entry.at("conversion").get<std::string>(), HasSubstr("the courier ended more than once"));
    EXPECT_EQ(place.objects(), 1u);
    place.worker->stop_and_wait();
}

}  // namespace
}  // namespace emprops::test
