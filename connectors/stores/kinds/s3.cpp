#include "connectors/stores/kinds/s3.h"

#include "connectors/stores/kinds/s3_bucket.h"
#include "connectors/stores/names/key_template.h"
#include "connectors/stores/names/target_names.h"
#include "ipc/text/percent.h"

namespace emprops::stores {
namespace {

class S3 : public Store {
  public:
    S3(S3Settings settings, Words words, Road road, S3Limits limits)
        : settings_(std::move(settings)), words_(std::move(words)), road_(std::move(road)), limits_(limits) {}

    Outcome bring(const Cargo& cargo) override {
        const std::string key = names_.give(cargo.owner, key_of(settings_.key, cargo.values));
        auto failed = cargo.size > limits_.single_bytes ? parts_.bring(key, cargo) : put(key, cargo);
        if (failed) return std::move(*failed);
        const std::string url = settings_.public_url.empty()
                                    ? bucket_.url(key)
                                    : settings_.public_url + "/" + text::percent_encode(key, "/");
        return Placed{{{"bucket", settings_.bucket}, {"key", key}, {"url", url}}};
    }

    void give_up() override { parts_.give_up(); }
    bool take_back(const Json& begun) override { return parts_.take_back(begun); }

  private:
    /// In one request. What has an answer that was lost is looked for.
    std::optional<Setback> put(const std::string& key, const Cargo& cargo) {
        if (auto failed = bucket_.look(key, cargo, condition_)) return failed;
        if (condition_.is_done()) return {};
        auto headers = bucket_.notes(cargo);
        condition_.add_to(headers);
        auto put = bucket_.request({"PUT", key, {}, std::move(headers), cargo.sha256});
        if (!put.ok()) return Setback{put.error().message, false, Ms{0}, Trouble::configuration};
        carry(*put, uploads_, cargo, 0, cargo.size);
        const auto answer = road_.http.send(*put);
        auto failed = judge(answer, *put, uploads_, cargo);
        if (!failed || road_.cancelled()) return failed;
        if (is_lost(answer) && bucket_.has(key, cargo).value_or(false)) return {};
        if (condition_.dropped_by(answer)) return this->put(key, cargo);
        condition_.judge(answer, *failed);
        return failed;
    }

    const S3Settings settings_;
    const Words words_;
    const Road road_;
    const S3Limits limits_;
    const Uploads uploads_{settings_, words_, road_};
    const S3Bucket bucket_{settings_, uploads_};
    S3Multipart parts_{bucket_, uploads_, limits_};
    TargetNames names_;
    Condition condition_;
};

}  // namespace

std::unique_ptr<Store> make_s3(S3Settings settings, Words words, Road road, S3Limits limits) {
    return std::make_unique<S3>(std::move(settings), std::move(words), std::move(road), limits);
}

}  // namespace emprops::stores
