#include "connector-sdk/cpp/src/stdio_guard.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

namespace emprops::sdk {

ProtocolDescriptors take_stdio() {
    constexpr int first_private = 10;  // above what programs expect to be free
    std::fflush(stdout);
    ProtocolDescriptors result;
    result.in = ::fcntl(0, F_DUPFD_CLOEXEC, first_private);
    result.out = ::fcntl(1, F_DUPFD_CLOEXEC, first_private);
    if (result.in < 0 || result.out < 0) {
        result.error = std::string("stdin and stdout must be open: ") + std::strerror(errno);
        return result;
    }
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        result.error = std::string("cannot open /dev/null: ") + std::strerror(errno);
        return result;
    }
    if (::fcntl(2, F_GETFD) < 0) ::dup2(null, 2);
    ::dup2(null, 0);
    ::dup2(2, 1);
    ::close(null);
    // Not a terminal, so stdio would keep prints back until 4 KiB are full: a log line that comes too late.
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::cout << std::unitbuf;
    return result;
}

}  // namespace emprops::sdk
