#include "connectors/convert/program.h"

int main() {
    return emprops::convert::run_program();
}
