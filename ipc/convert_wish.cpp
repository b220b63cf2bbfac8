#include "ipc/convert_wish.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ipc/json_text.h"
#include "ipc/result_files.h"
#include "ipc/text/nearest.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::ipc {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t most_quality = 100, most_side = 65535;
const std::vector<std::string> formats{"webp", "jpeg", "png"};

Error wrong(const std::string& member, const std::string& what) {
    return {"invalid_payload", member + " " + what};
}

/// The members of one object, each looked at once; the first thing that is wrong stays.
class Members {
  public:
    Members(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
        if (!object.is_object()) fail("", "must be an object");
    }

    const Json* find(const char* name) {
        known_.emplace_back(name);
        if (!object_.is_object()) return nullptr;
        const auto found = object_.find(name);
        return found == object_.end() || found->is_null() ? nullptr : &*found;
    }
    std::optional<int> number(const char* name, std::int64_t most) {
        const Json* value = find(name);
        if (value == nullptr) return {};
        const auto number = whole_number(*value);
        if (number && *number >= 1 && *number <= most) return static_cast<int>(*number);
        fail(name, "must be a whole number from 1 to " + std::to_string(most));
        return {};
    }
    std::optional<std::string> word(const char* name, const std::vector<std::string>& allowed,
                                    const char* said) {
        const Json* value = find(name);
        if (value == nullptr) return {};
        if (value->is_string() && text::has_item(allowed, value->get_ref<const std::string&>()))
            return value->get<std::string>();
        fail(name, std::string("must be ") + said);
        return {};
    }
    void fail(const std::string& name, const std::string& what) {
        if (!error_) error_ = wrong(name.empty() ? where_ : where_ + "." + name, what);
    }
    /// After all are looked at: those that nobody knows.
    std::optional<Error> error() {
        if (error_ || !object_.is_object()) return error_;
        for (const auto& [name, value] : object_.items()) {
            if (text::has_item(known_, name)) continue;
            fail(std::string(text::shortened(name, 60)), text::unknown_text(name, known_));
        }
        return error_;
    }

  private:
    const Json& object_;
    std::string where_;
    std::vector<std::string> known_;
    std::optional<Error> error_;
};

Result<ImageWish> read_image(const Json& given, const std::string& where) {
    Members members(given, where);
    ImageWish wish;
    wish.format = members.word("format", formats, "\"webp\", \"jpeg\" or \"png\"").value_or("");
    wish.quality = members.number("quality", most_quality);
    wish.max_side = members.number("max_side", most_side);
    if (const auto word = members.word("metadata", {"keep", "strip"}, "\"keep\" or \"strip\""))
        wish.keep_metadata = *word == "keep";
    if (auto error = members.error()) return std::move(*error);
    return wish;
}

}  // namespace

Result<ConvertWish> read_convert_wish(const Json& given, const std::string& where) {
    Members members(given, where);
    ConvertWish wish;
    if (const Json* image = members.find("image")) {
        auto read = read_image(*image, where + ".image");
        if (!read) return read.error();
        wish.image = std::move(*read);
    }
    if (const Json* video = members.find("video")) {
        Members inside(*video, where + ".video");
        const Json* command = inside.find("command");
        if (command != nullptr && command->is_string() && !command->get_ref<const std::string&>().empty())
            wish.video = command->get<std::string>();
        else
            inside.fail("command", "must be the name of a command, as in [files.commands.NAME]");
        if (auto error = inside.error()) return std::move(*error);
    }
    if (const Json* size = members.find("if_larger_than")) {
        const auto number = whole_number(*size);
        if (number && *number >= 0) wish.if_larger_than = static_cast<std::uint64_t>(*number);
        if (size->is_string()) wish.if_larger_than = text::parse_bytes(size->get_ref<const std::string&>());
        if (!wish.if_larger_than) members.fail("if_larger_than", "must be a size, such as \"1MB\" or 500000");
    }
    if (auto error = members.error()) return std::move(*error);
    return wish;
}

Json to_json(const ConvertWish& wish) {
    Json out = Json::object();
    if (wish.image) {
        Json image = Json::object();
        if (!wish.image->format.empty()) image["format"] = wish.image->format;
        if (wish.image->quality) image["quality"] = *wish.image->quality;
        if (wish.image->max_side) image["max_side"] = *wish.image->max_side;
        if (wish.image->keep_metadata) image["metadata"] = *wish.image->keep_metadata ? "keep" : "strip";
        out["image"] = std::move(image);
    }
    if (wish.video) out["video"] = {{"command", *wish.video}};
    if (wish.if_larger_than) out["if_larger_than"] = *wish.if_larger_than;
    return out;
}

ConvertWish merged(const ConvertWish& nearer, const ConvertWish& general) {
    ConvertWish wish = nearer;
    if (!wish.image) {
        wish.image = general.image;
    } else if (general.image && *wish.image == ImageWish{}) {
        wish.image->keep_metadata = general.image->keep_metadata;  // as they are, but nobody said "keep"
    } else if (general.image) {
        ImageWish& image = *wish.image;
        const ImageWish& other = *general.image;
        // A quality is that of its format.
        if (!image.quality && (image.format.empty() || image.format == other.format))
            image.quality = other.quality;
        if (image.format.empty()) image.format = other.format;
        if (!image.max_side) image.max_side = other.max_side;
        if (!image.keep_metadata) image.keep_metadata = other.keep_metadata;
    }
    if (!wish.video) wish.video = general.video;
    if (!wish.if_larger_than) wish.if_larger_than = general.if_larger_than;
    return wish;
}

std::string with_extension(const std::string& name, std::string_view extension) {
    const std::string end = "." + std::string(extension);
    return std::string(text::cut(text::stem_of(name),
                                 max_file_name_bytes - std::min(max_file_name_bytes, end.size()))) +
           end;
}

std::string name_in_format(const std::string& name, std::string_view format) {
    const std::string own = text::lower(std::string_view(name).substr(text::stem_of(name).size()));
    const bool same = (own == ".jpeg" && format == "jpeg") || own == "." + std::string(format);
    if (format.empty() || same || (own == ".jpg" && format == "jpeg")) return name;
    return with_extension(name, format == "jpeg" ? "jpg" : format);
}

}  // namespace emprops::ipc
