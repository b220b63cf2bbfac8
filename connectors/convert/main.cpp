#include <unistd.h>

#include "connectors/convert/program.h"

int main() {
    // Nothing is left to be tidied up, and behind the filter of calls nobody could: a sanitizer would look for leaks in a
    // process of its own.
    ::_exit(emprops::convert::run_program());
}
