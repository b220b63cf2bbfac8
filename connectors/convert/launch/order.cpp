#include "connectors/convert/launch/order.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ipc/json_text.h"

namespace emprops::convert {
namespace {

constexpr std::array ends{std::pair(Reply::End::done, "done"), std::pair(Reply::End::same, "same"),
                          std::pair(Reply::End::left, "left"), std::pair(Reply::End::failed, "failed")};

}  // namespace

std::string text_of(const Order& order) {
    Json out = Json::object();
    if (order.image) out = ipc::to_json(ipc::ConvertWish{order.image, {}, {}});
    out["strip"] = order.strip;
    out["name"] = order.name;
    out["command"] = order.command;
    out["link"] = order.link;
    out["seconds"] = order.seconds;
    out["parent"] = order.parent;
    return ipc::dump(out);
}

Result<Order> read_order(const std::string& text) {
    const Json from = Json::parse(text, nullptr, false);
    const Error bad{"bad_order", "the order is none: this program is started by the courier"};
    if (!from.is_object()) return bad;
    try {
        Order order;
        if (from.contains("image")) {
            auto wish = ipc::read_convert_wish({{"image", from["image"]}}, "order");
            if (!wish) return wish.error();
            order.image = std::move(wish->image);
        }
        order.strip = from.at("strip").get<bool>();
        order.name = from.at("name").get<std::string>();
        order.command = from.at("command").get<std::vector<std::string>>();
        order.link = from.at("link").get<std::string>();
        order.seconds = from.at("seconds").get<std::uint64_t>();
        order.parent = from.at("parent").get<std::int64_t>();
        return order;
    } catch (const Json::exception&) {
        return bad;
    }
}

std::string text_of(const Reply& reply) {
    const auto word =
        std::find_if(ends.begin(), ends.end(), [&](const auto& e) { return e.first == reply.end; });
    return ipc::dump(Json{{"end", word->second},
                          {"why", reply.why},
                          {"format", reply.format},
                          {"unguarded", reply.unguarded}}) +
           "\n";
}

Result<Reply> read_reply(const std::string& text) {
    const Json from = Json::parse(text, nullptr, false);
    const std::string word = from.is_object() ? ipc::text_or_empty(from, "end") : "";
    const auto end = std::find_if(ends.begin(), ends.end(), [&](const auto& e) { return e.second == word; });
    if (end == ends.end()) return Error{"bad_reply", "it gave no answer"};
    return Reply{end->first, ipc::text_or_empty(from, "why"), ipc::text_or_empty(from, "format"),
                 ipc::text_or_empty(from, "unguarded")};
}

}  // namespace emprops::convert
