#include "tests/support/played_delivery.h"

#include <fstream>
#include <iterator>
#include <vector>

#include "ipc/web/base64.h"
#include "ipc/web/digest.h"

namespace emprops::test {

using Json = nlohmann::json;

namespace {

constexpr std::size_t most_inline = 11 << 20;

Json entry_of(const Json& file) {
    Json entry = file;
    for (const char* own : {"path", "url", "deliver"})
        entry.erase(own);
    std::ifstream stream(file.value("path", ""), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    entry["size"] = bytes.size();
    entry["sha256"] = sha256_hex(bytes);
    for (const Json& store : file.value("deliver", Json{"inline", "reference"})) {
        const bool in_the_result = store == "inline" && stream.is_open() && bytes.size() <= most_inline;
        if (in_the_result) entry["data"] = web::base64_encode(bytes);
        if (store == "reference" && file.contains("url")) entry["url"] = file["url"];
        if (!in_the_result && !entry.contains("url")) continue;
        entry["delivery"] = store;
        break;
    }
    return entry;
}

void put_entries(Json& value, const std::vector<Json>& entries) {
    if (value.is_object() && value.size() == 1 && value.contains("$file")) {
        value = entries.at(value["$file"].get<std::size_t>());
        return;
    }
    if (value.is_structured())
        for (Json& each : value)
            put_entries(each, entries);
}

}  // namespace

Json offer_of_files() {
    return {{"stores", {"inline", "reference"}},
            {"max_files", 1000},
            {"released", 2},
            {"deliver", {"inline", "reference"}}};
}

Json with_delivered_files(Json message) {
    if (message.value("type", "") != "result" || !message.contains("files")) return message;
    std::vector<Json> entries;
    for (const Json& file : message["files"])
        entries.push_back(entry_of(file));
    put_entries(message["result"], entries);
    return message;
}

}  // namespace emprops::test
