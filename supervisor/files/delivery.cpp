#include "supervisor/files/delivery.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "ipc/envelope.h"
#include "ipc/file_marks.h"
#include "ipc/json_text.h"
#include "ipc/object_text.h"
#include "ipc/result_files.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"
#include "supervisor/files/ctx.h"

namespace emprops::files {
namespace {

namespace fs = std::filesystem;
using ipc::Json;
using ipc::ObjectText;

/// What a connector added stands apart: none of it can pass for the file's own address or name.
void add_file(ObjectText& out, const ipc::ResultFile& file) {
    ipc::ResultFile known = file;
    known.more = Json::object();
    out.add("file", ipc::to_json(known)).add_if(!file.more.empty(), "more", file.more);
}

std::string array_text(const std::vector<std::string>& items) {
    std::string text = "[";
    for (const std::string& item : items)
        text += (text.size() > 1 ? "," : "") + item;
    return text + "]";
}

std::vector<std::string> texts_of(const Json& object, const char* key) {
    std::vector<std::string> texts;
    const auto found = object.find(key);
    if (found == object.end() || !found->is_array()) return texts;
    for (const Json& each : *found)
        if (each.is_string()) texts.push_back(each.get<std::string>());
    return texts;
}

/// 0 if it is not there; nothing: it is something else.
std::optional<std::uint64_t> whole_number(const Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) return 0;
    if (!found->is_number_unsigned()) return {};
    return found->get<std::uint64_t>();
}

/// Servers and key templates put "_" in the place of what does not belong into a name.
std::string as_in_a_key(const std::string& name) {
    std::string key = text::lower(name);
    for (char& c : key)
        if (static_cast<unsigned char>(c) < 0x80 && std::isalnum(static_cast<unsigned char>(c)) == 0 &&
            c != '-' && c != '.')
            c = '_';
    const std::size_t end = key.find_last_not_of("._");
    return key.substr(0, end == key.npos ? 0 : end + 1);
}

bool inside(const std::string& text) {
    const fs::path path(text);
    return !path.is_absolute() && std::find(path.begin(), path.end(), "..") == path.end();
}

std::optional<FileOnWay> read_one(const Json& from, std::size_t index) {
    const auto file = from.is_object() ? from.find("file") : from.end();
    if (file == from.end()) return {};
    auto known = ipc::read_file(*file, index);
    if (!known) return {};
    FileOnWay one;
    one.file = std::move(*known);
    if (const auto more = from.find("more"); more != from.end() && more->is_object()) one.file.more = *more;
    one.place = ipc::text_or_empty(from, "place");
    const auto bytes = whole_number(from, "bytes"), deaths = whole_number(from, "deaths");
    if (!bytes || !deaths) return {};
    one.bytes = *bytes;
    if (const auto to = from.find("to"); to != from.end()) {
        one.to = read_destination(*to);
        if (!one.to) return {};
    }
    one.stores = texts_of(from, "stores");
    one.by_job = texts_of(from, "by_job");
    one.formed = from.value("formed", Json()) == true;
    if (const auto begun = from.find("begun"); begun != from.end() && begun->is_object())
        one.begun = ipc::dump(*begun);
    one.image_name = ipc::text_or_empty(from, "image_name");
    one.video_name = ipc::text_or_empty(from, "video_name");
    one.arrived_name = ipc::text_or_empty(from, "arrived_name");
    one.arrived_type = ipc::text_or_empty(from, "arrived_type");
    one.deaths = static_cast<int>(std::min<std::uint64_t>(*deaths, 1000));
    if (const auto entry = from.find("entry"); entry != from.end() && entry->is_object())
        one.entry = ipc::dump(*entry);
    one.passed_over = texts_of(from, "passed_over");
    if (!inside(one.place)) return {};
    return one;
}

const FileOnWay* first_of_ctx(const Delivery& delivery) {
    for (const FileOnWay& each : delivery.files)
        if (each.to && each.to->is_ctx && each.entry) return &each;
    return nullptr;
}

ipc::ResultFile as_arrived(const FileOnWay& each) {
    ipc::ResultFile file = each.file;
    if (!each.arrived_name.empty()) file.name = each.arrived_name;
    if (!each.arrived_type.empty()) file.mime_type = each.arrived_type;
    return file;
}

ipc::JobError unmet(std::string why) {
    return {ipc::code::invalid_payload, std::move(why), false, {}};
}

/// `name`, or "a-2.png"; taken from now on.
std::string unique_name(const std::string& name, std::set<std::string>& taken) {
    const std::string_view stem = text::stem_of(name);
    const std::string extension = name.substr(stem.size());
    std::string unique = name;
    for (int count = 2; !taken.insert(as_in_a_key(unique)).second; ++count) {
        const std::string end = "-" + std::to_string(count) + extension;
        const std::size_t room = ipc::max_file_name_bytes - std::min(ipc::max_file_name_bytes, end.size());
        unique = std::string(text::cut(stem, room)) + end;
    }
    return unique;
}

}  // namespace

std::uint64_t Delivery::bytes() const {
    std::uint64_t sum = 0;
    for (const FileOnWay& each : files)
        sum += each.bytes;
    return sum;
}

std::uint64_t Delivery::spool_bytes() const {
    std::uint64_t sum = 0;
    for (const FileOnWay& each : files)
        sum += changes(each) ? 2 * each.bytes : each.bytes;
    return sum;
}

Result<std::string> place_of(const ipc::ResultFile& file, std::size_t index, const std::string& work_dir) {
    if (file.path.empty()) return std::string();
    const fs::path path(file.path);
    const fs::path inside =
        (path.is_absolute()
             ? path.lexically_normal().lexically_relative(fs::path(work_dir).lexically_normal())
             : path.lexically_normal());
    const bool out = inside.empty() || inside.is_absolute() || *inside.begin() == ".." || inside == "." ||
                     !inside.has_filename();
    if (out)
        return Error{
            ipc::code::protocol_error,
            "files[" + std::to_string(index) + "] \"" + file.name + "\" has the path \"" + file.path +
                "\", which is not inside the job's work_dir; write the file there, and name it relative "
                "to it"};
    return inside.string();
}

void make_names_unique(std::vector<FileOnWay>& files) {
    std::set<std::string> taken;
    for (FileOnWay& each : files)
        each.file.name = unique_name(each.file.name, taken);
}

void choose_forms(Delivery& delivery, const ipc::ConvertWish& wish, const std::string& video_extension) {
    delivery.convert = wish;
    std::set<std::string> taken;
    for (const FileOnWay& each : delivery.files)
        taken.insert(as_in_a_key(each.file.name));
    for (FileOnWay& each : delivery.files) {
        const std::string& name = each.file.name;
        const auto form = [&](const std::string& wanted) {
            return wanted == name ? std::string() : unique_name(wanted, taken);
        };
        if (wish.image) each.image_name = form(ipc::name_in_format(name, wish.image->format));
        if (wish.video && !video_extension.empty())
            each.video_name = form(ipc::with_extension(name, video_extension));
    }
}

void assign(Delivery& delivery, const std::vector<Destination>& to) {
    if (to.empty()) return;
    std::vector<const ipc::ResultFile*> files;
    for (const FileOnWay& each : delivery.files)
        files.push_back(&each.file);
    if (is_too_much(to, files)) {
        delivery.refused =
            unmet("the patterns of outputs.to are too long for " + std::to_string(files.size()) +
                  " files; let `match` ask for node, kind or index, or shorten its names");
        return;
    }
    const Shares shares = share_out(to, files);
    if (!shares.unmet.empty()) delivery.refused = unmet(unmet_text(to, shares.unmet, files));
    for (std::size_t i = 0; i < files.size(); ++i)
        if (shares.of_files[i]) delivery.files[i].to = to[*shares.of_files[i]];
    for (FileOnWay& each : delivery.files)
        if (each.to && !each.to->filename.empty())
            each.file.name = named_by_ctx(each.file.name, each.to->filename);
}

JobFiles job_files(const Delivery& delivery) {
    JobFiles files{{}, delivery.user};
    for (const FileOnWay& each : delivery.files)
        files.places.push_back(each.place);
    return files;
}

ipc::RawJson state_text(const Delivery& delivery) {
    std::vector<std::string> files;
    for (const FileOnWay& each : delivery.files) {
        ObjectText one;
        add_file(one, each.file);
        one.add_if(!each.place.empty(), "place", each.place)
            .add("bytes", each.bytes)
            .add("stores", each.stores)
            .add_if(!each.by_job.empty(), "by_job", each.by_job)
            .add_if(each.formed, "formed", true)
            .add_if(!each.image_name.empty(), "image_name", each.image_name)
            .add_if(!each.video_name.empty(), "video_name", each.video_name)
            .add_if(each.deaths > 0, "deaths", each.deaths)
            .add_if(!each.passed_over.empty(), "passed_over", each.passed_over);
        if (!each.begun.empty()) one.add_raw("begun", each.begun);
        if (each.to) one.add_raw("to", destination_text(*each.to));
        if (each.entry && each.keeps_entry) {
            one.add_raw("entry", *each.entry);
            one.add_if(!each.arrived_name.empty(), "arrived_name", each.arrived_name)
                .add_if(!each.arrived_type.empty(), "arrived_type", each.arrived_type);
        }
        files.push_back(one.end());
    }
    ObjectText out;
    out.add("connector", delivery.connector)
        .add("folder", delivery.folder)
        .add("date", delivery.date)
        .add_if(!delivery.from.empty(), "from", delivery.from)
        .add_if(delivery.refused.has_value(), "refused",
                delivery.refused ? delivery.refused->message : std::string());
    if (delivery.user) out.add("user", *delivery.user);
    out.add("payload_bytes", delivery.payload.bytes)
        .add("payload_crc32c", delivery.payload.crc32c)
        .add_if(delivery.convert != ipc::ConvertWish{}, "convert", ipc::to_json(delivery.convert))
        .add_raw("files", array_text(files));
    return out.end();
}

Result<Delivery> read_state(const ipc::RawJson& state) {
    const Json from = Json::parse(state.text(), nullptr, false);
    const Error bad{"bad_record", "what the ledger notes of the job's files cannot be read"};
    if (!from.is_object()) return bad;
    Delivery delivery;
    delivery.connector = ipc::text_or_empty(from, "connector");
    delivery.folder = ipc::text_or_empty(from, "folder");
    delivery.date = ipc::text_or_empty(from, "date");
    if (auto why = ipc::text_or_empty(from, "refused"); !why.empty())
        delivery.refused = unmet(std::move(why));
    delivery.from = ipc::text_or_empty(from, "from");
    const auto user = whole_number(from, "user"), bytes = whole_number(from, "payload_bytes"),
               sum = whole_number(from, "payload_crc32c");
    if (!inside(delivery.from) || !user || !bytes || !sum) return bad;
    if (from.contains("user")) delivery.user = static_cast<std::uint32_t>(*user);
    delivery.payload = {*bytes, static_cast<std::uint32_t>(*sum)};
    if (const auto convert = from.find("convert"); convert != from.end()) {
        auto wish = ipc::read_convert_wish(*convert, "convert");
        if (!wish) return bad;
        delivery.convert = std::move(*wish);
    }
    const auto files = from.find("files");
    if (files == from.end() || !files->is_array() || files->empty()) return bad;
    for (const Json& each : *files) {
        auto one = read_one(each, delivery.files.size());
        if (!one) return bad;
        delivery.files.push_back(std::move(*one));
    }
    if (delivery.folder.empty() || delivery.folder.find('/') != std::string::npos) return bad;
    return delivery;
}

ipc::RawJson courier_payload(const Delivery& delivery, std::size_t index, std::uint64_t inline_bytes,
                             bool repeat, bool unconverted) {
    const FileOnWay& each = delivery.files[index];
    ObjectText file;
    file.add_if(!each.place.empty(), "path", delivery.folder + "/" + each.place)
        .add_if(!each.file.url.empty(), "url", each.file.url)
        .add("name", each.file.name)
        .add_if(!each.file.mime_type.empty(), "mime_type", each.file.mime_type)
        .add("size", each.bytes);
    ObjectText values;
    values.add("job_id", delivery.job_id)
        .add("job_type", delivery.job_type)
        .add("connector", delivery.connector)
        .add("node", each.file.node)
        .add("kind", each.file.kind)
        .add("index", std::to_string(index))
        .add("date", delivery.date);
    ObjectText out;
    out.add_raw("file", file.end()).add_raw("values", values.end()).add("stores", each.stores);
    out.add_if(!each.by_job.empty(), "by_job", each.by_job);
    if (each.to) out.add_raw("to", destination_text(*each.to));
    out.add("inline_max_bytes", inline_bytes)
        .add("repeat", repeat)
        .add_if(delivery.given_up, "given_up", true);
    if (!each.begun.empty()) out.add_raw("begun", each.begun);
    out.add_if(each.file.strip_metadata, "strip", true);
    if (delivery.convert != ipc::ConvertWish{}) {
        out.add("convert", ipc::to_json(delivery.convert))
            .add_if(!each.image_name.empty(), "image_name", each.image_name)
            .add_if(!each.video_name.empty(), "video_name", each.video_name)
            .add_if(each.formed, "formed", true)
            .add_if(unconverted, "unconverted", "the courier ended more than once with it in hand");
    }
    return out.end();
}

bool take_answer(FileOnWay& file, const ipc::RawJson& answer) {
    const ipc::ScanOutcome scanned = ipc::scan_envelope(answer.text(), {"entry"});
    const auto entry = scanned.envelope ? scanned.envelope->find("entry") : std::nullopt;
    if (!entry) return false;
    file.entry = std::string(*entry);
    const ipc::ScanOutcome inside = ipc::scan_envelope(*file.entry, {"data"});
    file.keeps_entry = inside.envelope && !inside.envelope->find("data");
    const Json& fields = scanned.envelope->fields;
    if (const auto arrived = fields.find("file"); arrived != fields.end() && arrived->is_object()) {
        file.arrived_name = ipc::text_or_empty(*arrived, "name");
        file.arrived_type = ipc::text_or_empty(*arrived, "mime_type");
    }
    for (std::string& detour : texts_of(fields, "detours"))
        file.passed_over.push_back(std::move(detour));
    return true;
}

std::string entry_text(const ipc::ResultFile& file, std::string_view from_store) {
    // What the store says wins: nothing that a connector adds can pass for an address or a checksum.
    static constexpr const char* reserved[] = {"name", "mime_type", "kind", "node",           "delivery",
                                               "size", "sha256",    "url",  "data",           "path",
                                               "key",  "bucket",    "note", "converted_from", "conversion"};
    Json more = file.more.is_object() ? file.more : Json::object();
    for (const char* name : reserved)
        more.erase(name);
    ObjectText out;
    out.add("name", file.name)
        .add_if(!file.mime_type.empty(), "mime_type", file.mime_type)
        .add_if(!file.kind.empty(), "kind", file.kind)
        .add_if(!file.node.empty(), "node", file.node)
        .add_members(more);
    std::string text = "{" + out.members();
    // An inline entry has megabytes: it goes in as it is.
    const std::size_t open = from_store.find('{');
    const std::size_t first = from_store.find_first_not_of(" \t", open == from_store.npos ? open : open + 1);
    if (first == from_store.npos || from_store[first] == '}') return text + "}";
    return text + "," + std::string(from_store.substr(first));
}

std::string whereabouts(const Delivery& delivery) {
    std::string text;
    for (const FileOnWay& each : delivery.files) {
        const std::string entry = each.entry.value_or("{}");
        const ipc::ScanOutcome scanned = ipc::scan_envelope(entry, {"data"});
        const Json fields = scanned.envelope ? scanned.envelope->fields : Json::object();
        std::string place = ipc::text_or_empty(fields, "url");
        if (place.empty()) place = ipc::text_or_empty(fields, "path");
        if (place.empty()) place = each.entry ? "in the result" : "not delivered";
        add_item(text, each.file.name + ": " + place, "; ");
    }
    return text;
}

std::string finished_result(const Delivery& delivery) {
    std::vector<std::string> entries;
    for (const FileOnWay& each : delivery.files)
        entries.push_back(each.entry ? entry_text(as_arrived(each), *each.entry) : "null");
    std::string result = ipc::fill_file_marks(delivery.result.text(), entries);
    const FileOnWay* first = first_of_ctx(delivery);
    return first == nullptr ? result : with_ctx_members(std::move(result), as_arrived(*first), *first->entry);
}

std::uint64_t finished_bytes(const Delivery& delivery) {
    std::uint64_t bytes = delivery.result.text().size();
    if (const FileOnWay* first = first_of_ctx(delivery)) bytes += first->entry->size() + 1024;
    for (const ipc::FileMark& mark : ipc::find_file_marks(delivery.result.text())) {
        if (mark.file >= delivery.files.size()) continue;
        const FileOnWay& each = delivery.files[mark.file];
        bytes += each.entry.value_or("").size() + ipc::dump(each.file.more).size() + 1024;
    }
    return bytes;
}

std::vector<std::size_t> mentions(const Delivery& delivery) {
    std::vector<std::size_t> counts(delivery.files.size());
    for (const ipc::FileMark& mark : ipc::find_file_marks(delivery.result.text()))
        if (mark.file < counts.size()) ++counts[mark.file];
    return counts;
}

}  // namespace emprops::files
