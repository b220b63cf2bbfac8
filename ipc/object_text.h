#pragma once
// Writes a JSON object member by member, in the order of the calls, without a DOM in between: the frames and lines that
// every job has. Whatever text comes in, the object is valid UTF-8 on one line (bytes that are none become U+FFFD), and
// nothing throws but std::bad_alloc. Pure.

#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::ipc {

class ObjectText {
  public:
    ObjectText() { text_.reserve(256); }

    ObjectText& add(std::string_view name, std::string_view text);
    ObjectText& add(std::string_view name, const std::string& text) {
        return add(name, std::string_view(text));
    }
    ObjectText& add(std::string_view name, const char* text) { return add(name, std::string_view(text)); }
    template <std::integral Value>
    ObjectText& add(std::string_view name, Value value) {
        if constexpr (std::same_as<Value, bool>)
            return add_raw(name, value ? "true" : "false");
        else
            return add_raw(name, std::to_string(value));
    }
    /// The shortest text that reads back as this number; null if there is none (infinity).
    ObjectText& add(std::string_view name, double value);
    ObjectText& add(std::string_view name, const std::vector<std::string>& texts);
    ObjectText& add(std::string_view name, const nlohmann::json& value);
    ObjectText& add(std::string_view name, std::nullptr_t) { return add_raw(name, "null"); }
    template <class Value>
    ObjectText& add(std::string_view name, const std::optional<Value>& value) {
        return value ? add(name, *value) : add(name, nullptr);
    }

    template <class Value>
    ObjectText& add_if(bool wanted, std::string_view name, const Value& value) {
        return wanted ? add(name, value) : *this;
    }
    template <class Value>
    ObjectText& add_or_null(bool known, std::string_view name, const Value& value) {
        return known ? add(name, value) : add(name, nullptr);
    }
    /// `json`: valid JSON text, which goes in as it is.
    ObjectText& add_raw(std::string_view name, std::string_view json);
    /// All members of an object, in its order.
    ObjectText& add_members(const nlohmann::json& object);

    /// "{...}". This and the two below leave the writer empty.
    std::string end();
    /// The same without the braces.
    std::string members();
    /// What stands before the value of a last member that is sent apart: `{...,"name":`. A "}" belongs behind it.
    std::string end_before(std::string_view name);

  private:
    void add_name(std::string_view name);

    std::string text_ = "{";
};

}  // namespace emprops::ipc
