#include "ipc/result_files.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "ipc/envelope.h"
#include "ipc/text/percent.h"
#include "ipc/text/utf8.h"

namespace emprops::ipc {
namespace {

constexpr std::size_t most_shown_bytes = 120;

constexpr std::array known_members{"path", "url",  "name",    "mime_type",
                                   "kind", "node", "deliver", "strip_metadata"};

std::string place(std::size_t index, const char* member = nullptr) {
    const std::string file = "files[" + std::to_string(index) + "]";
    return member == nullptr ? file : file + "." + member;
}

Error broken(std::string sentence) {
    return {code::protocol_error, std::move(sentence)};
}

std::string shown(std::string_view text) {
    return "\"" + text::shortened(text, most_shown_bytes) + "\"";
}

std::string_view last_part(std::string_view path) {
    return path.substr(path.rfind('/') + 1);  // npos + 1 = 0: no slash
}

bool has_part(std::string_view path, std::string_view wanted) {
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        if (path.substr(0, end) == wanted) return true;
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return false;
}

/// Why no file can have this name; nullptr: one can.
const char* name_fault(std::string_view name) {
    if (name.empty()) return "is empty";
    if (name == "." || name == "..") return "is no name of a file";
    if (name.find('/') != std::string_view::npos) return "holds a slash";
    if (name.find('\0') != std::string_view::npos) return "holds a NUL";
    if (name.size() > max_file_name_bytes) return "is longer than 255 bytes";
    return nullptr;
}

const char* path_fault(std::string_view path) {
    if (path.find('\0') != std::string_view::npos) return "holds a NUL";
    if (has_part(path, "..")) return "holds a part \"..\"";
    const std::string_view name = last_part(path);
    if (name.empty() || name == ".") return "names a folder, and only files are delivered";
    return nullptr;
}

const char* url_fault(std::string_view url) {
    const std::size_t scheme = url.find("://");
    const auto is_scheme = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
               c == '-' || c == '.';
    };
    if (scheme == 0 || scheme == std::string_view::npos ||
        !std::all_of(url.begin(), url.begin() + static_cast<std::ptrdiff_t>(scheme), is_scheme))
        return "is no absolute URL (http://HOST/...)";
    const auto is_foreign = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; };
    if (std::any_of(url.begin(), url.end(), is_foreign))
        return "holds a space or a control character (write it as %20 and the like)";
    return nullptr;
}

/// The last part of the URL's path, decoded.
std::string name_in_url(std::string_view url) {
    url.remove_prefix(url.find("://") + 3);
    url = url.substr(0, url.find_first_of("?#"));
    const std::size_t path = url.find('/');
    return path == std::string_view::npos ? std::string() : text::percent_decode(last_part(url.substr(path)));
}

std::optional<Error> name_it(ResultFile& file, std::size_t index) {
    const bool given = !file.name.empty();
    if (!given) file.name = file.path.empty() ? name_in_url(file.url) : std::string(last_part(file.path));
    const char* fault = name_fault(file.name);
    if (fault == nullptr) return std::nullopt;
    if (given) return broken(place(index, "name") + " " + shown(file.name) + " " + fault);
    return broken(place(index) + " needs a \"name\": what its " + (file.path.empty() ? "url" : "path") +
                  " ends with (" + shown(file.name) + ") " + fault);
}

/// One element of `files`, as far as types go.
class FileReader {
  public:
    FileReader(const Json& file, std::size_t index) : file_(file), index_(index) {}

    Result<ResultFile> read() {
        ResultFile out;
        if (!file_.is_object()) {
            return broken(place(index_) + " must be an object ({\"path\": ...}), but is of type " +
                          file_.type_name());
        }
        out.path = text("path", true);
        out.url = text("url", true);
        out.name = text("name", true);
        out.mime_type = text("mime_type", false);
        out.kind = text("kind", false);
        out.node = text("node", false);
        out.deliver = stores();
        out.strip_metadata = flag("strip_metadata");
        for (const auto& [name, value] : file_.items()) {
            if (std::find(known_members.begin(), known_members.end(), name) == known_members.end())
                out.more[name] = value;
        }
        if (error_) return std::move(*error_);
        return complete_file(std::move(out), index_);
    }

  private:
    void fail(const char* member, const std::string& sentence) {
        if (!error_) error_ = broken(place(index_, member) + " " + sentence);
    }

    std::string text(const char* member, bool filled) {
        const auto found = file_.find(member);
        if (found == file_.end() || found->is_null()) return {};
        if (!found->is_string()) {
            fail(member, std::string("must be a string, but is of type ") + found->type_name());
            return {};
        }
        auto value = found->get<std::string>();
        if (filled && value.empty()) fail(member, "is empty (leave it out if there is none)");
        return value;
    }

    bool flag(const char* member) {
        const auto found = file_.find(member);
        if (found == file_.end() || found->is_null()) return false;
        if (found->is_boolean()) return found->get<bool>();
        fail(member, std::string("must be true or false, but is of type ") + found->type_name());
        return false;
    }

    std::optional<std::vector<std::string>> stores() {
        const auto found = file_.find("deliver");
        if (found == file_.end() || found->is_null()) return std::nullopt;
        const bool good = found->is_array() && !found->empty() &&
                          std::all_of(found->begin(), found->end(), [](const Json& store) {
                              return store.is_string() && !store.get_ref<const std::string&>().empty();
                          });
        if (!good) {
            fail("deliver",
                 "must be an array of names of stores, at least one (leave it out for the configured ones)");
            return std::nullopt;
        }
        return found->get<std::vector<std::string>>();
    }

    const Json& file_;
    std::size_t index_;
    std::optional<Error> error_;
};

}  // namespace

Result<ResultFile> complete_file(ResultFile file, std::size_t index) {
    if (file.path.empty() && file.url.empty())
        return broken(place(index) + " has neither \"path\" nor \"url\"");
    if (const char* fault = file.path.empty() ? nullptr : path_fault(file.path))
        return broken(place(index, "path") + " " + shown(file.path) + " " + fault);
    if (const char* fault = file.url.empty() ? nullptr : url_fault(file.url))
        return broken(place(index, "url") + " " + fault);  // not shown: it may hold a key
    if (auto fault = name_it(file, index)) return std::move(*fault);
    if (!file.more.is_object()) file.more = Json::object();
    return file;
}

Result<ResultFile> read_file(const Json& entry, std::size_t index) {
    return FileReader(entry, index).read();
}

Result<std::vector<ResultFile>> read_files(std::string_view json) {
    std::vector<ResultFile> files;
    if (json == "null") return files;
    if (json.size() > max_files_bytes) {
        return broken("the field \"files\" has " + std::to_string(json.size()) + " bytes, and " +
                      std::to_string(max_files_bytes) + " are the limit");
    }
    // `files` is the first level of the text, an entry the second.
    if (const auto deep = check_json(json, {max_file_depth + 1, 0}))
        return broken("the field \"files\" is " + deep->reason + " (an entry has at most " +
                      std::to_string(max_file_depth) + ")");
    const auto value = decoded(json);
    if (!value) return broken("the field \"files\" holds a number that is too large for a double");
    if (!value->is_array())
        return broken(std::string("the field \"files\" must be an array, but is of type ") +
                      value->type_name());
    if (value->size() > max_result_files) {
        return broken("the field \"files\" has " + std::to_string(value->size()) + " entries, and " +
                      std::to_string(max_result_files) + " are the limit");
    }
    files.reserve(value->size());
    for (const Json& each : *value) {
        auto file = read_file(each, files.size());
        if (!file) return file.error();
        files.push_back(std::move(*file));
    }
    return files;
}

Json to_json(const ResultFile& file) {
    Json out = file.more.is_object() ? file.more : Json::object();
    const auto set = [&](const char* member, const std::string& text) {
        out.erase(member);
        if (!text.empty()) out[member] = text;
    };
    set("path", file.path);
    set("url", file.url);
    set("name", file.name);
    set("mime_type", file.mime_type);
    set("kind", file.kind);
    set("node", file.node);
    out.erase("deliver");
    if (file.deliver) out["deliver"] = *file.deliver;
    out.erase("strip_metadata");
    if (file.strip_metadata) out["strip_metadata"] = true;
    return out;
}

}  // namespace emprops::ipc
