#include "supervisor/process/complaints.h"

#include <iterator>
#include <vector>

#include "ipc/codec.h"
#include "ipc/text/nearest.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::process {

namespace {

constexpr std::size_t text_bytes = 80;

std::string in_quotes(std::string_view text) {
    return "\"" + text::shortened(text, text_bytes) + "\"";
}

std::string perhaps(const std::string& word, const std::vector<std::string>& known) {
    const auto meant = text::meant(text::lower(word), known);
    return meant ? ": did you mean \"" + *meant + "\"?" : " (perhaps of a later version)";
}

}  // namespace

std::string TextBefore::taken() const {
    return "a print without a line break (" + in_quotes(text) + ") stands before this " + std::string(type) +
           ", which counts all the same; end each print with a line break";
}

std::string TextBefore::not_taken() const {
    return "a line looked like `" + std::string(type) + "`, but had text in front (" + in_quotes(text) +
           "): it is not taken; end each print with a line break";
}

std::string TextBefore::foreign() const {
    return "a " + std::string(type) + " stands behind the text " + in_quotes(text) +
           ", for a job that this process does not hold; ignored";
}

std::string unknown_type(const std::string& type) {
    return "a message of the unknown type \"" + type + "\" is ignored" +
           perhaps(type, ipc::types_from_connector());
}

std::string unknown_feature(const std::string& name) {
    const std::vector<std::string> known(std::begin(ipc::feature_names), std::end(ipc::feature_names));
    return "the unknown feature " + in_quotes(name) + " of its `ready` is ignored" + perhaps(name, known);
}

}  // namespace emprops::process
