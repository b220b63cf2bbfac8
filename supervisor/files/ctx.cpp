#include "supervisor/files/ctx.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ipc/envelope.h"
#include "ipc/json_text.h"
#include "ipc/object_text.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"
#include "ipc/web/url.h"

namespace emprops::files {
namespace {

using ipc::Json;

constexpr std::size_t longest_cdn_url = 2048, longest_filename = 200;

Error wrong(const std::string& why) {
    return {ipc::code::invalid_payload, why};
}

/// The member of the one, or else of the other.
std::string first_of(const Json& one, const Json& other, const char* key) {
    const std::string text = ipc::text_or_empty(one, key);
    return text.empty() ? ipc::text_or_empty(other, key) : text;
}

Result<std::string> clean_url(std::string text) {
    if (text.empty()) return text;
    if (!text.starts_with("http://") && !text.starts_with("https://")) text = "https://" + text;
    const auto url = web::Url::parse(text);
    if (!url || text.size() > longest_cdn_url || !url->query.empty() || !url->user.empty() ||
        text.find('#') != std::string::npos)
        return wrong("ctx.storage.cdnUrl is no address to which a path could be added");
    while (text.ends_with('/'))
        text.pop_back();
    return text;
}

/// Of "a/b.png" the name; "a" goes behind the prefix.
Result<> take_name(const std::string& text, Destination& to) {
    const std::string member = "ctx.filename";
    const std::size_t slash = text.rfind('/');
    to.filename = text.substr(slash == std::string::npos ? 0 : slash + 1);
    if (to.filename.empty() || to.filename == "." || to.filename == ".." ||
        to.filename.size() > longest_filename || text::has_control_character(to.filename) ||
        to.filename.find('\\') != std::string::npos)
        return wrong(member + " is no name of a file");
    const auto folder = clean_prefix(slash == std::string::npos ? "" : text.substr(0, slash), member);
    if (!folder) return folder.error();
    std::string prefix = to.prefix.value_or("");
    if (!folder->empty()) prefix += (prefix.empty() ? "" : "/") + *folder;
    to.prefix = std::move(prefix);
    return Ok{};
}

std::string kind_of(const std::string& mime_type) {
    static constexpr const char* kinds[] = {"image", "video", "audio", "text"};
    const std::string kind = mime_type.substr(0, mime_type.find('/'));
    return std::find(std::begin(kinds), std::end(kinds), kind) == std::end(kinds) ? "binary" : kind;
}

}  // namespace

Result<std::optional<Destination>> read_ctx(std::string_view payload,
                                            const std::map<std::string, std::string>& stores) {
    const auto text = ipc::member_text(payload, "ctx");
    const auto ctx = text && text->starts_with('{') ? ipc::decoded(*text) : std::nullopt;
    if (!ctx) return std::optional<Destination>();
    const Json found = ctx->value("storage", Json());
    const Json storage = found.is_object() ? found : Json::object();
    const std::string provider = first_of(storage, *ctx, "provider"),
                      bucket = first_of(storage, *ctx, "bucket");
    if (provider.empty() || bucket.empty()) return std::optional<Destination>();
    const std::string name = provider + ":" + bucket;
    const auto store = stores.find(name);
    if (store == stores.end()) {
        std::string known;
        for (const auto& each : stores)
            add_item(known, each.first);
        return wrong("ctx.storage names " + text::shortened(name, 100) +
                     ", which no store of this worker has in its `ctx`; there are " + known);
    }
    Destination to;
    to.label = "ctx.storage";
    to.is_ctx = true;
    to.store = store->second;
    if (const std::string prefix = first_of(*ctx, storage, "prefix"); !prefix.empty()) {
        auto clean = clean_prefix(prefix, "ctx.prefix");
        if (!clean) return clean.error();
        to.prefix = std::move(*clean);
    }
    if (const std::string filename = first_of(*ctx, storage, "filename"); !filename.empty())
        if (const auto taken = take_name(filename, to); !taken) return taken.error();
    auto url = clean_url(first_of(storage, *ctx, "cdnUrl"));
    if (!url) return url.error();
    to.public_url = std::move(*url);
    return std::optional(std::move(to));
}

std::string named_by_ctx(const std::string& name, const std::string& wanted) {
    const std::string ending = name.substr(text::stem_of(name).size());
    return ending.empty() ? wanted : std::string(text::stem_of(wanted)) + ending;
}

std::string with_ctx_members(std::string result, const ipc::ResultFile& file, std::string_view entry) {
    const auto scanned = ipc::scan_envelope(entry, {"data"});
    const Json fields = scanned.envelope ? scanned.envelope->fields : Json::object();
    std::string mime_type = file.mime_type.empty() ? ipc::text_or_empty(fields, "mime_type") : file.mime_type;
    if (mime_type.empty()) mime_type = "application/octet-stream";
    const std::string url = ipc::text_or_empty(fields, "url");
    ipc::ObjectText more;
    const auto add = [&](const char* name, const std::string& value) {
        more.add_if(!value.empty() && !ipc::member_text(result, name), name, value);
    };
    add("image_url", url);
    add("mime_type", mime_type);
    add("content_type", kind_of(mime_type));
    const std::string members = more.members();
    const std::size_t open = result.find('{');
    if (members.empty() || open == std::string::npos) return result;
    const std::size_t first = result.find_first_not_of(" \t\r\n", open + 1);
    const bool empty = first == std::string::npos || result[first] == '}';
    result.insert(open + 1, members + (empty ? "" : ","));
    return result;
}

}  // namespace emprops::files
