// Preloaded into a program under test (LD_PRELOAD): a getaddrinfo() that is stuck for "stuck.test" and gives
// two addresses for "localhost", of which nobody listens on the first (with EMPROPS_TEST_NO_LOCALHOST in the environment: none).

#include <dlfcn.h>
#include <netdb.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) {
    using Lookup = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto real = reinterpret_cast<Lookup>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    if (node == nullptr) return real(node, service, hints, found);
    if (std::strcmp(node, "stuck.test") == 0) {
        constexpr char mark[] = "name look-up is stuck\n";
        (void)!::write(STDERR_FILENO, mark, sizeof mark - 1);
        for (;;)
            ::pause();
    }
    if (std::strcmp(node, "localhost") != 0) return real(node, service, hints, found);
    if (std::getenv("EMPROPS_TEST_NO_LOCALHOST") != nullptr) return EAI_NONAME;
    if (const int error = real("127.0.0.2", service, hints, found); error != 0) return error;
    addrinfo* last = *found;
    while (last->ai_next != nullptr)
        last = last->ai_next;
    return real("127.0.0.1", service, hints, &last->ai_next);
}
