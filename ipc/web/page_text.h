#pragma once
// What a body that is no message of a protocol says to a person: the page of a proxy, of a login, of a service
// that somebody else runs at that address. Pure, any thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace emprops::web {

/// On one line, cut between two characters: the title of a page, else its text without marks; any other text as
/// it is. Empty: it says nothing. At most 16 KiB of the body are looked at.
std::string page_text(std::string_view body, std::size_t limit = 160);

}  // namespace emprops::web
