#pragma once
// The program emprops-convert: reads its order, goes behind the walls, does it, answers. One file per process.

namespace emprops::convert {

/// What main() returns where it did not become another program. Leaves by _exit() once behind the walls.
int run_program();

}  // namespace emprops::convert
