#include "config/fields.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "ipc/text/values.h"
#include "ipc/text/variables.h"

namespace emprops::config {

using settings::of_member;
using settings::Retired;
using settings::Row;
using settings::RowInfo;
using settings::Rows;

namespace {

class Tables {
  public:
    std::vector<Field> take() { return std::move(fields_); }

    void add(std::string_view table, const Rows<Settings>& rows) {
        for (const Row<Settings>& row : rows)
            add(table, row).in_settings = row;
    }
    void add(std::string_view table, const Rows<ConnectorSettings>& rows, bool inherited = false) {
        for (const Row<ConnectorSettings>& row : rows) {
            Field& field = add(table, row);
            field.in_connector = row;
            field.inherited = inherited;
        }
    }
    /// [supervision], and the same key in each [connectors.NAME].
    void add_supervision() {
        for (const Row<SupervisionSettings>& row : supervision_rows()) {
            Field& field = add("supervision", row);
            field.in_settings = of_member(&Settings::supervision, row);
            field.in_connector = of_member(&ConnectorSettings::supervision, row);
        }
    }

  private:
    Field& add(std::string_view table, const RowInfo& row) {
        Field& field = fields_.emplace_back();
        static_cast<RowInfo&>(field) = row;
        field.table = table;
        return field;
    }

    std::vector<Field> fields_;
};

std::vector<Field> make_fields() {
    Tables tables;
    tables.add("", top_rows());
    tables.add("worker", of_member(&Settings::worker, worker_rows()));
    tables.add("hub", of_member(&Settings::hub, hub_rows()));
    tables.add("local_hub", of_member(&Settings::local_hub, local_hub_rows()));
    tables.add("log", of_member(&Settings::log, log_rows()));
    tables.add("control", of_member(&Settings::control, control_rows()));
    tables.add("files", of_member(&Settings::files, files_rows()));
    tables.add_supervision();
    tables.add("connectors.NAME", connector_rows());
    tables.add(service_table, of_member(&ConnectorSettings::service, service_rows()));
    tables.add(service_table, of_member(&ConnectorSettings::service, inherited_service_rows()), true);
    return tables.take();
}

constexpr std::array<std::string_view, 3> connector_lists = {"EMPROPS_CONNECTORS", "WORKER_CONNECTORS",
                                                             "CONNECTORS"};

/// Settings of version 0.1.0 that nobody had a reason to turn. Those of [supervision] stood in [connectors.NAME] too.
constexpr std::array<Retired, 16> retired = {{
    {"hub.claim_timeout", "the answer to a claim is waited for 10 s"},
    {"hub.refusal_memory", "a job whose claim was refused is let alone for 1 min"},
    {"hub.bad_token_retry", "after a refused token the next try is 5 min later"},
    {"hub.receive_limit", "a frame of the Hub may have 64 MiB"},
    {"hub.max_assembly_bytes", "incomplete chunked messages may hold 256 MiB"},
    {"hub.assembly_timeout", "an incomplete chunked message is dropped after 5 min"},
    {"local_hub.stale_claim_after", "a claimed job without progress goes back to the queue after 30 s"},
    {"local_hub.history", "finished jobs are forgotten after 7 days"},
    {"supervision.backoff_jitter", "a delay before a restart varies by 20 percent"},
    {"supervision.backoff_reset", "the delay starts anew once the process was up for 1 min"},
    {"supervision.stdin_queue_bytes", "4 MiB may wait for a connector's stdin"},
    {"supervision.evidence_stderr_lines", "a death report has the last 50 lines"},
    {"supervision.evidence_messages", "a death report has the last 20 messages"},
    {"service.backoff_jitter", "a delay before a restart varies by 20 percent"},
    {"service.backoff_reset", "the delay starts anew once the service was healthy for 1 min"},
    {"service.evidence_stderr_lines", "a death report has the last 50 lines"},
}};

}  // namespace

std::string Field::full_key() const {
    return table.empty() ? key : std::string(table) + "." + key;
}

std::string Field::connector_key() const {
    return of_service() ? "service." + key : key;
}

std::string Field::variable() const {
    return "EMPROPS_" + text::variable_name(full_key());
}

std::vector<std::string> Field::variables() const {
    if (!own_variable) return {};
    std::vector<std::string> names{variable()};
    names.insert(names.end(), legacy.begin(), legacy.end());
    return names;
}

settings::Json Field::default_value() const {
    return in_settings ? in_settings->value(Settings()) : in_connector->value(ConnectorSettings());
}

std::span<const Field> fields() {
    static const std::vector<Field> table = make_fields();
    return table;
}

const Field* find_field(std::string_view table, std::string_view key) {
    for (const Field& field : fields()) {
        if (field.table == table && field.key == key) return &field;
    }
    return nullptr;
}

const Field* find_connector_field(std::string_view key) {
    if (key.starts_with("service.")) return find_field(service_table, key.substr(8));
    for (const Field& field : fields()) {
        if (field.in_connector && !field.of_service() && field.key == key) return &field;
    }
    return nullptr;
}

std::vector<std::string> table_names() {
    std::vector<std::string> names;
    for (const Field& field : fields()) {
        if (field.table.empty() || !field.in_settings) continue;
        if (names.empty() || names.back() != field.table) names.emplace_back(field.table);
    }
    return names;
}

std::string full_key(const ConnectorSettings& connector, std::string_view key) {
    return "connectors." + connector.name + "." + std::string(key);
}

const Retired* find_retired(std::string_view full_key) {
    std::string key(full_key);
    if (key.starts_with("connectors.")) {
        const std::size_t name = key.find('.', key.find('.') + 1);
        if (name == std::string::npos) return nullptr;
        key = key.substr(name + 1);
        if (!key.starts_with("service.")) key = "supervision." + key;
    }
    const auto found =
        std::find_if(retired.begin(), retired.end(), [&key](const Retired& each) { return each.key == key; });
    return found == retired.end() ? nullptr : found;
}

const Retired* find_retired_variable(std::string_view name) {
    const auto ends = [name](std::string_view key) {
        const std::string upper = "_" + text::variable_name(key.substr(key.find('.') + 1));
        return name.starts_with("EMPROPS_CONNECTORS_") && name.ends_with(upper);
    };
    for (const Retired& each : retired) {
        if (name == "EMPROPS_" + text::variable_name(each.key)) return &each;
        if ((each.key.starts_with("supervision.") || each.key.starts_with("service.")) && ends(each.key))
            return &each;
    }
    return nullptr;
}

std::span<const std::string_view> connector_list_variables() {
    return connector_lists;
}

bool sets_a_field(std::string_view variable) {
    return std::any_of(fields().begin(), fields().end(), [variable](const Field& field) {
        const std::vector<std::string> names = field.variables();
        return text::has_item(names, variable);
    });
}

bool is_worker_secret(std::string_view variable) {
    for (const Field& field : fields()) {
        if (!field.secret && !field.may_hold_token) continue;
        const std::vector<std::string> names = field.variables();
        if (text::has_item(names, variable)) return true;
    }
    return false;
}

ProcessSettings inherited_by_service(const ProcessSettings& connector) {
    ProcessSettings own = service_supervision();
    static_cast<RestartSettings&>(own) = connector;
    static_cast<RightsSettings&>(own) = connector;
    own.stop.term_grace = connector.stop.term_grace;
    own.stop.kill_grace = connector.stop.kill_grace;
    return own;
}

}  // namespace emprops::config
