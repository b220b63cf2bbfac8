#pragma once
// Reads members of a JSON object with the Hub's lax rules: "5" and 12.0 count as integers, 12.5 does not; a
// missing member is its default; a wrong type makes the whole message invalid. Pure.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace emprops::hub {

class Fields {
  public:
    explicit Fields(const nlohmann::json& object) : object_(object) {}

    std::string text(const char* key, std::string_view missing = {});
    /// Null and a missing member differ: null is nullopt.
    std::optional<std::string> text_or_null(const char* key, std::optional<std::string> missing = {});
    std::int64_t integer(const char* key, std::int64_t missing);
    double number(const char* key, double missing);
    bool boolean(const char* key, bool missing);
    /// An object, or null.
    nlohmann::json object_or_null(const char* key);

    /// Empty as long as every value read had a fitting type; else the first one that had not.
    const std::string& wrong() const { return wrong_; }
    void refuse(std::string_view key) {
        if (wrong_.empty()) wrong_ = key;
    }

  private:
    const nlohmann::json* find(const char* key) const;

    const nlohmann::json& object_;
    std::string wrong_;
};

}  // namespace emprops::hub
