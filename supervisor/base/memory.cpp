#include "supervisor/base/memory.h"

#include <malloc.h>

namespace emprops {

void give_back_large_blocks() {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, own_block_bytes);
    // Setting one of the two ends the automatic rule for the other, too; its own default would cost calls of the
    // system.
    mallopt(M_TRIM_THRESHOLD, 2 * own_block_bytes);
#endif
}

}  // namespace emprops
