// add_file() and release() of a job's context, and what they make of its result.

#include "connector-sdk/cpp/src/job_files.h"

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "connector-sdk/cpp/src/job_run.h"
#include "connector-sdk/cpp/src/start.h"
#include "ipc/codec.h"
#include "tests/support/silent_context.h"

namespace emprops::sdk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Lines : JobOutlet {
    std::vector<std::string> lines;
    void progress(ipc::Progress) override {}
    void send(std::string line) override { lines.push_back(std::move(line)); }
    void send_droppable(std::string) override {}
};

class Maker : public Connector {
  public:
    explicit Maker(std::function<RawResult(JobContext&)> work) : work_(std::move(work)) {}
    std::vector<std::string> job_types() const override { return {"t"}; }
    Features features() const override {
        Features features;
        features.files = true;
        return features;
    }
    void initialize(const ConnectorSettings& settings, ConnectorContext&) override { offer = settings.files; }
    RawResult process_job_raw(const Job&, JobContext& context) override { return work_(context); }

    std::optional<FilesOffer> offer;  // as the author sees it

  private:
    std::function<RawResult(JobContext&)> work_;
};

ipc::Job job_named(const std::string& id) {
    ipc::Job job;
    job.job_id = id;
    job.job_type = "t";
    return job;
}

OutputFile file_at(const std::string& path) {
    OutputFile file;
    file.path = path;
    return file;
}

ipc::FilesOffer offer_of(int max_files = 1000) {
    ipc::FilesOffer offer;
    offer.stores = {"s3"};
    offer.max_files = max_files;
    return offer;
}

ipc::FromConnector outcome(std::function<RawResult(JobContext&)> work,
                           const std::optional<ipc::FilesOffer>& offer = offer_of()) {
    Lines lines;
    RunningJob run(job_named("j"), lines, offer);
    Maker maker(std::move(work));
    const std::string line = run_job(maker, run, std::size_t{1} << 30);
    return std::get<ipc::FromConnector>(
        ipc::decode_from_connector(std::string_view(line).substr(0, line.size() - 1)));
}

ipc::JobError failure(std::function<RawResult(JobContext&)> work,
                      const std::optional<ipc::FilesOffer>& offer = offer_of()) {
    return std::get<ipc::Failed>(outcome(std::move(work), offer)).error;
}

TEST(JobFiles, GoWithTheResultThatMentionsThem) {
    const auto message = outcome([](JobContext& context) {
        OutputFile second = file_at("/w/j/b");
        second.url = "http://h/b";
        second.name = "c.png";
        second.mime_type = "image/png";
        second.kind = "k";
        second.node = "9";
        second.deliver = {"s3"};
        second.more = {{"subfolder", "x"}};
        const Json one = context.add_file(file_at("a"));
        const Json two = context.add_file(second);
        return RawResult{"{\"n\":1.10,\"f\":[" + two.dump() + "," + one.dump() + "]}"};
    });
    const auto& result = std::get<ipc::JobResult>(message);
    EXPECT_EQ(result.result.text(), R"({"n":1.10,"f":[{"$file":1},{"$file":0}]})");
    ASSERT_EQ(result.files.size(), 2u);
    EXPECT_EQ(result.files[0].path, "a");
    EXPECT_EQ(result.files[0].deliver, std::nullopt) << "the configured ones";
    EXPECT_EQ(result.files[1].path, "/w/j/b");
    EXPECT_EQ(result.files[1].url, "http://h/b");
    EXPECT_EQ(result.files[1].name, "c.png");
    EXPECT_EQ(result.files[1].mime_type, "image/png");
    EXPECT_EQ(result.files[1].kind, "k");
    EXPECT_EQ(result.files[1].node, "9");
    EXPECT_THAT(*result.files[1].deliver, ElementsAre("s3"));
    EXPECT_EQ(result.files[1].more, (Json{{"subfolder", "x"}}));
}

TEST(JobFiles, OneThatIsNotMentionedOrNotThereIsTheConnectorsMistake) {
    const auto forgotten = failure([](JobContext& context) {
        context.add_file(file_at("a"));
        return RawResult{"{}"};
    });
    EXPECT_EQ(forgotten.code, "protocol_error");
    EXPECT_THAT(forgotten.message, HasSubstr("files[0] is never mentioned"));
    EXPECT_THAT(forgotten.message, HasSubstr("add_file()"));
    const auto unknown = failure([](JobContext& context) {
        context.add_file(file_at("a"));
        return RawResult{R"({"a":{"$file":0},"b":{"$file":1}})"};
    });
    EXPECT_THAT(unknown.message, HasSubstr("{\"$file\": 1}"));
}

TEST(JobFiles, WithoutThemAResultMayHoldWhatLooksLikeAMark) {
    const auto message = outcome([](JobContext&) { return RawResult{R"({"$file":7})"}; }, std::nullopt);
    EXPECT_EQ(std::get<ipc::JobResult>(message).result.text(), R"({"$file":7})");
}

TEST(JobFiles, OfAJobThatFailsAreNotTold) {
    const auto message = outcome([](JobContext& context) -> RawResult {
        context.add_file(file_at("a"));
        throw JobFailure("mine.code", "why");
    });
    EXPECT_THAT(ipc::encode(message), Not(HasSubstr("files")));
}

TEST(JobFiles, AnOlderWorkerTakesNone) {
    const auto error = failure(
        [](JobContext& context) {
            EXPECT_FALSE(context.release());
            context.add_file(file_at("a"));
            return RawResult{"{}"};
        },
        std::nullopt);
    EXPECT_EQ(error.code, "unsupported");
    EXPECT_THAT(error.message, HasSubstr("older than this connector"));
}

TEST(JobFiles, WhatCannotBeIsRefusedWhereItIsAdded) {
    JobFiles files(offer_of(2));
    const auto code_of = [&](OutputFile file) {
        try {
            files.add(std::move(file));
        } catch (const JobFailure& failure) {
            EXPECT_FALSE(failure.retryable());
            return failure.code();
        }
        return std::string("taken");
    };
    EXPECT_EQ(code_of(OutputFile{}), "protocol_error");
    EXPECT_EQ(code_of(file_at("../a")), "protocol_error");
    EXPECT_EQ(code_of(file_at("caf\xe9")), "protocol_error") << "no JSON can hold this name";
    OutputFile deep = file_at("a");
    for (int i = 0; i < 100'000; ++i)
        deep.more = Json::object({{"x", std::move(deep.more)}});
    EXPECT_EQ(code_of(std::move(deep)), "protocol_error");
    OutputFile wordy = file_at("a");
    wordy.more = {{"x", std::string(1 << 20, 'x')}};
    EXPECT_EQ(code_of(wordy), "result_too_large");
    EXPECT_EQ(code_of(file_at("a")), "taken");
    EXPECT_EQ(code_of(file_at("b")), "taken");
    EXPECT_EQ(code_of(file_at("c")), "result_too_large");
    EXPECT_EQ(files.take().size(), 2u) << "what was refused is not there";
    EXPECT_EQ(code_of(file_at("../late")), "taken") << "too late to matter";
    EXPECT_THAT(files.take(), IsEmpty());
}

TEST(JobFiles, MayBeAddedByManyThreads) {
    JobFiles files(offer_of());
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&] {
            for (int n = 0; n < 50; ++n)
                files.add(file_at("a"));
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(files.take().size(), 400u);
}

TEST(JobFiles, AContextThatKnowsNoneSaysSo) {
    test::SilentContext bare;
    EXPECT_FALSE(bare.release());
    EXPECT_THROW(bare.add_file(file_at("a")), JobFailure);
}

// ---- released jobs

class Release : public testing::Test {
  protected:
    std::unique_ptr<RunningJob> start(const std::string& id, bool prepare = false) {
        ipc::Job job = job_named(id);
        job.prepare = prepare;
        return std::make_unique<RunningJob>(job, lines, offer_of(), releases);
    }
    static std::string line(const std::string& id) {
        return R"({"type":"released","job_id":")" + id + "\"}\n";
    }

    Lines lines;
    std::shared_ptr<Releases> releases = std::make_shared<Releases>();
};

TEST_F(Release, IsToldOnce) {
    const auto run = start("a");
    EXPECT_FALSE(run->released());
    EXPECT_TRUE(run->release());
    EXPECT_TRUE(run->release());
    EXPECT_TRUE(run->released());
    EXPECT_THAT(lines.lines, ElementsAre(line("a")));
}

TEST_F(Release, IsForSoManyJobsAsTheWorkerSays) {
    const auto a = start("a"), b = start("b"), c = start("c");
    EXPECT_TRUE(a->release());
    EXPECT_TRUE(b->release());
    EXPECT_FALSE(c->release());
    EXPECT_FALSE(c->released()) << "it keeps its slot";
    b->end_release();
    c->end_release();  // was none
    EXPECT_TRUE(c->release());
    EXPECT_FALSE(start("d")->release());
    EXPECT_THAT(lines.lines, ElementsAre(line("a"), line("b"), line("c")));
}

TEST_F(Release, IsNothingBeforeTheJobBeginsAndAfterItHasEnded) {
    const auto ahead = start("a", true);
    EXPECT_FALSE(ahead->release());
    ahead->token().set_turn(true);
    ahead->close();
    EXPECT_FALSE(ahead->release());
    EXPECT_THAT(lines.lines, IsEmpty());
}

// ---- what hello says

TEST(FilesOffer, ReachesTheAuthorAndDecidesAboutTheFeature) {
    ipc::Hello hello;
    struct Context : ConnectorContext {
        void set_status(bool, bool, const std::string&, const std::string&, const Json&) override {}
        void update_capabilities(const Json&) override {}
        void restart_service(const std::string&) override {}
        void log(const std::string&, const std::string&, const Json&) override {}
        bool stopping() const override { return false; }
    } context;
    Maker maker([](JobContext&) { return RawResult{"{}"}; });
    EXPECT_FALSE(std::get<ipc::Ready>(start_connector(maker, "c", hello, context)).features.files)
        << "an older worker would complain";
    EXPECT_FALSE(maker.offer);
    hello.files = ipc::FilesOffer{{"s3"}, 7, 1, 99, {"s3"}, {"mine"}};
    EXPECT_TRUE(std::get<ipc::Ready>(start_connector(maker, "c", hello, context)).features.files);
    const auto& offer = maker.offer;
    ASSERT_TRUE(offer);
    EXPECT_THAT(offer->stores, ElementsAre("s3"));
    EXPECT_EQ(offer->max_files, 7);
    EXPECT_EQ(offer->released, 1);
    EXPECT_EQ(offer->max_bytes, 99u);
    EXPECT_THAT(offer->deliver, ElementsAre("s3"));
    EXPECT_THAT(offer->jobs, ElementsAre("mine"));
}

}  // namespace
}  // namespace emprops::sdk
