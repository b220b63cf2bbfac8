#include "supervisor/cli/cli.h"
#include "supervisor/process/inherited.h"

int main(int argc, char** argv) {
    emprops::process::clean_start();
    return emprops::cli::run(argc, argv);
}
