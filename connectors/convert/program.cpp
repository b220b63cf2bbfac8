#include "connectors/convert/program.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "connectors/convert/convert.h"
#include "connectors/convert/sandbox.h"
#include "connectors/convert/strip/strip.h"

namespace emprops::convert {
namespace {

constexpr int wrong_use = 64, not_started = 127;
constexpr std::size_t longest_order = 64 * 1024;
/// For a picture of most_pixels: decoded, made smaller, encoded.
constexpr std::uint64_t memory_bytes = 2ull << 30;
constexpr std::uint64_t most_picture_bytes = 1ull << 30;
/// A file that a command writes: so many times its input, and this.
constexpr std::uint64_t command_factor = 4, command_spare_bytes = 1ull << 30;

std::string read_all(int descriptor) {
    std::string text;
    char piece[4096];
    while (text.size() < longest_order) {
        const auto got = ::read(descriptor, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text.append(piece, static_cast<std::size_t>(got));
    }
    return text;
}

Reply failure(std::string why) {
    return {Reply::End::failed, std::move(why), {}, {}};
}
Reply failure_by_system(const char* what) {
    return failure(std::string(what) + ": " + std::strerror(errno));
}

int answer(const Reply& reply) {
    const std::string text = text_of(reply);
    return ::write(reply_out, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1;
}

struct Mapped {
    void* at = MAP_FAILED;
    std::size_t size = 0;
    bool ok() const { return size == 0 || at != MAP_FAILED; }
};

/// It may be 5 GiB: none of it is copied into memory.
Mapped map(int descriptor, int protection, int kind) {
    struct stat about {};
    Mapped mapped;
    if (::fstat(descriptor, &about) != 0) return {MAP_FAILED, 1};
    mapped.size = static_cast<std::size_t>(about.st_size);
    if (mapped.size > 0) mapped.at = ::mmap(nullptr, mapped.size, protection, kind, descriptor, 0);
    return mapped;
}

Reply convert(const Order& order, const Mapped& input) {
    Sink sink(file_out);
    const Bytes bytes(static_cast<const std::uint8_t*>(input.at), input.size);
    return convert_image(bytes, *order.image, order.strip, sink);
}

/// In place: the output is a copy of the file already.
Reply strip_copy(const Order& order, const Mapped& output) {
    const auto size = strip_metadata({static_cast<char*>(output.at), output.size}, order.name);
    if (!size.ok()) return {Reply::End::left, size.error().message, {}, {}};
    if (::ftruncate(file_out, static_cast<off_t>(*size)) != 0)
        return failure_by_system("the file cannot be cut");
    return {Reply::End::done, {}, {}, {}};
}

int become(const Order& order) {
    if (const Result<> gone = leave_network(); !gone) {
        const std::string note = "emprops-convert: " + gone.error().message + "; the command keeps it\n";
        (void)!::write(STDERR_FILENO, note.data(), note.size());
    }
    const auto refuse = [](const std::string& why) {
        (void)!::write(reply_out, (why + "\n").data(), why.size() + 1);
        return not_started;
    };
    struct stat about {};
    if (::fstat(file_in, &about) != 0)
        return refuse(std::string("the file cannot be read: ") + std::strerror(errno));
    const auto most = command_factor * static_cast<std::uint64_t>(about.st_size) + command_spare_bytes;
    if (const Result<> set = set_command_limits(order.seconds, most); !set)
        return refuse(set.error().message);
    // To the very file that was looked at, whatever has its name by now. By our number, not "self": the command's own
    // children do not always inherit the descriptor.
    const std::string file = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file_in);
    if (::symlink(file.c_str(), order.link.c_str()) != 0)
        return refuse(std::string("{in} cannot be made: ") + std::strerror(errno));
    std::vector<char*> words;
    for (const std::string& word : order.command)
        words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(reply_out, STDERR_FILENO);
    ::execvp(words[0], words.data());
    return refuse("\"" + order.command[0] + "\" cannot be started: " + std::strerror(errno));
}

}  // namespace

int run_program() {
    const auto order = read_order(read_all(order_in));
    if (!order) {
        const std::string text = "emprops-convert: " + order.error().message + "\n";
        (void)!::write(STDERR_FILENO, text.data(), text.size());
        return wrong_use;
    }
    if (const Result<> harmless = become_harmless(); !harmless)
        return answer(failure(harmless.error().message));
    if (::getppid() != order->parent) return answer(failure("whoever started it has gone"));
    if (!order->command.empty()) return become(*order);

    const Mapped input = order->image ? map(file_in, PROT_READ, MAP_PRIVATE)
                                      : map(file_out, PROT_READ | PROT_WRITE, MAP_SHARED);
    if (!input.ok()) return answer(failure_by_system("the file cannot be read"));
    const Limits limits{memory_bytes + input.size, order->image ? most_picture_bytes : input.size,
                        order->seconds};
    if (const Result<> set = set_limits(limits); !set) return answer(failure(set.error().message));
    const Result<> denied = deny_calls();
    Reply reply = order->image ? convert(*order, input) : strip_copy(*order, input);
    if (!denied) reply.unguarded = denied.error().message;
    // Destructors and exit handlers of libraries have nothing to do any more, and may want calls that are refused.
    ::_exit(answer(reply));
}

}  // namespace emprops::convert
