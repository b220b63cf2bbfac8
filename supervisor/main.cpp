#include "supervisor/base/memory.h"
#include "supervisor/cli/cli.h"
#include "supervisor/process/os/inherited.h"

int main(int argc, char** argv) {
    emprops::process::clean_start();
    emprops::give_back_large_blocks();
    return emprops::cli::run(argc, argv);
}
