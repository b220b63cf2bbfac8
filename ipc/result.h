#pragma once
// Errors as values. A function that can fail for reasons outside this program returns Result<T>; exceptions
// stay at the edges of libraries that throw. No thread rules: plain values.

#include <string>
#include <utility>
#include <variant>

namespace emprops {

/// Why something did not work. `code` is a stable snake_case word for programs ("not_found"), `message` a
/// sentence for a person that already names the thing concerned (file, connector, job).
struct Error {
    std::string code;
    std::string message;
};

struct Ok {};

/// A value or an Error. The caller must look at ok() before value(); value() of a failure throws
/// std::bad_variant_access, which is a bug in the caller.
template <class T = Ok>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::move(value)) {}      // NOLINT: implicit on purpose
    Result(Error error) : state_(std::move(error)) {}  // NOLINT: implicit on purpose

    bool ok() const { return std::holds_alternative<T>(state_); }
    explicit operator bool() const { return ok(); }

    T& value() & { return std::get<T>(state_); }
    const T& value() const& { return std::get<T>(state_); }
    T&& value() && { return std::get<T>(std::move(state_)); }
    T* operator->() { return &std::get<T>(state_); }
    const T* operator->() const { return &std::get<T>(state_); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }

    const Error& error() const { return std::get<Error>(state_); }

  private:
    std::variant<T, Error> state_;
};

}  // namespace emprops
