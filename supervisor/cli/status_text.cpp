#include "supervisor/cli/status_text.h"

#include <fmt/format.h>

#include "ipc/text/people.h"
#include "supervisor/base/log_format.h"
#include "supervisor/base/time.h"
#include "supervisor/cli/table.h"

namespace emprops::cli {
namespace {

using ipc::Json;

std::string joined(const Json& list) {
    std::string text;
    for (const auto& item : list)
        add_item(text, item.is_string() ? item.get<std::string>() : item.dump());
    return text;
}

std::int64_t number(const Json& object, const char* key) {
    return object.value(key, std::int64_t{0});
}

std::string label(const Json& instance, const Json& all) {
    std::size_t same = 0;
    for (const auto& other : all)
        same += other["name"] == instance["name"] ? 1 : 0;
    const auto name = instance.value("name", "");
    return same > 1 ? fmt::format("{}/{}", name, number(instance, "index")) : name;
}

std::int64_t sum(const Json& counts) {
    std::int64_t total = 0;
    for (const auto& count : counts)
        total += count.get<std::int64_t>();
    return total;
}

/// Its process is up, whether it may get jobs now or not.
bool is_up(const Json& instance) {
    const auto state = instance.value("state", "");
    return state == "ready" || state == "busy" || state == "unavailable";
}

/// An instance that serves and takes jobs says nothing about itself, unless it has to do without something; any other
/// has a reason.
std::string remark(const Json& instance) {
    const bool serving = is_up(instance);
    const auto because = instance.value("takes_no_jobs_because", "");
    if (serving && !because.empty() && !because.starts_with("unavailable: "))
        return "takes no jobs: " + because;
    if (instance.value("state", "") == "unavailable") return instance.value("why", "");
    if (serving && !because.empty()) return "takes no jobs: " + because;  // a busy one
    if (serving && !instance.value("replacing", false) && number(instance, "leaving") == 0)
        return instance.value("remark", "");
    return instance.value("why", "");
}

void add_service(Table& table, const std::string& connector, const Json& service) {
    const bool runs = number(service, "pid") != 0;
    table.add({connector + " service", service.value("state", ""),
               runs ? std::to_string(number(service, "pid")) : "-",
               runs ? human_duration(Ms(number(service, "uptime_ms"))) : "-",
               runs ? human_bytes(static_cast<std::uint64_t>(number(service, "rss_bytes"))) : "-", "",
               number(service, "port") == 0 ? "" : fmt::format("port {}", number(service, "port"))});
}

/// Whether every service of the connector has been started since `before` and can be used.
bool services_restarted(const std::string& name, const Json& before, const Json& now) {
    const auto starts = [&](const Json& status, std::int64_t index) {
        for (const auto& one : status.at("connectors")) {
            if (one.value("name", "") == name && number(one, "index") == index && one.contains("service"))
                return number(one.at("service").at("counters"), "starts");
        }
        return std::int64_t{0};
    };
    for (const auto& one : now.at("connectors")) {
        if (one.value("name", "") != name || !one.contains("service")) continue;
        const auto index = number(one, "index");
        if (!one.at("service").value("usable", false) || starts(now, index) <= starts(before, index))
            return false;
    }
    return true;
}

}  // namespace

std::string status_text(const Json& status, std::size_t width) {
    const Json& worker = status.at("worker");
    const Json& hub = status.at("hub");
    const Json& jobs = status.at("jobs");
    std::string text;
    text += cut(fmt::format("worker  {}, up {}, pid {}", worker.value("state", ""),
                            human_duration(Ms(number(worker, "uptime_ms"))), number(worker, "pid")),
                width == 0 ? std::string::npos : width) +
            "\n";
    std::string link = fmt::format("hub     {} {}", hub.value("address", ""), hub.value("link", ""));
    if (hub.value("link", "") == "connected") {
        link += fmt::format(" as {}, told: {} [{}]", hub.value("worker_id", ""), hub.value("told_status", ""),
                            joined(hub.at("told_job_types")));
    } else {
        if (hub.contains("next_attempt_in_ms"))
            link +=
                fmt::format(", next attempt in {}", human_duration(Ms(number(hub, "next_attempt_in_ms"))));
        if (!hub.value("last_error", "").empty()) link += ": " + hub.value("last_error", "");
    }
    text += cut(one_line(link), width == 0 ? std::string::npos : width) + "\n";
    if (const auto suspicion = hub.value("suspicion", ""); !suspicion.empty())
        text += one_line("        " + suspicion) + "\n";
    // The Hub's side counts both: jobs taken from us while they ran, and outcomes that it did not want.
    const Json not_delivered = hub.value("not_delivered", Json::object());
    const auto cancelled = number(not_delivered, "cancelled");
    text += fmt::format(
        "jobs    {} running, {}{} completed, {} failed, {} cancelled, {} not reported, {} waiting for the "
        "Hub\n",
        number(jobs, "running"),
        (number(jobs, "held") > 0 ? fmt::format("{} held, ", number(jobs, "held")) : "") +
            (number(jobs, "delivering") > 0 ? fmt::format("{} delivering, ", number(jobs, "delivering"))
                                            : ""),
        number(jobs, "completed"), sum(jobs.at("failed")), cancelled, sum(not_delivered) - cancelled,
        number(hub, "outbox_depth"));
    for (const auto& job : hub.value("withheld_jobs", Json::array()))
        text += one_line("        " + job.value("why", "")) + "\n";
    text += "\n";
    Table table({"CONNECTOR", "STATE", "PID", "UP", "RSS", "JOBS", "TYPES"});
    const Json& connectors = status.at("connectors");
    // Reasons are sentences: below the table, whole, where no column cuts them.
    std::string reasons;
    const auto say = [&](const std::string& who, const std::string& why) {
        if (why.empty()) return;
        reasons += one_line(why.starts_with(who + " ") ? why : who + ": " + why) + "\n";
    };
    for (const auto& one : connectors) {
        const bool runs = number(one, "pid") != 0;
        table.add({label(one, connectors), one.value("state", ""),
                   runs ? std::to_string(number(one, "pid")) : "-",
                   runs ? human_duration(Ms(number(one, "uptime_ms"))) : "-",
                   runs ? human_bytes(static_cast<std::uint64_t>(number(one, "rss_bytes"))) : "-",
                   fmt::format("{}/{}", one.value("jobs", Json::array()).size(),
                               one.value("slots", one.value("concurrency", 0))),
                   joined(one.value("job_types", Json::array()))});
        const std::string said = remark(one);
        say(label(one, connectors), said);
        say(label(one, connectors), one.value("refuses", ""));
        if (!one.contains("service")) continue;
        const Json& service = one.at("service");
        add_service(table, label(one, connectors), service);
        if (!service.value("usable", false) && said.find("its service ") == std::string::npos)
            say(label(one, connectors) + " service", service.value("why", ""));
    }
    if (!reasons.empty()) reasons = "\n" + reasons;
    return text + (table.empty() ? "no connectors are loaded\n" : table.print(width)) + reasons;
}

std::string jobs_text(const Json& jobs, std::size_t width) {
    Table table({"JOB", "TYPE", "STATE", "CONNECTOR", "TRY", "AGE", "%", "LAST MESSAGE"});
    for (const auto& job : jobs.at("jobs")) {
        table.add({job.value("job_id", ""), job.value("job_type", ""), job.value("state", ""),
                   job.value("connector", "-"), std::to_string(number(job, "attempt")),
                   human_duration(Ms(number(job, "assigned_ms_ago"))),
                   job.contains("progress") ? std::to_string(number(job, "progress")) : "-",
                   job.value("message", "")});
    }
    return table.empty() ? "no jobs\n" : table.print(width);
}

bool reached(const std::string& verb, const std::string& name, const Json& before, const Json& now) {
    if (verb == "cancel") {
        for (const auto& job : now.at("jobs")) {
            if (job.value("job_id", "") == name) return false;
        }
        return true;
    }
    // Held, recorded and resuming jobs are with no instance, and count.
    if (verb == "drain" && name.empty() &&
        number(now.at("jobs"), "running") + number(now.at("jobs"), "held") +
                number(now.at("jobs"), "delivering") !=
            0)
        return false;
    if (verb == "restart service") return services_restarted(name, before, now);
    std::map<std::int64_t, std::int64_t> generation_before;
    for (const auto& one : before.at("connectors")) {
        if (one.value("name", "") == name)
            generation_before[number(one, "index")] = number(one, "generation");
    }
    for (const auto& one : now.at("connectors")) {
        if (!name.empty() && one.value("name", "") != name) continue;
        const auto state = one.value("state", "");
        const bool serving = is_up(one);
        const bool settled = serving && !one.value("replacing", false) && number(one, "leaving") == 0;
        if (verb == "restart" &&
            (!settled || number(one, "generation") == generation_before[number(one, "index")]))
            return false;
        if (verb == "start" && !serving) return false;
        if (verb == "stop" && (state != "stopped" || number(one, "leaving") != 0)) return false;
        if (verb == "drain" && (!one.value("jobs", Json::array()).empty() || !one.value("quiet", true)))
            return false;
        const bool ended = state == "stopped" || state == "failed" || state == "breaker_open";
        if (verb == "reload" && !settled && !ended) return false;
        if (verb == "stop" && one.contains("service") && number(one.at("service"), "pid") != 0) return false;
    }
    return true;
}

std::string broken_off(const std::string& verb, const std::string& name, const Json& before,
                       const Json& now) {
    const bool service = verb == "restart service";
    if (!service && verb != "restart" && verb != "start" && verb != "reload") return {};
    // Of an instance that was not there nothing had died.
    const auto deaths = [&](const Json& status, const Json& like) {
        for (const auto& one : status.at("connectors")) {
            if (one["name"] != like["name"] || number(one, "index") != number(like, "index")) continue;
            const Json& counted = service ? one.value("service", Json::object()) : one;
            return number(counted.value("counters", Json::object()), "deaths");
        }
        return std::int64_t{0};
    };
    for (const auto& one : now.at("connectors")) {
        if (!name.empty() && one.value("name", "") != name) continue;
        const Json& shown = service ? one.value("service", Json::object()) : one;
        if (shown.value("state", "") != "failed" && deaths(now, one) <= deaths(before, one)) continue;
        const std::string who = label(one, now.at("connectors"));
        return who + (service ? ": its service " : " ") + shown.value("why", "");
    }
    return {};
}

}  // namespace emprops::cli
