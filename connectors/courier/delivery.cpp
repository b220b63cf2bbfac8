#include "connectors/courier/delivery.h"

#include <algorithm>
#include <random>
#include <utility>

#include "connectors/stores/cargo/reader.h"
#include "connectors/stores/kinds/put.h"
#include "connectors/stores/names/key_template.h"
#include "ipc/text/nearest.h"
#include "ipc/text/people.h"
#include "ipc/text/values.h"
#include "ipc/web/digest.h"

namespace emprops::courier {
namespace {

using stores::Ms;

constexpr Ms first_pause{500}, longest_pause{30'000};
constexpr Ms look_pause{2'000};
constexpr int most_rounds = 2;
/// Of a file that an earlier courier could convert: what failed now may pass.
constexpr int most_forms = 2;
constexpr const char* begun_request = "upload_begun";
constexpr const char* form_request = "form_made";

double chance() {
    thread_local std::minstd_rand random{std::random_device{}()};
    return std::uniform_real_distribution<>(0, 1)(random);
}

const char* code_of(stores::Trouble trouble) {
    switch (trouble) {
        case stores::Trouble::access:
            return "access_denied";
        case stores::Trouble::too_large:
            return "result_too_large";
        case stores::Trouble::store:
            return "service_unavailable";
        default:
            return "internal";
    }
}

}  // namespace

JobFailure failure_of(const std::string& name, const std::vector<Refusal>& refusals) {
    std::string reasons, cures;
    Json by_store = Json::object();
    const auto passing =
        std::find_if(refusals.begin(), refusals.end(), [](const auto& each) { return each.passing; });
    auto cause = passing;
    if (cause == refusals.end())
        cause = std::find_if(refusals.begin(), refusals.end(),
                             [](const auto& each) { return each.trouble.has_value(); });
    for (const Refusal& each : refusals) {
        add_item(reasons, each.store + ": " + each.why, "; ");
        if (!each.cure.empty()) add_item(cures, each.cure, ", or ");
        by_store[each.store] = each.why;
    }
    // A file for which no store is meant is one that has grown too large for a result, or has no address.
    const std::string code = cause == refusals.end()     ? "result_too_large"
                             : passing != refusals.end() ? "service_unavailable"
                                                         : code_of(*cause->trouble);
    return JobFailure(
        code, "\"" + name + "\" cannot be delivered: " + reasons + (cures.empty() ? "" : ". To do: " + cures),
        passing != refusals.end(), {{"stores", by_store}});
}

Delivery::Delivery(const Settings& settings, const Order& order, Forms& forms, const std::string& work_dir,
                   stores::HttpClient& http, JobContext& context)
    : settings_(settings),
      order_(order),
      forms_(forms),
      work_dir_(work_dir),
      http_(http),
      context_(context),
      reporter_([&context](std::optional<double> percent, const std::string& message) {
          context.progress(percent, message, "delivering");
      }),
      began_(Clock::now()) {}

Json Delivery::run() {
    take_back();
    if (order_.given_up) return {{"entry", Json::object()}};
    if (!order_.path.empty()) open_file();
    for (int i = 0; i < most_rounds; ++i) {
        auto end = round();
        if (auto* result = std::get_if<Json>(&end)) return std::move(*result);
        file_->renew();
    }
    throw JobFailure("internal",
                     "\"" + order_.name +
                         "\" was changed while it was delivered, twice: whoever made it still writes to it",
                     false);
}

stores::Road Delivery::road_to(const std::string& store) {
    return {http_,
            [this] {
                reporter_.tick();
                return cancelled();
            },
            [this](std::uint64_t bytes) { reporter_.moved(bytes); }, order_.repeat && store != swept_,
            [this, store](const Json& begun) {
                Json told = begun;
                told["store"] = store;
                context_.service_request(store, begun_request, told);
            }};
}

/// An earlier courier may have begun an upload at a store that is not even asked any more.
void Delivery::take_back() {
    if (!order_.begun.contains("store") || !order_.begun["store"].is_string()) return;
    const std::string name = order_.begun["store"];
    auto opened = open(name, road_to(name));
    auto* store = std::get_if<std::unique_ptr<stores::Store>>(&opened);
    if (store != nullptr && (*store)->take_back(order_.begun)) swept_ = name;
}

void Delivery::open_file() {
    if (settings_.spool.empty()) throw JobFailure("internal", "the courier has no spool: set spool");
    auto opened = stores::open_cargo(settings_.spool, order_.path);
    if (opened.ok()) {
        file_ = std::move(*opened);
        if (!order_.size || *order_.size == file_->size()) return;
        throw JobFailure("lost",
                         "\"" + order_.name + "\" has " + exact_bytes(file_->size()) + " and had " +
                             exact_bytes(*order_.size) + " when its job ended: it is not delivered",
                         false);
    }
    const std::string& code = opened.error().code;
    const std::string name = code == "not_found"   ? "lost"
                             : code == "forbidden" ? "invalid_payload"
                                                   : "internal";
    throw JobFailure(name, opened.error().message, name == "internal");
}

bool Delivery::is_link(const std::string& store) const {
    const stores::AnyStore* const known = settings_.catalog.find(store);
    return known != nullptr && std::holds_alternative<stores::ReferenceSettings>(*known);
}

const stores::Cargo& Delivery::cargo_for(bool link) {
    if (link || !file_ || !order_.wants_form()) {
        if (!plain_) plain_ = read_cargo(file_ ? &*file_ : nullptr, order_.name, order_.mime_type);
        return *plain_;
    }
    if (!form_) {
        form_ = make_form();
        if (cancelled()) fail_cancelled();
    }
    if (!formed_) formed_ = read_cargo(form_->file ? &*form_->file : &*file_, form_->name, form_->mime_type);
    return *formed_;
}

/// Under which name it goes is told before it does: whoever goes on after our death keeps to it, so that no second object
/// appears under another name.
Form Delivery::make_form() {
    reporter_.begin("prepares \"" + order_.name + "\" (" + human_bytes(file_->size()) + ")", 0);
    Form form;
    for (int i = 0; i < (order_.formed ? most_forms : 1); ++i) {
        form = forms_.make(order_, *file_, work_dir_, [this] {
            reporter_.tick();
            return !cancelled();
        });
        if (form.converted_from || cancelled()) break;
    }
    if (form.converted_from && !std::exchange(told_form_, true) && !order_.formed)
        context_.service_request(order_.name, form_request, Json::object());
    if (!form.converted_from && order_.formed && !form.note.empty())
        form.note += "; an earlier try converted it, and may have left that at a store";
    return form;
}

stores::Cargo Delivery::read_cargo(const stores::OpenCargo* file, const std::string& name,
                                   const std::string& mime_type) {
    stores::Cargo cargo;
    cargo.name = name;
    cargo.mime_type = mime_type;
    cargo.url = order_.url;
    cargo.values = order_.values;
    for (const auto& [word, value] : stores::name_values(name))
        stores::set_value(cargo.values, word, value);
    cargo.owner = order_.path;
    if (file == nullptr) return cargo;
    cargo.descriptor = file->descriptor();
    cargo.size = file->size();
    reporter_.begin("reads \"" + name + "\" (" + human_bytes(cargo.size) + ")", 0);
    const auto hash = stores::sha256_of(cargo.descriptor, 0, cargo.size, [this] {
        reporter_.tick();
        return !cancelled();
    });
    if (cancelled()) fail_cancelled();
    if (hash.ok()) {
        cargo.sha256 = *hash;
        stores::set_value(cargo.values, "sha256", *hash);
    } else if (!changed()) {
        throw JobFailure("internal", "cannot read \"" + name + "\": " + hash.error().message);
    }
    return cargo;
}

std::variant<Json, Delivery::Changed> Delivery::round() {
    misses_.clear();
    form_.reset();
    plain_.reset();
    formed_.reset();
    for (const std::string& name : order_.stores) {
        const bool link = is_link(name);
        if (link && order_.strip) {
            misses_.push_back({name, "it would lead to the file with its metadata", {}, {}});
            continue;
        }
        const stores::Cargo& cargo = cargo_for(link);
        if (changed()) return Changed{};
        auto end = try_at(name, cargo);
        if (cancelled()) fail_cancelled();
        if (auto* miss = std::get_if<Miss>(&end)) {
            misses_.push_back(std::move(*miss));
        } else if (auto* placed = std::get_if<stores::Placed>(&end)) {
            return result_of(name, link, cargo, std::move(*placed));
        } else {
            return Changed{};
        }
    }
    fail();
}

std::variant<std::unique_ptr<stores::Store>, Delivery::Miss> Delivery::open(const std::string& name,
                                                                            stores::Road road) const {
    if (is_own(name)) return open_own(*order_.to, std::move(road));
    if (text::has_item(order_.by_job, name)) {
        OwnPlace to;
        to.name = to.store = name;
        return open_own(to, std::move(road));
    }
    const stores::AnyStore* const known = settings_.catalog.find(name);
    if (known == nullptr) {
        // Another courier may know it: the configuration can have changed while the file was on its way.
        const auto meant = text::meant(name, settings_.catalog.names());
        const std::string why =
            "there is no [stores." + name + "]" + (meant ? "; did you mean \"" + *meant + "\"?" : "");
        return Miss{name, why, {}, stores::Setback{why, true}};
    }
    return stores::Catalog::open(name, *known, road, order_.inline_max_bytes);
}

std::variant<std::unique_ptr<stores::Store>, Delivery::Miss> Delivery::open_own(const OwnPlace& to,
                                                                                stores::Road road) const {
    if (!to.put.empty())
        return stores::make_put({to.name, to.put, to.headers}, settings_.catalog.put_hosts(),
                                std::move(road));
    const stores::AnyStore* const known = settings_.catalog.find(to.store);
    if (known == nullptr || !settings_.catalog.common(to.store).jobs) {
        const std::string why = "there is no [stores." + to.store + "] with jobs = true any more";
        return Miss{to.name, why, {}, stores::Setback{why, false, Ms{0}, stores::Trouble::configuration}};
    }
    road.claim = claim();
    return stores::Catalog::open(to.store, stores::of_job(*known, to.prefix, to.public_url), road, 0);
}

/// The same for the same file of the same job, whoever delivers it: no secret, but no name of a job either.
std::string Delivery::claim() const {
    return sha256_hex(stores::value_of(order_.values, "job_id") + "\n" +
                      stores::value_of(order_.values, "index"));
}

std::variant<stores::Placed, Delivery::Miss, Delivery::Changed> Delivery::try_at(const std::string& name,
                                                                                 const stores::Cargo& cargo) {
    auto opened = open(name, road_to(name));
    if (auto* miss = std::get_if<Miss>(&opened)) return std::move(*miss);
    const auto store = std::get<std::unique_ptr<stores::Store>>(std::move(opened));
    const Ms left = settings_.deliver_timeout - std::chrono::duration_cast<Ms>(Clock::now() - began_);
    stores::Tries tries(
        std::max(left, Ms{0}), [&](Ms time, const std::string& why) { return pause(name, time, why); },
        stores::Pauses{first_pause, longest_pause, chance});
    std::optional<stores::Outcome> outcome;
    bool torn = false, granted = false;
    auto setback = tries.run([&]() -> std::optional<stores::Setback> {
        reporter_.begin(name + ": delivers \"" + order_.name + "\" (" + human_bytes(cargo.size) + ")",
                        cargo.size);
        outcome = store->bring(cargo);
        torn = changed();
        auto* failed = std::get_if<stores::Setback>(&*outcome);
        if (failed == nullptr) return {};
        if (torn || cancelled()) failed->passing = false;
        // A large file may take longer than the time for tries: one more is due to it, with what it has reached.
        if (failed->passing && !std::exchange(granted, true) &&
            Clock::now() - began_ > settings_.deliver_timeout)
            tries.alive();
        return std::move(*failed);
    });
    if (setback || torn) store->give_up();
    if (torn) return Changed{};
    if (setback) return Miss{name, setback->message, {}, std::move(setback)};
    if (auto* not_here = std::get_if<stores::NotHere>(&*outcome))
        return Miss{name, std::move(not_here->why), std::move(not_here->cure), {}};
    return std::move(std::get<stores::Placed>(*outcome));
}

bool Delivery::pause(const std::string& store, Ms time, const std::string& why) {
    const TimePoint until = Clock::now() + time;
    for (;;) {
        const Ms left = std::chrono::duration_cast<Ms>(until - Clock::now());
        if (left <= Ms{0}) return cancelled();
        reporter_.say(store + ": " + why + "; tried again in " +
                      human_duration(std::chrono::ceil<std::chrono::seconds>(left)));
        if (context_.wait_cancelled(std::min(left, look_pause))) return true;
    }
}

Json Delivery::result_of(const std::string& store, bool link, const stores::Cargo& cargo,
                         stores::Placed placed) const {
    Json entry = std::move(placed.entry);
    const bool own = is_own(store);
    entry["delivery"] = !own ? store : order_.to->put.empty() ? order_.to->store : "put";
    if (own && !order_.type_is_told) entry["mime_type"] = cargo.mime_type;
    if (file_) {
        entry["size"] = cargo.size;
        entry["sha256"] = cargo.sha256;
    }
    const bool converted = !link && form_ && form_->converted_from;
    if (converted) entry["converted_from"] = *form_->converted_from;
    const bool wanted = order_.convert != ipc::ConvertWish{} && order_.wants_form();
    if (link && file_ && wanted) entry["conversion"] = "left as it is: a link leads to the file itself";
    if (!link && form_ && !form_->note.empty()) entry["conversion"] = form_->note;
    Json detours = Json::array();
    for (const Miss& miss : misses_) {
        detours.push_back(miss.store + " did not take it: " + miss.why);
        // Whoever sent the job looks for the file where it was to go.
        if (is_own(miss.store)) entry["note"] = detours.back();
    }
    Json result{{"entry", std::move(entry)}, {"detours", std::move(detours)}};
    if (converted) result["file"] = {{"name", cargo.name}, {"mime_type", cargo.mime_type}};
    return result;
}

void Delivery::fail() const {
    std::vector<Refusal> refusals;
    for (const Miss& miss : misses_) {
        refusals.push_back({miss.store, miss.why, miss.cure, miss.setback && miss.setback->passing,
                            miss.setback ? std::optional(miss.setback->trouble) : std::nullopt});
    }
    throw failure_of(order_.name, refusals);
}

void Delivery::fail_cancelled() const {
    throw JobFailure("cancelled", context_.cancel_reason());
}

}  // namespace emprops::courier
