#include "ipc/web/page_text.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::web {
namespace {

constexpr std::size_t most_bytes = 16 * 1024;
constexpr std::string_view blank = " ";  // for a line break, which means nothing in a page

/// What stands between `<name ...>` and `</name>`; nullopt: there is none. `from`, `to`: with both marks.
struct Element {
    std::string_view inside;
    std::size_t from = 0;
    std::size_t to = 0;
};
bool find_element(std::string_view page, std::string_view lowered, std::string_view name, Element& element) {
    const std::string begin = "<" + std::string(name);
    std::size_t at = lowered.find(begin);
    while (at != std::string_view::npos && at + begin.size() < lowered.size() &&
           lowered[at + begin.size()] != '>' && lowered[at + begin.size()] != ' ')
        at = lowered.find(begin, at + 1);  // <header> is not <head>
    if (at == std::string_view::npos) return false;
    const std::size_t inside = lowered.find('>', at);
    if (inside == std::string_view::npos) return false;
    const std::string close = "</" + std::string(name);
    const std::size_t end = std::min(lowered.find(close, inside), lowered.size());
    element.inside = page.substr(inside + 1, end - inside - 1);
    element.from = at;
    element.to = std::min(lowered.find('>', end), lowered.size() - 1) + 1;
    return true;
}

std::string without_marks(std::string_view page) {
    std::string text;
    for (std::size_t at = 0; at < page.size();) {
        const std::size_t mark = std::min(page.find('<', at), page.size());
        text += page.substr(at, mark - at);
        if (mark == page.size()) break;
        text += ' ';
        at = std::min(page.find('>', mark), page.size() - 1) + 1;
    }
    for (const auto& [name, character] :
         {std::pair{"&lt;", "<"}, std::pair{"&gt;", ">"}, std::pair{"&quot;", "\""}, std::pair{"&#39;", "'"},
          std::pair{"&nbsp;", " "}, std::pair{"&amp;", "&"}}) {
        const std::string_view entity = name;
        for (auto at = text.find(entity); at != std::string::npos; at = text.find(entity, at + 1))
            text.replace(at, entity.size(), character);
    }
    return text;
}

}  // namespace

std::string page_text(std::string_view body, std::size_t limit) {
    std::string page(text::cut(body, most_bytes));
    std::string lowered = text::lower(page);
    const bool html = lowered.find("<html") != std::string::npos ||
                      lowered.find("<!doctype html") != std::string::npos ||
                      lowered.find("<title") != std::string::npos;
    if (!html) return text::shortened(in_one_line(page, blank), limit);
    Element element;
    if (find_element(page, lowered, "title", element)) {
        std::string title = in_one_line(without_marks(element.inside), blank);
        if (!title.empty()) return text::shortened(title, limit);
    }
    for (const char* hidden : {"script", "style", "head"}) {
        while (find_element(page, lowered, hidden, element)) {
            page.erase(element.from, element.to - element.from);
            lowered.erase(element.from, element.to - element.from);
        }
    }
    return text::shortened(in_one_line(without_marks(page), blank), limit);
}

}  // namespace emprops::web
