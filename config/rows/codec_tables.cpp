// The codecs of lists and tables.

#include <algorithm>
#include <cctype>
#include <cmath>

#include "config/rows/codec.h"
#include "ipc/text/values.h"

namespace emprops::settings {

namespace {

bool all_finite(const Json& value) {
    if (value.is_number_float()) return std::isfinite(value.get<double>());
    if (!value.is_structured()) return true;
    return std::all_of(value.begin(), value.end(), [](const Json& item) { return all_finite(item); });
}

/// A scalar as the text of a variable.
std::optional<std::string> scalar_text(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number() || value.is_boolean()) return value.dump();
    return {};
}

/// "a, b", also with quotes around the items, or as JSON: ["a", "b"].
Json list_of(std::string_view text, char separator) {
    text = text::bare(text);
    if (text.starts_with('[')) {
        if (Json list = Json::parse(text, nullptr, false); list.is_array()) return list;
    }
    Json items = Json::array();
    for (const std::string& item : text::split_list(text, separator))
        items.push_back(std::string(text::bare(item)));
    return items;
}

/// What a shell would have made of a command, and we do not. Empty: nothing.
std::string for_a_shell(const std::vector<std::string>& words, const Context& context) {
    static constexpr std::string_view operators[] = {"&&", "||", "|", "&", ">", ">>", "<", "2>&1"};
    static constexpr std::string_view builtins[] = {"cd", "source", ".", "export", "exec", "set", "ulimit"};
    const std::string cure = "; write [\"sh\", \"-c\", \"...\"], or use working_dir and env";
    for (const std::string& word : words) {
        if (std::find(std::begin(operators), std::end(operators), word) != std::end(operators))
            return "holds " + ticked(word) + ", which only a shell understands" + cure;
        if (const Complaint wrong = context.unexpanded(word)) return *wrong;
    }
    const std::string& program = words.front();
    if (std::find(std::begin(builtins), std::end(builtins), program) != std::end(builtins))
        return "begins with " + ticked(program) + ", which is no program but a word of the shell" + cure;
    const std::size_t equals = program.find('=');
    if (equals != 0 && equals < program.find('/') && words.size() > 1)
        return "begins with " + ticked(program.substr(0, equals + 1)) +
               ", a variable and not a program; put it into `env`";
    return "";
}

std::optional<std::vector<std::string>> texts_of(const Json& value) {
    std::vector<std::string> items;
    if (!value.is_array()) return {};
    for (const Json& item : value) {
        if (!item.is_string()) return {};
        items.push_back(item.get<std::string>());
    }
    return items;
}

}  // namespace

Names some_of(std::vector<std::string> words) {
    Names names;
    names.words = std::move(words);
    return names;
}

std::string Names::noun(const std::optional<Range>&) const {
    return words.empty() ? "a list of strings" : "a list of " + one_of(words).noun({});
}

Complaint Names::read(const Json& value, const Context& context, std::vector<std::string>& into) const {
    auto items = texts_of(value);
    if (!items || (items->empty() && !words.empty())) return context.must_be(noun({}), value);
    for (const std::string& item : *items) {
        if (words.empty() || text::has_item(words, item)) continue;
        return context.must_be(noun({}), item);
    }
    for (const std::string& item : *items) {
        if (Complaint wrong = context.unexpanded(item)) return wrong;
    }
    into = std::move(*items);
    return {};
}

Json Names::from_text(std::string_view text) const {
    return list_of(text, ',');
}

Complaint VariablePatterns::read(const Json& value, const Context& context,
                                 std::vector<std::string>& into) const {
    std::vector<std::string> names;
    if (Complaint wrong = Names::read(value, context, names)) return wrong;
    for (const std::string& name : names) {
        if (name == whole_dotenv) continue;
        if (name.find_first_not_of("*?") == std::string::npos)
            return "must not hold " + ticked(name) +
                   ", which is every variable and every secret: name those that are "
                   "needed, such as \"CUDA_*\", or \".env\" for what stands in that file";
        if (std::any_of(name.begin(), name.end(), [](unsigned char c) {
                return std::isalnum(c) == 0 &&
                       std::string_view("_*?").find(static_cast<char>(c)) == std::string_view::npos;
            }))
            return context.must_be(noun({}), name);
    }
    into = std::move(names);
    return {};
}

Complaint Headers::read(const Json& value, const Context& context, Texts& into) const {
    if (!value.is_object()) return "must be " + noun({}) + ", or lines of the form \"Name: value\"";
    Texts merged = into;
    for (const auto& item : value.items()) {
        // A name is a token (RFC 9110 5.6.2).
        if (item.key().empty() || std::any_of(item.key().begin(), item.key().end(), [](unsigned char c) {
                return std::isalnum(c) == 0 &&
                       std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) ==
                           std::string_view::npos;
            }))
            return ticked(item.key()) + " is not the name of a header";
        if (!item.value().is_string()) return "must have text as the value of \"" + item.key() + "\"";
        const std::string& text = item.value().get_ref<const std::string&>();
        if (std::any_of(text.begin(), text.end(),
                        [](unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7f; }))
            return "must not have line breaks or other control characters in the value of \"" + item.key() +
                   "\"";
        if (Complaint wrong = context.unexpanded(text)) return wrong;
        merged[item.key()] = text;
    }
    into = std::move(merged);
    return {};
}

Json Headers::from_text(std::string_view text) const {
    Json table = Json::parse(text, nullptr, false);
    if (table.is_object()) return table;
    table = Json::object();
    for (const std::string& line : text::split_list(text, '\n')) {
        const std::size_t colon = line.find(':');
        if (colon == 0 || colon == std::string::npos) return line;
        table[std::string(text::trim(std::string_view(line).substr(0, colon)))] =
            std::string(text::trim(std::string_view(line).substr(colon + 1)));
    }
    return table;
}

Complaint Command::read(const Json& value, const Context& context, std::vector<std::string>& into) const {
    std::optional<std::vector<std::string>> items = texts_of(value);
    if (value.is_string()) {
        items = text::split_words(value.get_ref<const std::string&>());
        if (!items) return "has a quote that is not closed";
    }
    if (!items) return context.must_be("a list of strings", value);
    if (!items->empty()) {
        if (items->front().empty()) return context.must_be(noun({}), value);
        if (std::string wrong = for_a_shell(*items, context); !wrong.empty()) return wrong;
        // `./mine.sh` means the one beside the file; the process runs elsewhere. A bare name: PATH.
        if (items->front().find('/') != std::string::npos)
            items->front() = context.absolute(items->front()).string();
    }
    into = std::move(*items);
    return {};
}

Json Command::from_text(std::string_view text) const {
    // Quotes around all of it are an env file's, unless it is one word.
    const auto words = text::split_words(text::trim(text));
    const bool one_quoted = words && words->size() == 1 && words->front().find(' ') != std::string::npos;
    const std::string_view command = one_quoted ? text::bare(text) : text::trim(text);
    if (command.starts_with('[')) {
        if (Json list = Json::parse(command, nullptr, false); list.is_array()) return list;
    }
    return std::string(command);
}

Complaint Codec<std::vector<int>>::read(const Json& value, const Context& context,
                                        std::vector<int>& into) const {
    if (!value.is_array()) return context.must_be("a list of whole numbers", value);
    std::vector<int> numbers;
    for (const Json& item : value) {
        int number = 0;
        if (Codec<int>().read(item, context, number)) return context.must_be(noun(context.range), value);
        numbers.push_back(number);
    }
    into = std::move(numbers);
    return {};
}

Json Codec<std::vector<int>>::from_text(std::string_view text) const {
    Json numbers = Json::array();
    for (const std::string& item : text::split_list(text::bare(text))) {
        const std::size_t dash = item.find('-', 1);
        const auto first = text::parse_integer(text::trim(std::string_view(item).substr(0, dash)));
        const auto last = dash == std::string::npos
                              ? first
                              : text::parse_integer(text::trim(std::string_view(item).substr(dash + 1)));
        constexpr std::int64_t most = 65536;  // a bound for the loop, not a rule
        if (!first || !last || *last < *first || *last - *first > most) return std::string(text);
        for (std::int64_t number = *first; number <= *last; ++number)
            numbers.push_back(number);
    }
    return numbers;
}

Complaint Codec<std::vector<std::filesystem::path>>::read(const Json& value, const Context& context,
                                                          std::vector<std::filesystem::path>& into) const {
    const auto items = texts_of(value);
    if (!items || std::find(items->begin(), items->end(), "") != items->end())
        return context.must_be(noun({}), value);
    for (const std::string& item : *items) {
        if (Complaint wrong = context.unexpanded(item)) return wrong;
    }
    into.clear();
    for (const std::string& item : *items)
        into.push_back(context.absolute(item));
    return {};
}

Json Codec<std::vector<std::filesystem::path>>::from_text(std::string_view text) const {
    return list_of(text, ':');
}

Json Codec<std::vector<std::filesystem::path>>::write(const std::vector<std::filesystem::path>& value) const {
    Json list = Json::array();
    for (const std::filesystem::path& path : value)
        list.push_back(path.string());
    return list;
}

Complaint Codec<Texts>::read(const Json& value, const Context& context, Texts& into) const {
    if (!value.is_object()) return context.must_be(noun({}), value);
    Texts merged = into;
    for (const auto& item : value.items()) {
        const std::optional<std::string> text = scalar_text(item.value());
        if (!text) return ticked(item.key()) + " must be a string";
        if (const std::string_view found = text::unexpanded(*text); !found.empty() && !context.hidden)
            return ticked(item.key()) + " holds " + ticked(found) +
                   ", which nobody expands here: env_pass hands a variable on under its name, and .env.NAME knows ${NAME}";
        if (item.key().empty() || item.key().find('=') != std::string::npos) {
            return ticked(item.key()) + " is not a variable name";
        }
        merged[item.key()] = *text;
    }
    into = std::move(merged);
    return {};
}

Json Codec<Texts>::from_text(std::string_view text) const {
    text = text::bare(text);
    if (text.starts_with('{')) {
        if (Json given = Json::parse(text, nullptr, false); given.is_object()) return given;
    }
    Json table = Json::object();
    for (const std::string& item : text::split_list(text)) {
        const std::size_t equals = item.find('=');
        if (equals == std::string::npos) return std::string(text);
        table[std::string(text::trim(std::string_view(item).substr(0, equals)))] =
            std::string(text::trim(std::string_view(item).substr(equals + 1)));
    }
    return table;
}

Complaint LogLevels::read(const Json& value, const Context& context, Texts& into) const {
    if (!value.is_object()) return context.must_be("a table", value);
    Texts merged = into;
    for (const auto& item : value.items()) {
        if (item.value().is_object()) {
            // connector.comfyui = "debug" without quotes is a table in a table
            Json inner = Json::object();
            for (const auto& below : item.value().items())
                inner[item.key() + "." + below.key()] = below.value();
            if (Complaint wrong = read(inner, context, merged)) return wrong;
            continue;
        }
        const std::optional<std::string> text = scalar_text(item.value());
        if (!text) return ticked(item.key()) + " must be a string";
        if (LogLevel().read(*text, {}, merged[item.key()]))
            return ticked(item.key()) + " must be " + LogLevel().noun({});
    }
    into = std::move(merged);
    return {};
}

Complaint Codec<Json>::read(const Json& value, const Context& context, Json& into) const {
    if (!value.is_object()) return context.must_be(noun({}), value);
    if (!all_finite(value)) return "holds nan or inf, which cannot be sent to a connector";
    into.merge_patch(value);
    return {};
}

Json Codec<Json>::from_text(std::string_view text) const {
    text = text::bare(text);
    Json parsed = Json::parse(text, nullptr, false);
    return parsed.is_discarded() ? Json(std::string(text)) : parsed;
}

}  // namespace emprops::settings
