#include "connectors/courier/order.h"

#include <algorithm>
#include <utility>

#include "connectors/stores/names/key_template.h"
#include "connectors/stores/names/mime_type.h"
#include "emprops/connector.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::courier {
namespace {

[[noreturn]] void refuse(const std::string& why) {
    throw JobFailure("invalid_payload", "the delivery cannot be done as it is asked for: " + why, false);
}

std::string text_of(const Json& object, const char* key) {
    if (!object.contains(key) || object[key].is_null()) return {};
    if (!object[key].is_string()) refuse(std::string(key) + " must be a text");
    return object[key];
}

std::optional<std::uint64_t> number_of(const Json& object, const char* key) {
    if (!object.contains(key) || object[key].is_null()) return {};
    if (!object[key].is_number_integer() ||
        (!object[key].is_number_unsigned() && object[key].get<std::int64_t>() < 0))
        refuse(std::string(key) + " must be a whole number that is not negative");
    return object[key].get<std::uint64_t>();
}

/// A header takes no line breaks, and a store no type that is none.
bool is_mime_type(const std::string& text) {
    return text.find('/') != std::string::npos && text.size() < 256 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7F; });
}

void read_file(const Json& file, Order& order) {
    order.path = text_of(file, "path");
    order.url = text_of(file, "url");
    if (order.path.empty() && order.url.empty()) refuse("file has neither path nor url");
    order.size = number_of(file, "size");
    order.name = text_of(file, "name");
    if (order.name.empty()) {
        const std::string& from = order.path.empty() ? order.url : order.path;
        const std::string whole = from.substr(0, from.find_first_of("?#"));
        order.name = whole.substr(whole.rfind('/') + 1);
    }
    if (order.name.empty()) order.name = "file";
    if (order.name.find('/') != std::string::npos) refuse("file.name must not have a \"/\" in it");
    order.mime_type = text_of(file, "mime_type");
    order.type_is_told = is_mime_type(order.mime_type);
    if (!order.type_is_told) order.mime_type = stores::mime_type_of(order.name);
}

/// Numbers as they would be written.
void read_values(const Json& values, Order& order) {
    for (const std::string& word : stores::key_words()) {
        std::string value;
        if (values.contains(word) && !values[word].is_null())
            value = values[word].is_string() ? values[word].get<std::string>() : values[word].dump();
        order.values.emplace_back(word, value);
    }
    for (const auto& [name, value] : stores::name_values(order.name))
        stores::set_value(order.values, name, value);
}

std::vector<std::string> names_of(const Json& payload, const char* key) {
    std::vector<std::string> names;
    const Json list = payload.value(key, Json::array());
    if (!list.is_array()) refuse(std::string(key) + " must be a list of names");
    for (const Json& each : list) {
        if (!each.is_string()) refuse(std::string(key) + " must be a list of names");
        const std::string name = each;
        if (!text::has_item(names, name)) names.push_back(name);
    }
    return names;
}

std::string name_of(const Json& object, const char* key) {
    const std::string name = text_of(object, key);
    if (name.find('/') != std::string::npos || name == "." || name == "..")
        refuse(std::string(key) + " must be the name of a file");
    return name;
}

bool flag_of(const Json& object, const char* key) {
    if (object.contains(key) && !object[key].is_boolean())
        refuse(std::string(key) + " must be true or false");
    return object.value(key, false);
}

void read_form(const Json& payload, Order& order) {
    if (payload.contains("convert")) {
        auto wish = ipc::read_convert_wish(payload["convert"], "convert");
        if (!wish) refuse(wish.error().message);
        order.convert = std::move(*wish);
    }
    order.image_name = name_of(payload, "image_name");
    order.video_name = name_of(payload, "video_name");
    order.formed = flag_of(payload, "formed");
    order.unconverted = text_of(payload, "unconverted");
    const auto& image = order.convert.image;
    order.strip =
        flag_of(payload, "strip") || (image && order.is_of("image/") && !image->keep_metadata.value_or(true));
}

/// The supervisor has looked at it; what would lead out of the job's folder is looked at once more.
void read_own_place(const Json& from, Order& order) {
    if (!from.is_object()) refuse("to must be an object");
    OwnPlace to{text_of(from, "name"),      text_of(from, "put"), {}, text_of(from, "store"), {},
                text_of(from, "public_url")};
    if (to.name.empty() || to.put.empty() == to.store.empty())
        refuse("to must have a name, and put or store");
    if (from.contains("prefix")) to.prefix = text_of(from, "prefix");
    const std::string prefix = to.prefix.value_or("");
    const bool plain =
        !text::has_control_character(prefix) && prefix.find_first_of("\\{}") == std::string::npos;
    if (!prefix.empty() && (!plain || stores::wrong_path(prefix))) refuse("to.prefix leads elsewhere");
    const Json headers = from.value("headers", Json::object());
    if (!headers.is_object()) refuse("to.headers must be an object");
    for (const auto& [name, value] : headers.items()) {
        const std::string text = text_of(headers, name.c_str());
        if ((name + text).find_first_of("\r\n") != std::string::npos)
            refuse("to.headers must be lines of their own");
        to.headers[name] = text;
    }
    order.to = std::move(to);
}

}  // namespace

Order read_order(const Json& payload) {
    Order order;
    if (!payload.contains("file") || !payload["file"].is_object()) refuse("file must be an object");
    read_file(payload["file"], order);
    const Json values = payload.value("values", Json::object());
    if (!values.is_object()) refuse("values must be an object");
    read_values(values, order);
    order.stores = names_of(payload, "stores");
    if (order.stores.empty()) refuse("stores must be a list of names, with at least one");
    order.by_job = names_of(payload, "by_job");
    order.given_up = flag_of(payload, "given_up");
    if (payload.contains("to")) read_own_place(payload["to"], order);
    order.inline_max_bytes = number_of(payload, "inline_max_bytes").value_or(0);
    order.repeat = flag_of(payload, "repeat");
    if (const auto begun = payload.find("begun"); begun != payload.end() && begun->is_object())
        order.begun = *begun;
    read_form(payload, order);
    return order;
}

}  // namespace emprops::courier
