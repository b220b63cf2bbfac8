#include "supervisor/cli/cli.h"

int main(int argc, char** argv) {
    return emprops::cli::run(argc, argv);
}
