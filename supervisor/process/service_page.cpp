#include "supervisor/process/service_page.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace emprops::process {

namespace {

using Json = nlohmann::json;
constexpr std::string_view each_element = "/*";

/// What a JSON pointer names, if it is there.
const Json* at(const Json& page, const std::string& pointer) {
    try {
        return &page.at(Json::json_pointer(pointer));
    } catch (const Json::exception&) {
        return nullptr;
    }
}

std::optional<std::uint64_t> number_at(const Json& page, const std::string& pointer) {
    const Json* value = at(page, pointer);
    if (value == nullptr || !value->is_number_unsigned()) return std::nullopt;
    return value->get<std::uint64_t>();
}

/// How many elements the list has that "*" stands for; 1 without one.
std::size_t elements(const Json& page, const std::string& pointer) {
    const auto star = pointer.find(each_element);
    if (star == std::string::npos) return 1;
    const Json* list = at(page, pointer.substr(0, star));
    return list != nullptr && list->is_array() ? list->size() : 0;
}

std::string for_element(std::string pointer, std::size_t index) {
    if (const auto star = pointer.find(each_element); star != std::string::npos)
        pointer.replace(star, each_element.size(), "/" + std::to_string(index));
    return pointer;
}

}  // namespace

PageAnswer judge_page(int status, std::string_view body, const std::vector<std::string>& vram_figures) {
    PageAnswer answer;
    answer.healthy = status >= 200 && status < 400;
    if (answer.healthy)
        answer.vram_used = vram_in_use(body, vram_figures);
    else
        answer.text = "it answers HTTP " + std::to_string(status);
    return answer;
}

std::optional<std::uint64_t> vram_in_use(std::string_view body, const std::vector<std::string>& figures) {
    if (figures.empty()) return std::nullopt;
    // Deep nesting would overflow the stack when it is destroyed: real answers are three levels deep.
    const auto opened = std::count_if(body.begin(), body.end(), [](char c) { return c == '[' || c == '{'; });
    if (opened > 1000) return std::nullopt;
    const Json page = Json::parse(body, nullptr, false);
    if (page.is_discarded()) return std::nullopt;
    std::optional<std::uint64_t> most;
    for (std::size_t index = 0; index < elements(page, figures.front()); ++index) {
        std::optional<std::uint64_t> used = number_at(page, for_element(figures.front(), index));
        if (used && figures.size() > 1) {
            const auto free = number_at(page, for_element(figures[1], index));
            used = free ? std::optional(*used - std::min(*used, *free)) : std::nullopt;
        }
        if (used) most = std::max(most.value_or(0), *used);
    }
    return most;
}

}  // namespace emprops::process
