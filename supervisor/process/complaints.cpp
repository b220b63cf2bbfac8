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

std::string about_no_held_job(std::string_view type, bool ended, const std::vector<std::string>& held) {
    const std::string text = std::string(type) + " for a job that ";
    if (ended) return text + "it has already ended; ignored";
    const std::string known = held.empty() ? ""
                                           : " (it holds " + in_quotes(held.front()) +
                                                 (held.size() > 1 ? " and others" : "") +
                                                 ": `job_id` must come back as it was sent)";
    return text + "this process does not hold" + known + "; ignored";
}

std::string unknown_type(const std::string& type) {
    return "a message of the unknown type \"" + type + "\" is ignored" +
           perhaps(type, ipc::types_from_connector());
}

std::string unknown_feature(const std::string& name) {
    const std::vector<std::string> known(std::begin(ipc::feature_names), std::end(ipc::feature_names));
    return "the unknown feature " + in_quotes(name) + " of its `ready` is ignored" + perhaps(name, known);
}

std::string perhaps_two_writers(std::string_view line) {
    constexpr std::string_view begin = "{\"type\"";
    for (std::size_t at = line.find(begin, 1); at != std::string_view::npos; at = line.find(begin, at + 1)) {
        // An object within a message stands behind one of these.
        if (std::string_view(":,[ \t").find(line[at - 1]) == std::string_view::npos)
            return "; another message begins within it: let one thread write at a time (a lock around each write)";
    }
    return {};
}

bool is_fraction(std::string_view line) {
    constexpr std::string_view name = "\"progress\"";  // also the value of `type`
    for (std::size_t at = line.find(name); at != std::string_view::npos; at = line.find(name, at + 1)) {
        const std::string_view rest = text::trim(line.substr(at + name.size()));
        if (!rest.starts_with(':')) continue;
        const std::string_view value = text::trim(rest.substr(1));
        const std::string_view digits = value.starts_with("0.") ? value.substr(2) : std::string_view();
        const std::size_t some = digits.find_first_not_of('0');
        return some != std::string_view::npos && digits[some] >= '1' && digits[some] <= '9';
    }
    return false;
}

std::string result_in_work_dir(const std::string& work_dir) {
    return "the result names a place in the job's work_dir (" + text::shortened(work_dir, text_bytes) +
           "), which is removed now that the job has ended: send what is in it, or where it is kept";
}

std::string unanswered_messages(const std::string& reader) {
    const std::string cure = "give programs that a connector starts /dev/null as stdin";
    if (!reader.empty())
        return "it did not answer, and " + reader +
               ", which it has started, has its stdin too and may have read what it was sent: " + cure;
    return "it did not answer a cancel: stdin must be read while a job runs, too (in a thread or loop of its own); or a "
           "program that it started (ffmpeg, ssh, `read`) has read the cancel: " +
           cure;
}

}  // namespace emprops::process
