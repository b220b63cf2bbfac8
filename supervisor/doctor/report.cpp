#include "supervisor/doctor/report.h"

#include <algorithm>
#include <cstddef>

#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "supervisor/base/log_format.h"

namespace emprops::doctor {
namespace {

std::size_t count(const std::vector<Finding>& findings, Verdict verdict) {
    return static_cast<std::size_t>(std::count_if(
        findings.begin(), findings.end(), [&](const Finding& each) { return each.verdict == verdict; }));
}

const char* colour_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::passed:
            return "\x1b[32m";
        case Verdict::failed:
            return "\x1b[31;1m";
        case Verdict::note:
            return "\x1b[33m";
        default:
            return "\x1b[2m";
    }
}

std::string padded(std::string text, std::size_t width) {
    return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}

/// Printable, and no markup.
std::string xml(const std::string& text) {
    std::string out;
    for (const char c : one_line(text)) {
        switch (c) {
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '&':
                out += "&amp;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string summary(const std::vector<Finding>& findings) {
    std::string text;
    for (const Verdict verdict :
         {Verdict::passed, Verdict::note, Verdict::failed, Verdict::not_tried, Verdict::not_reached})
        if (const std::size_t number = count(findings, verdict); number > 0)
            add_item(text, std::to_string(number) + " " + to_string(verdict));
    return text;
}

}  // namespace

bool healthy(const std::vector<Finding>& findings) {
    return count(findings, Verdict::failed) == 0;
}

std::string table(const std::vector<Finding>& findings, bool colour) {
    std::string out;
    for (const Finding& each : findings) {
        const std::string verdict = padded(to_string(each.verdict), 12);
        out += colour ? colour_of(each.verdict) + verdict + "\x1b[0m" : verdict;
        out += padded(each.check->name, 18) + one_line(each.text.empty() ? each.check->reason : each.text) +
               "\n";
        if (each.verdict != Verdict::failed) continue;
        const std::string indent(30, ' ');
        out += indent + "cure: " + each.check->cure + "\n";
        out += indent + "why:  " + each.check->reason + " (PROTOCOL.md, \"" + each.check->paragraph + "\")\n";
    }
    return out + "\n" + summary(findings) + "\n";
}

ipc::Json json(const std::string& connector, const std::vector<Finding>& findings) {
    ipc::Json list = ipc::Json::array();
    for (const Finding& each : findings)
        list.push_back({{"check", each.check->name},
                        {"verdict", to_string(each.verdict)},
                        {"text", each.text},
                        {"reason", each.check->reason},
                        {"paragraph", each.check->paragraph},
                        {"cure", each.check->cure}});
    return {{"connector", connector}, {"healthy", healthy(findings)}, {"checks", std::move(list)}};
}

std::string junit(const std::string& connector, const std::vector<Finding>& findings) {
    const std::string name = xml(connector);
    const std::size_t skipped = count(findings, Verdict::not_tried) + count(findings, Verdict::not_reached);
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"" + name +
                      "\" tests=\"" + std::to_string(findings.size()) + "\" failures=\"" +
                      std::to_string(count(findings, Verdict::failed)) + "\" skipped=\"" +
                      std::to_string(skipped) + "\">\n";
    for (const Finding& each : findings) {
        out += "  <testcase classname=\"" + name + "\" name=\"" + each.check->name + "\"";
        const std::string text = xml(each.text);
        if (each.verdict == Verdict::failed)
            out += "><failure message=\"" + text + "\">" + xml(each.check->cure) + "</failure></testcase>\n";
        else if (each.verdict == Verdict::not_tried || each.verdict == Verdict::not_reached)
            out += "><skipped message=\"" + text + "\"/></testcase>\n";
        else
            out += "/>\n";
    }
    return out + "</testsuite>\n";
}

}  // namespace emprops::doctor
