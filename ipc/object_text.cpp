#include "ipc/object_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "ipc/json_text.h"

namespace emprops::ipc {
namespace {

bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

void append_quoted(std::string& out, std::string_view text) {
    if (is_plain(text))
        out.append("\"").append(text).append("\"");
    else
        out += dump(nlohmann::json(text));
}

}  // namespace

void ObjectText::add_name(std::string_view name) {
    if (text_.size() > 1) text_ += ',';
    append_quoted(text_, name);
    text_ += ':';
}

ObjectText& ObjectText::add(std::string_view name, std::string_view text) {
    text_.reserve(text_.size() + name.size() + text.size() + 8);
    add_name(name);
    append_quoted(text_, text);
    return *this;
}

ObjectText& ObjectText::add(std::string_view name, double value) {
    if (!std::isfinite(value)) return add(name, nullptr);
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    const std::string_view number(digits.data(), static_cast<std::size_t>(end - digits.data()));
    add_raw(name, number);
    if (number.find_first_of(".e") == std::string_view::npos) text_ += ".0";
    return *this;
}

ObjectText& ObjectText::add(std::string_view name, const std::vector<std::string>& texts) {
    add_name(name);
    text_ += '[';
    for (std::size_t i = 0; i < texts.size(); ++i) {
        if (i > 0) text_ += ',';
        append_quoted(text_, texts[i]);
    }
    text_ += ']';
    return *this;
}

ObjectText& ObjectText::add(std::string_view name, const nlohmann::json& value) {
    return add_raw(name, dump(value));
}

ObjectText& ObjectText::add_raw(std::string_view name, std::string_view json) {
    text_.reserve(text_.size() + name.size() + json.size() + 8);
    add_name(name);
    text_ += json;
    return *this;
}

ObjectText& ObjectText::add_members(const nlohmann::json& object) {
    for (const auto& [name, value] : object.items())
        add(name, value);
    return *this;
}

std::string ObjectText::end() {
    text_ += '}';
    return std::exchange(text_, "{");
}

std::string ObjectText::members() {
    std::string whole = std::exchange(text_, "{");
    whole.erase(0, 1);
    return whole;
}

std::string ObjectText::end_before(std::string_view name) {
    add_name(name);
    return std::exchange(text_, "{");
}

}  // namespace emprops::ipc
