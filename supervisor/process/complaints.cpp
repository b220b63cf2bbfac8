#include "supervisor/process/complaints.h"

#include "ipc/codec.h"
#include "ipc/text/nearest.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::process {

namespace {

constexpr std::size_t text_bytes = 80;

std::string quoted(std::string_view text) {
    return "\"" + text::shortened(text, text_bytes) + "\"";
}

}  // namespace

std::string TextBefore::taken() const {
    return "a print without a line break (" + quoted(text) + ") stands before this " + std::string(type) +
           ", which counts all the same; end each print with a line break";
}

std::string TextBefore::not_taken() const {
    return "a line looked like `" + std::string(type) + "`, but had text in front (" + quoted(text) +
           "): it is not taken; end each print with a line break";
}

std::string TextBefore::foreign() const {
    return "a " + std::string(type) + " stands behind the text " + quoted(text) +
           ", for a job that this process does not hold; ignored";
}

std::string unknown_type(const std::string& type) {
    const auto meant = text::meant(text::lower(type), ipc::types_from_connector());
    return "a message of the unknown type \"" + type + "\" is ignored" +
           (meant ? ": did you mean \"" + *meant + "\"?" : " (perhaps of a later version)");
}

}  // namespace emprops::process
