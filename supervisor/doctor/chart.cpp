#include <algorithm>
#include <stdexcept>
#include <utility>

#include "supervisor/doctor/check.h"

namespace emprops::doctor {
namespace {

int weight(Verdict verdict) {
    switch (verdict) {
        case Verdict::not_reached:
            return 0;
        case Verdict::not_tried:
            return 1;
        case Verdict::passed:
            return 2;
        case Verdict::note:
            return 3;
        case Verdict::failed:
            return 4;
    }
    return 0;
}

}  // namespace

const char* to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::passed:
            return "passed";
        case Verdict::note:
            return "note";
        case Verdict::failed:
            return "failed";
        case Verdict::not_tried:
            return "not tried";
        case Verdict::not_reached:
            return "not reached";
    }
    return "";
}

const Check& check(std::string_view name) {
    for (const Check& each : checks()) {
        if (name == each.name) return each;
    }
    throw std::logic_error("there is no check " + std::string(name));
}

bool Chart::failed(std::string_view name) const {
    return std::any_of(found_.begin(), found_.end(), [&](const Finding& each) {
        return each.check->name == name && each.verdict == Verdict::failed;
    });
}

void Chart::set(std::string_view name, Verdict verdict, std::string text) {
    const Check& of = check(name);
    for (Finding& each : found_) {
        if (each.check != &of) continue;
        if (weight(verdict) > weight(each.verdict)) each = {&of, verdict, std::move(text)};
        return;
    }
    found_.push_back({&of, verdict, std::move(text)});
}

std::vector<Finding> Chart::findings(Level level) const {
    std::vector<Finding> all;
    for (const Check& each : checks()) {
        if (each.level > level) continue;
        Finding finding{&each, Verdict::not_reached, "a failure stands before it"};
        for (const Finding& found : found_) {
            if (found.check == &each) finding = found;
        }
        all.push_back(std::move(finding));
    }
    return all;
}

}  // namespace emprops::doctor
