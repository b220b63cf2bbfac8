#include "connector-sdk/cpp/src/raw_line.h"

#include <csignal>
#include <utility>

#include "connector-sdk/cpp/src/session.h"

namespace emprops::sdk::raw {

void write(std::string bytes) {
    Session::current()->writer().send_raw(std::move(bytes));
}

void flush() {
    Session::current()->writer().flush();
}

void close_stdout() {
    Session::current()->writer().close();
}

void refuse_to_leave() {
    Session::current()->refuse_to_leave();
    ::signal(SIGTERM, SIG_IGN);
}

}  // namespace emprops::sdk::raw
