#pragma once
// One setting: its key, its one sentence, and where its value stands in a struct. What is read from files and
// variables, what check-config prints, and the pages that list settings come out of the rows. Built once, then only
// read, from any thread.

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/rows/codec.h"

namespace emprops::settings {

/// What a row says without its struct.
struct RowInfo {
    std::string key;
    std::string sentence;
    std::optional<Range> range;
    std::vector<std::string> legacy;  ///< the Python worker's variables, the one that wins first
    bool rare = false;                ///< stands in the last section of the pages
    bool secret = false;              ///< never printed, never given to a connector
    bool may_hold_token = false;      ///< a URL: printed with its secrets cut, never given to a connector
    bool own_variable = true;         ///< false: a table that has no variable
    Shape shape = Shape::value;
    bool takes_empty = false;  ///< an empty variable is a value of it
    std::function<Json(std::string_view)> from_text;
    std::function<std::string(const std::optional<Range>&)> noun_of;

    /// "a time from 1 s to 45 s".
    std::string noun() const { return noun_of(range); }
    Context context(const std::filesystem::path& base) const {
        return {range, secret || may_hold_token, &base};
    }
};

/// A row for a value that stands in an Owner.
template <class Owner>
struct Row : RowInfo {
    std::function<Complaint(Owner&, const Json&, const Context&)> store;
    std::function<Json(const Owner&)>
        value;  ///< as it would stand in TOML; null: an optional that is not set

    /// Takes a value that was read from TOML. With a complaint the old value stays.
    Complaint read(Owner& owner, const Json& given, const std::filesystem::path& base) const {
        if (Complaint wrong = unfit(given)) return wrong;
        return store(owner, given, context(base));
    }

    // What is special about a row, written after it.

    /// A variable of the Python worker; WORKER_<name> (its later generation) wins over <name>.
    Row also(const std::string& name) && { return std::move(*this).named({"WORKER_" + name, name}); }
    Row named(std::vector<std::string> names) && {
        legacy = std::move(names);
        return std::move(*this);
    }
    /// Of a duration in seconds.
    Row within(double from, double to) && {
        range = Range{from, to};
        return std::move(*this);
    }
    Row at_least(double from) && {
        range = Range{from};
        return std::move(*this);
    }
    Row seldom() && {
        rare = true;
        return std::move(*this);
    }
    Row hidden() && {
        secret = true;
        return std::move(*this);
    }
    Row with_token() && {
        may_hold_token = true;
        return std::move(*this);
    }
    Row without_variable() && {
        own_variable = false;
        return std::move(*this);
    }
};

template <class Owner>
using Rows = std::vector<Row<Owner>>;

/// The row of a member, spelled as `codec` says.
template <class Owner, class T, class Spelling>
Row<Owner> row(T Owner::*member, std::string key, Spelling codec, std::string sentence) {
    Row<Owner> result;
    result.key = std::move(key);
    result.sentence = std::move(sentence);
    result.shape = Spelling::shape;
    result.takes_empty = Spelling::takes_empty;
    result.from_text = [codec](std::string_view text) { return codec.from_text(text); };
    result.noun_of = [codec](const std::optional<Range>& range) { return codec.noun(range); };
    result.store = [codec, member](Owner& owner, const Json& given, const Context& context) {
        return codec.read(given, context, owner.*member);
    };
    result.value = [codec, member](const Owner& owner) { return codec.write(owner.*member); };
    return result;
}
/// The row of a member, spelled as its type usually is.
template <class Owner, class T>
Row<Owner> row(T Owner::*member, std::string key, std::string sentence) {
    return row(member, std::move(key), Codec<T>(), std::move(sentence));
}

/// The same row for a struct that holds the owner as a member.
template <class Outer, class Owner>
Row<Outer> of_member(Owner Outer::*member, const Row<Owner>& inner) {
    Row<Outer> result;
    static_cast<RowInfo&>(result) = inner;
    result.store = [member, store = inner.store](Outer& outer, const Json& given, const Context& context) {
        return store(outer.*member, given, context);
    };
    result.value = [member, value = inner.value](const Outer& outer) { return value(outer.*member); };
    return result;
}
template <class Outer, class Owner>
Rows<Outer> of_member(Owner Outer::*member, const Rows<Owner>& inner) {
    Rows<Outer> result;
    for (const Row<Owner>& each : inner)
        result.push_back(of_member(member, each));
    return result;
}

/// The same rows for a struct that derives from the owner.
template <class Outer, class Owner>
Rows<Outer> of_base(const Rows<Owner>& inner) {
    Rows<Outer> result;
    for (const Row<Owner>& each : inner) {
        Row<Outer>& row = result.emplace_back();
        static_cast<RowInfo&>(row) = each;
        row.store = each.store;
        row.value = each.value;
    }
    return result;
}

/// Several groups of rows as one.
template <class Owner>
Rows<Owner> joined(std::initializer_list<Rows<Owner>> groups) {
    Rows<Owner> result;
    for (const Rows<Owner>& group : groups)
        result.insert(result.end(), group.begin(), group.end());
    return result;
}

/// A key that was a setting once: a file that still names it is warned, for one version.
struct Retired {
    std::string_view key;
    std::string_view instead;  ///< "the Hub's answer is waited for 10 s"
};

}  // namespace emprops::settings
