#pragma once
// The form in which a file goes away: as it is, converted, without its metadata. Has the work done by another program
// (connectors/convert), one process per file: this one holds credentials and looks into no stranger's file itself. One
// object for all jobs; any thread.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "connectors/convert/launch/child.h"
#include "connectors/convert/launch/order.h"
#include "connectors/courier/order.h"
#include "connectors/courier/settings.h"
#include "connectors/courier/turns.h"
#include "connectors/stores/cargo/open_cargo.h"

namespace emprops::courier {

/// What is to be brought away in place of the file in the spool.
struct Form {
    std::optional<stores::OpenCargo> file{};  ///< nothing: the one in the spool
    std::string name, mime_type;
    std::string note{};                    ///< "left as it is: ...", for its entry
    std::optional<Json> converted_from{};  ///< mime_type and size, for its entry
};

class Forms {
  public:
    using Warn = std::function<void(const std::string&)>;
    Forms(const Settings& settings, Warn warn) : settings_(settings), warn_(std::move(warn)) {}

    /// Blocking. `go_on` is asked all the time; false: what comes out is of no use. `work_dir`: for an operator's command.
    /// Throws JobFailure where metadata that have to go cannot be taken out; whatever else fails leaves the file as it is,
    /// with a note.
    Form make(const Order& order, const stores::OpenCargo& original, const std::string& work_dir,
              const std::function<bool()>& go_on);

    /// Conversions at a time: each may need a gigabyte and a processor, and the GPU's jobs need them more.
    static constexpr std::size_t most_at_once = 2;

  private:
    using GoOn = std::function<bool()>;
    /// One of the places of conversions, while it lives.
    class Turn;

    void convert_image(const Order& order, const stores::OpenCargo& original, const GoOn& go_on, Form& form);
    void convert_video(const Order& order, const stores::OpenCargo& original, const std::string& work_dir,
                       const GoOn& go_on, Form& form);
    void strip(const Order& order, const stores::OpenCargo& from, const GoOn& go_on, Form& form);
    convert::Reply ask(convert::Order order, std::vector<int> descriptors, const GoOn& go_on);
    void warn_once(const std::string& what);

    const Settings& settings_;
    const Warn warn_;
    std::mutex mutex_;
    std::condition_variable free_;
    Turns turns_{most_at_once};
    std::string warned_;
};

}  // namespace emprops::courier
