#include "supervisor/files/outputs.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "config/conversions.h"
#include "config/stores.h"
#include "ipc/envelope.h"
#include "ipc/json_text.h"
#include "ipc/messages.h"
#include "ipc/text/nearest.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"
#include "ipc/web/url.h"
#include "supervisor/files/ctx.h"

namespace emprops::files {
namespace {

using ipc::Json;

constexpr std::size_t most_destinations = 64, most_headers = 32;
constexpr std::size_t longest_match = 255, longest_put = 8192, longest_header = 4096,
                      longest_header_name = 128;

/// A sentence for the job's client, which may have sent anything.
Error wrong(const std::string& member, const std::string& why) {
    return {ipc::code::invalid_payload, member + " " + why};
}

std::string in_quotes(std::string_view text) {
    return "\"" + text::shortened(text, 100) + "\"";
}

Result<> only_known(const Json& object, const std::string& member, std::initializer_list<const char*> known) {
    const std::vector<std::string> names(known.begin(), known.end());
    for (const auto& [key, value] : object.items()) {
        if (text::has_item(names, key)) continue;
        return wrong(member + "." + text::shortened(key, 100), text::unknown_text(key, names));
    }
    return Ok{};
}

/// A text; of `numbers`, a whole one is as good (ComfyUI's nodes are "9" and 9).
Result<std::string> text_of(const Json& value, const std::string& member, bool numbers = false) {
    if (value.is_string()) return value.get<std::string>();
    const auto number = ipc::whole_number(value);
    if (numbers && number) return std::to_string(*number);
    return wrong(member, "must be a text");
}

Result<FileMatch> read_match(const Json& from, const std::string& member) {
    if (!from.is_object()) return wrong(member, "must be an object with node, kind, name or index");
    if (const auto known = only_known(from, member, {"node", "kind", "name", "index"}); !known)
        return known.error();
    FileMatch match;
    for (const auto& [key, value] : from.items()) {
        const std::string place = member + "." + key;
        if (key == "index") {
            const auto number = ipc::whole_number(value);
            if (!number || *number < 0)
                return wrong(place, "is " + text::shortened(ipc::dump(value), 100) +
                                        "; it counts the files that fit the rest, from 0");
            match.index = static_cast<std::size_t>(*number);
            continue;
        }
        auto text = text_of(value, place, key == "node");
        if (!text) return text.error();
        if (text->empty()) return wrong(place, "is empty");
        if (text->size() > longest_match)
            return wrong(place, "is longer than " + std::to_string(longest_match) + " bytes");
        (key == "node" ? match.node : key == "kind" ? match.kind : match.name) = std::move(*text);
    }
    return match;
}

bool is_token(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

/// What belongs to the connection, or to the address, is not the job's.
bool is_ours(const std::string& lower) {
    static constexpr const char* names[] = {
        "host",    "content-length", "transfer-encoding", "connection",    "expect", "te",
        "trailer", "upgrade",        "keep-alive",        "content-range", "range",  "cookie"};
    return lower.starts_with("proxy-") ||
           std::find(std::begin(names), std::end(names), lower) != std::end(names);
}

Result<std::map<std::string, std::string>> read_headers(const Json& from, const std::string& member) {
    std::map<std::string, std::string> headers;
    if (!from.is_object()) return wrong(member, "must be an object of names and texts");
    if (from.size() > most_headers)
        return wrong(member, "has more than " + std::to_string(most_headers) + " headers");
    std::set<std::string> seen;
    for (const auto& [name, value] : from.items()) {
        const std::string place = member + "[" + in_quotes(name) + "]";
        const std::string lower = text::lower(name);
        if (!is_token(name) || name.size() > longest_header_name)
            return wrong(place, "is no name of a header");
        if (is_ours(lower)) return wrong(place, "is not a job's to set: the worker sends it, or nobody");
        if (!seen.insert(lower).second) return wrong(place, "is there twice, in different letters");
        if (!value.is_string()) return wrong(place, "must be a text");
        const std::string& text = value.get_ref<const std::string&>();
        if (text.size() > longest_header)
            return wrong(place, "is longer than " + std::to_string(longest_header) + " bytes");
        if (text::has_control_character(text))
            return wrong(place, "holds a line break or another control character");
        headers[name] = text;
    }
    return headers;
}

/// For people: a presigned URL's query is its password.
std::string without_query(const web::Url& url) {
    return url.scheme + "://" + web::Url::authority(url.host, url.port) + url.path;
}

Result<> check_put(const std::string& text, const std::string& member, const web::HostList& allowed) {
    if (text.size() > longest_put)
        return wrong(member, "is longer than " + std::to_string(longest_put) + " bytes");
    const bool plain =
        std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F && c != '\\'; });
    if (!plain)
        return wrong(member, "is no usable URL: what is not ASCII, and blanks, have to be percent-coded");
    const auto url = web::Url::parse(text);
    if (!url || (url->scheme != "https" && url->scheme != "http"))
        return wrong(member, "is no usable URL: it must be https://host/...");
    if (!url->user.empty() || !url->password.empty())
        return wrong(member, "must not hold a user or a password");
    if (text.find('#') != std::string::npos) return wrong(member, "must not have a fragment (#)");
    const std::string shown = in_quotes(without_query(*url));
    if (allowed.empty())
        return wrong(member, "is " + shown +
                                 ", and this worker takes no URLs from jobs: its operator has to name "
                                 "their hosts in stores.put_allow");
    if (!allowed.permits(*url))
        return wrong(member, "is " + shown +
                                 ", and stores.put_allow of this worker does not name that server" +
                                 (url->scheme == "http" ? " with http" : ""));
    return Ok{};
}

Result<Destination> read_put(const Json& from, Destination to, const Permits& permits) {
    if (const auto known = only_known(from, to.label, {"put", "headers", "match"}); !known)
        return known.error();
    auto url = text_of(from["put"], to.label + ".put");
    if (!url) return url.error();
    if (const auto fine = check_put(*url, to.label + ".put", permits.put_hosts); !fine) return fine.error();
    to.put = std::move(*url);
    if (const auto headers = from.find("headers"); headers != from.end() && !headers->is_null()) {
        auto read = read_headers(*headers, to.label + ".headers");
        if (!read) return read.error();
        to.headers = std::move(*read);
    }
    return to;
}

Result<Destination> read_store(const Json& from, Destination to, const Permits& permits) {
    if (const auto known = only_known(from, to.label, {"store", "prefix", "match"}); !known)
        return known.error();
    auto store = text_of(from["store"], to.label + ".store");
    if (!store) return store.error();
    if (!permits.stores.contains(*store)) {
        std::string all;
        for (const std::string& each : permits.stores)
            add_item(all, each);
        return wrong(
            to.label + ".store",
            "is " + in_quotes(*store) + ", which jobs may not use here; " +
                (all.empty() ? "no [stores.NAME] of this worker has `jobs = true`" : "there are " + all));
    }
    to.store = std::move(*store);
    if (const auto prefix = from.find("prefix"); prefix != from.end() && !prefix->is_null()) {
        auto text = text_of(*prefix, to.label + ".prefix");
        if (!text) return text.error();
        auto clean = clean_prefix(*text, to.label + ".prefix");
        if (!clean) return clean.error();
        to.prefix = std::move(*clean);
    }
    return to;
}

Result<Destination> read_destination(const Json& from, const std::string& member, const Permits& permits) {
    Destination to;
    to.label = member;
    const bool put = from.is_object() && from.contains("put");
    const bool store = from.is_object() && from.contains("store");
    if (put == store) return wrong(member, "must be an object with either put (a URL) or store (a name)");
    if (const auto match = from.find("match"); match != from.end() && !match->is_null()) {
        auto read = read_match(*match, member + ".match");
        if (!read) return read.error();
        to.match = std::move(*read);
    }
    return put ? read_put(from, std::move(to), permits) : read_store(from, std::move(to), permits);
}

/// One URL takes one file, and so two of them must not ask for the same.
Result<> check_apart(const std::vector<Destination>& all) {
    const auto asked = [](const Destination& to) {
        FileMatch match = to.match;
        match.index = match.index.value_or(0);
        return match;
    };
    for (auto later = all.begin(); later != all.end(); ++later) {
        for (auto earlier = all.begin(); earlier != later; ++earlier) {
            if (!later->is_put() || !earlier->is_put()) continue;
            if (later->put == earlier->put)
                return wrong(later->label + ".put",
                             "is the URL of " + earlier->label + "; each takes one file");
            if (asked(*later) == asked(*earlier))
                return wrong(later->label, "asks for the same file as " + earlier->label + " (" +
                                               to_text(later->match) + "); tell them apart by match.index");
        }
    }
    return Ok{};
}

Result<std::vector<Destination>> read_to(const Json& from, const Permits& permits) {
    std::vector<Destination> all;
    if (!from.is_array()) return wrong("outputs.to", "must be a list of destinations");
    if (from.size() > most_destinations)
        return wrong("outputs.to", "has more than " + std::to_string(most_destinations) + " destinations");
    for (const Json& each : from) {
        auto one = read_destination(each, "outputs.to[" + std::to_string(all.size()) + "]", permits);
        if (!one) return one.error();
        all.push_back(std::move(*one));
    }
    if (const auto apart = check_apart(all); !apart) return apart.error();
    return all;
}

Result<ipc::ConvertWish> read_convert(const Json& from, const Permits& permits) {
    auto wish = ipc::read_convert_wish(from, "outputs.convert");
    const auto& known = permits.commands;
    if (!wish || !wish->video || text::has_item(known, *wish->video)) return wish;
    std::string all;
    for (const std::string& each : known)
        add_item(all, each);
    return wrong("outputs.convert.video.command",
                 "is " + in_quotes(*wish->video) + ", which this worker has not; " +
                     (all.empty() ? "it has no [files.commands.NAME]" : "there are " + all));
}

}  // namespace

bool may_have(std::string_view payload, const std::string& key) {
    if (payload.find("\"" + key + "\"") != payload.npos) return true;
    // One of its letters may be written as a number; those of other languages are, in each prompt that Python sends.
    static constexpr std::string_view number = "\\u00";
    for (std::size_t at = payload.find(number); at != payload.npos; at = payload.find(number, at + 1)) {
        const std::string_view digits = payload.substr(at + number.size(), 2);
        unsigned letter = 0;
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), letter, 16);
        if (read.ec == std::errc() && letter < 0x80 && key.find(static_cast<char>(letter)) != key.npos)
            return true;
    }
    return false;
}

Permits permits_of(const config::Settings& settings) {
    Permits permits;
    if (auto hosts = config::put_hosts(settings.stores)) permits.put_hosts = std::move(*hosts);
    for (const auto& [name, value] : settings.stores.items()) {
        if (!config::is_store(name) || !config::is_for_jobs(value)) continue;
        permits.stores.insert(name);
        const Json ctx = value.value("ctx", Json());
        for (const Json& each : ctx.is_array() ? ctx : Json::array())
            if (each.is_string()) permits.ctx.emplace(each.get<std::string>(), name);
    }
    permits.commands = config::command_names(settings.files);
    return permits;
}

Result<Outputs> read_outputs(std::string_view payload, const Permits& permits) {
    Outputs outputs;
    const auto text = may_have(payload, "outputs") ? ipc::member_text(payload, "outputs") : std::nullopt;
    if (text && text->starts_with('{')) {  // else it is its connector's to judge
        const auto member = ipc::decoded(*text);
        if (!member) return wrong("outputs", "holds a number that is too large");
        if (const auto to = member->find("to"); to != member->end() && !to->is_null()) {
            auto read = read_to(*to, permits);
            if (!read) return read.error();
            outputs.to = std::move(*read);
        }
        if (const auto convert = member->find("convert"); convert != member->end() && !convert->is_null()) {
            auto read = read_convert(*convert, permits);
            if (!read) return read.error();
            outputs.convert = std::move(*read);
        }
    }
    if (permits.ctx.empty() || !may_have(payload, "ctx")) return outputs;
    auto ctx = read_ctx(payload, permits.ctx);
    if (!ctx) return ctx.error();
    if (*ctx) outputs.to.push_back(std::move(**ctx));  // what is left over
    return outputs;
}

}  // namespace emprops::files
