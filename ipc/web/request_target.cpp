#include "ipc/web/request_target.h"

#include <algorithm>

#include "ipc/text/percent.h"

namespace emprops::web {
namespace {

std::string_view cut_front(std::string_view& text, char separator) {
    const auto end = text.find(separator);
    const auto front = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    return front;
}

}  // namespace

RequestTarget RequestTarget::parse(std::string_view target) {
    RequestTarget parsed;
    const auto decoded = [&parsed](std::string_view text) {
        if (auto strict = text::percent_decode_strict(text)) return *strict;
        parsed.well_formed = false;
        return text::percent_decode(text);
    };
    const auto in_query = [&decoded](std::string_view text) {
        std::string spaced(text);
        std::replace(spaced.begin(), spaced.end(), '+', ' ');
        return decoded(spaced);
    };
    std::string_view query = target;
    std::string_view path = cut_front(query, '?');
    if (path.starts_with('/')) {
        path.remove_prefix(1);
    } else {
        parsed.well_formed = false;
    }
    if (!path.empty()) {
        const bool ends_with_slash = path.ends_with('/');
        while (!path.empty())
            parsed.segments.push_back(decoded(cut_front(path, '/')));
        if (ends_with_slash) parsed.segments.emplace_back();
    }
    while (!query.empty()) {
        std::string_view value = cut_front(query, '&');
        const std::string key = in_query(cut_front(value, '='));
        parsed.query[key] = in_query(value);
    }
    return parsed;
}

}  // namespace emprops::web
