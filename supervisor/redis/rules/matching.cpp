#include "supervisor/redis/rules/matching.h"

#include <algorithm>
#include <string_view>

#include "ipc/envelope.h"
#include "ipc/json_text.h"

namespace emprops::redis {
namespace {

using Json = nlohmann::json;

Judgement passes(std::string why) {
    return {Verdict::passes, std::move(why)};
}
Judgement poison(std::string why) {
    return {Verdict::poison, std::move(why)};
}
bool takes(const Judgement& judgement) {
    return judgement.verdict == Verdict::takes;
}

/// The function cannot tell an empty object from an empty list.
bool is_list(const Json& value) {
    return value.is_array() || (value.is_object() && value.empty());
}

bool contains(const Json& list, const Json& value) {
    return list.is_array() && std::find(list.begin(), list.end(), value) != list.end();
}

/// The member of this name; null: there is none.
const Json* member(const Json& object, std::string_view name) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(name);
    return found == object.end() ? nullptr : &*found;
}

/// Where a dotted name leads.
const Json* at_path(const Json& capabilities, std::string_view path) {
    const Json* place = &capabilities;
    while (place != nullptr) {
        const auto dot = path.find('.');
        place = member(*place, path.substr(0, dot));
        if (dot == path.npos) break;
        path.remove_prefix(dot + 1);
    }
    return place;
}

/// No objects in it: the function compares these one level deep only.
bool satisfies_plain(const Json& offered, const Json& required) {
    if (required.is_null() || (required.is_object() && !required.empty())) return false;
    if (is_list(required))
        return is_list(offered) && std::all_of(required.begin(), required.end(),
                                               [&](const Json& each) { return contains(offered, each); });
    if (offered.is_array()) return contains(offered, required);
    if (required.is_number()) return offered.is_number() && offered >= required;
    return offered == required;
}

bool satisfies(const Json& capabilities, const std::string& name, const Json& required) {
    const Json* offered = at_path(capabilities, name);
    if (offered == nullptr) return false;
    if (!required.is_object() || required.empty()) return satisfies_plain(*offered, required);
    return offered->is_object() &&
           std::all_of(required.items().begin(), required.items().end(), [&](const auto& each) {
               const Json* sub = member(*offered, each.key());
               return sub != nullptr && satisfies_plain(*sub, each.value());
           });
}

// ---- one requirement each

Judgement judge_workflow(const Json& capabilities, const JobFields& job) {
    const Json* pinned = member(capabilities, "workflow_id");
    if (pinned == nullptr || *pinned == "") return {};
    if (*pinned == job.workflow_id) return {};
    return passes("workflow_id: this worker serves one workflow only");
}

Judgement judge_service(const Json& capabilities, const JobFields& job) {
    if (!job.service_required) return {};
    const Json* map = member(capabilities, "job_service_required_map");
    if (map != nullptr && contains(*map, *job.service_required)) return {};
    return passes("service_required: \"" + *job.service_required + "\" is not served here");
}

Judgement judge_hardware(const Json& capabilities, const Json& required) {
    if (required.is_string() || required.is_array()) return {};
    if (!required.is_object()) return poison("hardware must be an object");
    const Json* offered = member(capabilities, "hardware");
    for (const char* name : {"gpu_memory_gb", "cpu_cores", "ram_gb"}) {
        const Json* wanted = member(required, name);
        if (wanted == nullptr || *wanted == "all") continue;
        if (!wanted->is_number())
            return poison("hardware." + std::string(name) + " must be a number or \"all\"");
        const Json* there = offered == nullptr ? nullptr : member(*offered, name);
        const bool enough = there != nullptr && there->is_number() ? *there >= *wanted : *wanted <= 0;
        if (!enough)
            return passes("hardware." + std::string(name) + ": " + ipc::dump(*wanted) + " is wanted");
    }
    return {};
}

Judgement judge_models(const Json& capabilities, const JobFields& job, const Json& required) {
    if (!required.is_array()) return {};
    const Json* models = member(capabilities, "models");
    const Json* held =
        models != nullptr && job.service_required ? member(*models, *job.service_required) : nullptr;
    for (const Json& name : required) {
        if (held != nullptr && contains(*held, name)) continue;
        if (!name.is_string() && !name.is_number()) return poison("models must be a list of names");
        return passes("models: " + ipc::dump(name) + " is not here");
    }
    return {};
}

Judgement judge_customer(const Json& capabilities, const JobFields& job, const Json& isolation) {
    const Json* access = member(capabilities, "customer_access");
    const auto of = [&](const char* name) { return access == nullptr ? nullptr : member(*access, name); };
    if (isolation == "strict") {
        const Json* own = of("isolation");
        if (own == nullptr || *own != "strict") return passes("customer_isolation: strict is wanted");
    }
    const Json* allowed = of("allowed_customers");
    if (allowed != nullptr && is_list(*allowed) && !contains(*allowed, job.customer_id))
        return passes("customer_id is not among those that this worker serves");
    const Json* denied = of("denied_customers");
    if (denied != nullptr && contains(*denied, job.customer_id))
        return passes("customer_id is among those that this worker does not serve");
    return {};
}

Judgement judge_wanted(const Json& capabilities, const JobFields& job, const Json& wanted) {
    for (const auto& each : wanted.items()) {
        const std::string& name = each.key();
        Judgement judgement;
        if (name == "hardware")
            judgement = judge_hardware(capabilities, each.value());
        else if (name == "models")
            judgement = judge_models(capabilities, job, each.value());
        else if (name == "customer_isolation")
            judgement = judge_customer(capabilities, job, each.value());
        else if (name != "service_type" && !satisfies(capabilities, name, each.value()))
            judgement = passes(name + ": " + ipc::dump(each.value()) + " is wanted");
        if (!takes(judgement)) return judgement;
    }
    return {};
}

Judgement judge_unwanted(const Json& capabilities, const Json& unwanted) {
    for (const auto& each : unwanted.items()) {
        bool there = false;
        if (each.key() == "hardware") {
            if (!each.value().is_structured()) return poison("negative hardware must be an object");
            for (const auto& sub : each.value().items())
                there = there || satisfies(capabilities, "hardware." + sub.key(), sub.value());
        } else {
            there = satisfies(capabilities, each.key(), each.value());
        }
        if (there) return passes(each.key() + ": " + ipc::dump(each.value()) + " is not wanted");
    }
    return {};
}

/// Objects, and the empty list, which the function takes for one.
bool is_table(const Json& value) {
    return value.is_object() || (value.is_array() && value.empty());
}

Judgement judge_requirements(const Json& capabilities, const JobFields& job) {
    if (!Json::accept(job.requirements)) return {};  // empty, or nothing that the function could read
    if (const auto bad = ipc::check_json(job.requirements)) return poison("requirements: " + bad->reason);
    const Json requirements = Json::parse(job.requirements, nullptr, false);
    if (!is_table(requirements)) return poison("requirements must be an object");
    const Json* wrapped = member(requirements, "positive_requirements");
    const Json& wanted = wrapped == nullptr ? requirements : *wrapped;
    if (!is_table(wanted)) return poison("positive_requirements must be an object");
    if (auto judgement = judge_wanted(capabilities, job, wanted); !takes(judgement)) return judgement;
    const Json* unwanted = member(requirements, "negative_requirements");
    if (unwanted == nullptr) return {};
    if (!is_table(*unwanted)) return poison("negative_requirements must be an object");
    return judge_unwanted(capabilities, *unwanted);
}

}  // namespace

Judgement judge(const Json& capabilities, const JobFields& job) {
    if (auto judgement = judge_workflow(capabilities, job); !takes(judgement)) return judgement;
    if (auto judgement = judge_service(capabilities, job); !takes(judgement)) return judgement;
    return judge_requirements(capabilities, job);
}

}  // namespace emprops::redis
