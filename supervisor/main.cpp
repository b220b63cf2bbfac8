#include "supervisor/cli/cli.h"
#include "supervisor/process/os/inherited.h"

int main(int argc, char** argv) {
    emprops::process::clean_start();
    return emprops::cli::run(argc, argv);
}
