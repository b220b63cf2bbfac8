#pragma once
// One file on its way: the stores of its order one after the other, each tried again while that may help and there is
// time. Blocking, on the job's thread; one object per job.

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "connectors/courier/forms.h"
#include "connectors/courier/order.h"
#include "connectors/courier/reporter.h"
#include "connectors/courier/settings.h"
#include "connectors/stores/cargo/open_cargo.h"
#include "connectors/stores/store.h"
#include "connectors/stores/tries.h"
#include "emprops/connector.h"

namespace emprops::courier {

class Delivery {
  public:
    /// All of it outlives the object.
    Delivery(const Settings& settings, const Order& order, Forms& forms, const std::string& work_dir,
             stores::HttpClient& http, JobContext& context);

    /// The job's result. Throws JobFailure: with each store's reason, or "cancelled".
    Json run();

  private:
    /// Why a store does not have the file.
    struct Miss {
        std::string store;
        std::string why, cure{};
        std::optional<stores::Setback> setback{};
    };
    /// The file was changed while it was read.
    struct Changed {};

    std::variant<Json, Changed> round();
    std::variant<stores::Placed, Miss, Changed> try_at(const std::string& name, const stores::Cargo& cargo);
    /// The file of the spool, or the one in its wanted form, which is made where it is not there yet.
    const stores::Cargo& cargo_for(bool link);
    Form make_form();
    stores::Cargo read_cargo(const stores::OpenCargo* file, const std::string& name,
                             const std::string& mime_type);
    bool is_link(const std::string& store) const;
    std::variant<std::unique_ptr<stores::Store>, Miss> open(const std::string& name, stores::Road road) const;
    std::variant<std::unique_ptr<stores::Store>, Miss> open_own(const OwnPlace& to, stores::Road road) const;
    bool is_own(const std::string& name) const { return order_.to && order_.to->name == name; }
    std::string claim() const;
    void open_file();
    void take_back();
    stores::Road road_to(const std::string& store);
    bool changed() const { return file_ && !file_->is_unchanged(); }
    bool pause(const std::string& store, stores::Ms time, const std::string& why);
    Json result_of(const std::string& store, bool link, const stores::Cargo& cargo,
                   stores::Placed placed) const;
    [[noreturn]] void fail() const;
    [[noreturn]] void fail_cancelled() const;
    bool cancelled() const { return context_.cancelled(); }

    const Settings& settings_;
    const Order& order_;
    Forms& forms_;
    const std::string& work_dir_;
    stores::HttpClient& http_;
    JobContext& context_;
    Reporter reporter_;
    const TimePoint began_;
    std::optional<stores::OpenCargo> file_;
    std::optional<Form> form_;                     // of this round
    std::optional<stores::Cargo> plain_, formed_;  // likewise
    std::vector<Miss> misses_;
    bool told_form_ = false;
    std::string swept_;  ///< the store where nothing is left of an earlier try
};

/// The failure of a file that no store took: code, whether another try may help, the sentence with reasons and cures,
/// details.stores. Pure.
struct Refusal {
    std::string store, why, cure;
    bool passing = false;
    std::optional<stores::Trouble> trouble{};  ///< nothing: it was no store for this file
};
JobFailure failure_of(const std::string& name, const std::vector<Refusal>& refusals);

}  // namespace emprops::courier
