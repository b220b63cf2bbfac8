// The codecs: what each writes it reads back, as TOML and as the text of a variable.

#include "config/rows/codec.h"

#include <gtest/gtest.h>

#include <random>

#include "config/rows/toml_text.h"
#include "config/toml_file.h"
#include "ipc/text/values.h"

namespace emprops::settings {
namespace {

using std::filesystem::path;

class Random {
  public:
    std::uint64_t below(std::uint64_t end) {
        return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(engine_);
    }
    /// Numbers of every size: from nothing to `bits` bits, often round ones.
    std::uint64_t number(unsigned bits) {
        const std::uint64_t value = engine_() >> (64 - bits) >> below(bits);
        static constexpr std::uint64_t round[] = {1, 1000, 60000, 1024, 1048576};
        const std::uint64_t step = round[below(5)];
        return value / step * step;
    }
    std::string text(std::string_view letters = "abzAZ09 _-=,;:/\\\"'{}[]#\n\t\x7f\xc3\xa9") {
        std::string result;
        for (std::uint64_t i = below(12); i > 0; --i) {
            const char c = letters[below(letters.size())];
            if (static_cast<unsigned char>(c) < 0x80)
                result += c;
            else
                result += "é";
        }
        return result;
    }
    std::string word() { return "a" + text("bcz09_"); }
    template <class Make>
    auto list(Make make) {
        std::vector<decltype(make())> items;
        for (std::uint64_t i = below(4); i > 0; --i)
            items.push_back(make());
        return items;
    }

  private:
    std::mt19937_64 engine_{20261129};
};

template <class Codec, class T>
void expect_round_trip(const Codec& codec, const T& value, const std::optional<std::string>& as_text = {}) {
    const path base = "/base";
    const Context context{{}, false, &base};
    const std::string toml = toml_value(codec.write(value));
    const config::TomlFile parsed = config::parse_toml("x = " + (toml.empty() ? "\"\"" : toml));
    ASSERT_EQ(parsed.entries.size(), 1u) << toml;
    T read{};
    const Complaint wrong = codec.read(parsed.entries[0].value, context, read);
    EXPECT_EQ(wrong, std::nullopt) << toml;
    EXPECT_EQ(read, value) << toml;
    if (!as_text) return;
    read = T{};
    EXPECT_EQ(codec.read(codec.from_text(*as_text), context, read), std::nullopt) << *as_text;
    EXPECT_EQ(read, value) << *as_text;
}

std::string joined(const std::vector<std::string>& items, const char* separator) {
    std::string text;
    for (const std::string& item : items)
        text += (text.empty() ? "" : separator) + item;
    return text;
}

TEST(Codecs, ReadBackWhatTheyWrite) {
    Random random;
    for (int round = 0; round < 500; ++round) {
        const bool flag = random.below(2) == 0;
        expect_round_trip(Codec<bool>(), flag, flag ? "on" : "off");
        const std::string text = random.text();
        const bool bare = text::bare(text) == text;  // else a variable cannot say it
        expect_round_trip(Codec<std::string>(), text, bare ? std::optional(text) : std::nullopt);
        const Duration time(random.number(40));
        expect_round_trip(Codec<Duration>(), time, Codec<Duration>().write(time).get<std::string>());
        expect_round_trip(Seconds(), static_cast<double>(random.number(30)) / 8);
        const std::uint64_t size = random.number(53);
        expect_round_trip(Size(), size, std::to_string(size));
        expect_round_trip(Codec<double>(), static_cast<double>(random.number(50)) / 4096.0);
        const auto whole = static_cast<std::int64_t>(random.number(53)) * (flag ? 1 : -1);
        expect_round_trip(Codec<std::int64_t>(), whole, std::to_string(whole));
        const auto port = static_cast<std::uint16_t>(random.number(16));
        expect_round_trip(Codec<std::uint16_t>(), port, " " + std::to_string(port));
        using Optional = std::optional<int>;
        const Optional maybe = flag ? Optional(static_cast<int>(random.number(20))) : Optional();
        expect_round_trip(Codec<Optional>(), maybe, maybe ? std::to_string(*maybe) : "");
        const path file = "/" + random.word();
        expect_round_trip(Codec<path>(), file, file.string());
        const auto names = random.list([&] { return random.word(); });
        expect_round_trip(Codec<std::vector<std::string>>(), names, joined(names, ", "));
        expect_round_trip(Command(), names, joined(names, " "));
        const auto numbers = random.list([&] { return static_cast<int>(random.number(10)); });
        std::vector<std::string> written;
        for (const int number : numbers)
            written.push_back(std::to_string(number));
        expect_round_trip(Codec<std::vector<int>>(), numbers, joined(written, ","));
        const auto paths = random.list([&] { return path("/" + random.word()); });
        expect_round_trip(Codec<std::vector<path>>(), paths);
        Texts texts;
        std::vector<std::string> pairs;
        for (const std::string& name : names) {
            texts[name] = random.word();
            pairs.push_back(name + "=" + texts[name]);
        }
        if (texts.size() == pairs.size()) expect_round_trip(Codec<Texts>(), texts, joined(pairs, ","));
        for (auto& [name, value] : texts)
            value = text;
        expect_round_trip(Codec<Texts>(), texts);
        Json table = {{"a", whole}, {text, names}, {"deep", {{random.word(), flag}}}};
        EXPECT_EQ(config::parse_toml("x = " + toml_value(table)).entries.at(0).value, table);
        const std::string dumped = table.dump();
        Json read = Json::object();
        EXPECT_EQ(Codec<Json>().read(Codec<Json>().from_text(dumped), {}, read), std::nullopt);
        EXPECT_EQ(read, table);
    }
    for (const char* word : {"disk", "process"})
        expect_round_trip(one_of({"disk", "process"}), std::string(word), " " + std::string(word));
    for (const char* level : {"trace", "debug", "info", "warn", "error"}) {
        expect_round_trip(LogLevel(), std::string(level), level);
        expect_round_trip(LogLevels(), Texts{{"hub", level}, {"connector.a", level}},
                          "hub=" + std::string(level) + ", connector.a=" + level);
    }
    expect_round_trip(Headers(), Texts{{"X-A", "b: c"}, {"D", ""}}, "X-A: b: c\r\nD:\n");
    expect_round_trip(Headers(), Texts{{"A", "b"}}, R"({"A":"b"})");
    expect_round_trip(VariablePatterns(), std::vector<std::string>{"HF_*", "X"}, "HF_*,X");
    expect_round_trip(some_of({"a", "b"}), std::vector<std::string>{"b", "a"}, "b,a");
}

TEST(Codecs, SayWhatTheyTake) {
    const Range few{1, 45}, from{0.001};
    EXPECT_EQ(Codec<Duration>().noun({}), "a time");
    EXPECT_EQ(Codec<Duration>().noun(few), "a time from 1 s to 45 s");
    EXPECT_EQ(Codec<Duration>().noun(from), "a time from 1 ms up");
    EXPECT_EQ(Size().noun(few), "a size from 1 B to 45 B");
    EXPECT_EQ(Codec<int>().noun(few), "a whole number from 1 to 45");
    EXPECT_EQ(Codec<std::uint64_t>().noun({}), "a whole number from 0 up");
    EXPECT_EQ(one_of({"a", "b", "c"}).noun({}), "`a`, `b` or `c`");
    std::vector<std::string> names{"x"};
    EXPECT_EQ(some_of({"a", "b"}).read({"a", "ftp"}, {}, names), "must be a list of `a` or `b`, not `ftp`");
    EXPECT_EQ(some_of({"a", "b"}).read(Json::array(), {}, names), "must be a list of `a` or `b`, not `[]`");
    EXPECT_EQ(names, std::vector<std::string>{"x"});
    EXPECT_EQ(Codec<int>().noun(Range{0, 1e6}), "a whole number from 0 to 1000000");
    EXPECT_EQ(Seconds().write(10), "10s");
    EXPECT_EQ(Seconds().write(0.0005), 0.0005);
    Duration time{5};
    EXPECT_EQ(Codec<Duration>().read(0, {from, false, nullptr}, time), "must be from 1 ms up, not `0`");
    EXPECT_EQ(time, Duration{5});
}

TEST(Codecs, SecondsTakeTheUnitsOfTimes) {
    double seconds = 7;
    const Context context{Range{0, 100}, false, nullptr};
    for (const Json& given : {Json(1.5), Json("1.5"), Json("1500ms"), Json(" 1.5 s")}) {
        EXPECT_EQ(Seconds().read(given, context, seconds), std::nullopt) << given;
        EXPECT_EQ(seconds, 1.5);
        seconds = 7;
    }
    for (const Json& given : {Json(-0.1), Json("2m"), Json("soon"), Json(true)}) {
        EXPECT_NE(Seconds().read(given, context, seconds), std::nullopt) << given;
        EXPECT_EQ(seconds, 7);
    }
}

}  // namespace
}  // namespace emprops::settings
