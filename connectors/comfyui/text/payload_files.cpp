#include "connectors/comfyui/text/payload_files.h"

#include <algorithm>
#include <map>
#include <utility>

#include "connectors/comfyui/text/web.h"

namespace emprops::comfyui {
namespace {

Error bad_file(const std::string& why) {
    return {"invalid_payload", why};
}

std::string stored_name(std::string_view name) {
    const auto slash = name.find_last_of("/\\");
    if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
    std::string out;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20 || c == '"' || c == ':' || c == '*' || c == '?' || c == '<' || c == '>' || c == '|'
                   ? '_'
                   : c;
    }
    if (out.size() > 120) out.erase(0, out.size() - 120);  // keeps the extension
    return out == "." || out == ".." ? std::string() : out;
}

std::string extension_for(std::string_view data_url) {
    static const std::map<std::string, std::string, std::less<>> known{
        {"image/png", ".png"},   {"image/jpeg", ".jpg"}, {"image/webp", ".webp"},
        {"image/gif", ".gif"},   {"audio/wav", ".wav"},  {"audio/mpeg", ".mp3"},
        {"audio/flac", ".flac"}, {"video/mp4", ".mp4"},  {"video/webm", ".webm"}};
    const auto type = data_url.substr(5, data_url.find_first_of(";,") - 5);
    const auto at = known.find(type);
    return at == known.end() ? ".bin" : at->second;
}

bool is_data_url(std::string_view text) {
    return text.starts_with("data:") && text.find(";base64,") < 200;
}

/// Base64, a data URL or a web address. `name` empty: its own.
Result<InputFile> read_content(std::string what, const std::string& content, std::string name) {
    InputFile file;
    file.what = std::move(what);
    if (is_web_address(content)) {
        file.url = content;
        if (name.empty()) name = stored_name(content.substr(0, content.find_first_of("?#")));
    } else if (content.starts_with("data:")) {
        const auto comma = content.find(',');
        if (comma == std::string::npos || content.substr(0, comma).find(";base64") == std::string::npos)
            return bad_file(file.what + " is a data URL that is not base64");
        if (name.empty()) name = "input" + extension_for(content);
        file.base64 = content.substr(comma + 1);
    } else {
        file.base64 = content;
    }
    file.filename = stored_name(name);
    return file;
}

constexpr const char* content_fields[] = {"data", "url", "base64", "image"};

Result<InputFile> read_input(std::string what, const std::string& key, const Json& value) {
    std::string content, name;
    if (value.is_string()) {
        content = value;
    } else if (value.is_object()) {
        for (const char* field : content_fields) {
            if (!value.contains(field)) continue;
            if (!value.at(field).is_string() || !content.empty())
                return bad_file(what +
                                " must have one of \"data\", \"base64\", \"image\" and \"url\", as text");
            content = value.at(field);
        }
        if (value.contains("filename")) {
            if (!value.at("filename").is_string()) return bad_file(what + ".filename must be text");
            name = value.at("filename");
        }
    }
    if (content.empty()) {
        return bad_file(what +
                        " must be base64, a data URL or an http(s) URL, or an object with \"data\" or "
                        "\"url\" and \"filename\"");
    }
    auto file = read_content(std::move(what), content, name);
    if (!file.ok()) return file;
    file->key = key;
    if (file->filename.empty()) file->filename = stored_name(key);
    if (file->filename.empty()) file->filename = "input.bin";
    return file;
}

/// A list of files, each with its name.
Result<std::vector<InputFile>> read_list(const std::string& list, const Json& files) {
    std::vector<InputFile> out;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const std::string place = list + "[" + std::to_string(i) + "]";
        const Json& entry = files[i];
        std::string name;
        for (const char* field : {"name", "key", "filename"}) {
            if (!name.empty() || !entry.is_object() || !entry.contains(field)) continue;
            if (entry.at(field).is_string()) name = entry.at(field);
        }
        if (name.empty()) {
            return bad_file(
                place + " must be an object with \"name\" (as the workflow names the file) and \"image\" " +
                "(base64, a data URL or an http(s) URL)");
        }
        auto file = read_input(list + "[\"" + name + "\"]", name, entry);
        if (!file.ok()) return file.error();
        file->filename = stored_name(name);
        if (file->filename.empty()) file->filename = "input.bin";
        out.push_back(std::move(*file));
    }
    return out;
}

/// Calls `each(place, text)` for the texts that are inputs of nodes.
template <class Each>
void each_text(const Json& graph, const Each& each) {
    for (const auto& [id, node] : graph.items()) {
        const auto inputs = node.is_object() ? node.find("inputs") : node.end();
        if (inputs == node.end() || !inputs->is_object()) continue;
        for (const auto& [name, value] : inputs->items()) {
            if (value.is_string()) each(InputPlace{id, name}, value.template get_ref<const std::string&>());
        }
    }
}

}  // namespace

Result<std::vector<InputFile>> read_inputs(const Json& inputs) {
    if (inputs.is_array()) return read_list("inputs", inputs);
    if (!inputs.is_object()) return bad_file("\"inputs\" must be an object: name -> file");
    std::vector<InputFile> out;
    for (const auto& [key, value] : inputs.items()) {
        auto file = read_input("inputs[\"" + key + "\"]", key, value);
        if (!file.ok()) return file.error();
        out.push_back(std::move(*file));
    }
    return out;
}

Result<std::vector<InputFile>> read_images(const Json& images, const Json& graph) {
    Json list = images;
    if (images.is_object()) {  // name -> file
        list = Json::array();
        for (const auto& [name, value] : images.items()) {
            Json entry = value.is_object() ? value : Json{{"image", value}};
            entry["name"] = name;
            list.push_back(std::move(entry));
        }
    }
    if (!list.is_array()) return bad_file("\"images\" must be a list of {\"name\", \"image\"}");
    auto files = read_list("images", list);
    if (!files.ok()) return files;
    each_text(graph, [&](InputPlace place, const std::string& text) {
        for (InputFile& file : *files) {
            if (text != file.key && text != file.key + " [input]") continue;
            file.places.push_back(std::move(place));
            return;
        }
    });
    return files;
}

std::vector<InputFile> read_fields(const Json& graph) {
    std::map<std::string, InputFile> out;  // the same address in two nodes is one file
    each_text(graph, [&](InputPlace place, const std::string& text) {
        if (!is_web_address(text) && !is_data_url(text)) return;
        auto [at, fresh] = out.try_emplace(text);
        if (fresh) {
            auto file = read_content("node \"" + place.node + "\", input \"" + place.input + "\"", text, "");
            if (file.ok()) at->second = std::move(*file);
            if (at->second.filename.empty()) at->second.filename = "input.bin";
        }
        at->second.places.push_back(std::move(place));
    });
    std::vector<InputFile> files;
    for (auto& entry : out) {
        files.push_back(std::move(entry.second));
    }
    return files;
}

}  // namespace emprops::comfyui
