/*
 * snapstart.c - a function that takes part in its snapshot: it answers with two
 * numbers, one drawn in init, which is the same in every copy, and one that each
 * copy has drawn anew.
 *
 * clang --target=wasm32-wasi -O2 -mexec-model=reactor -I.. -o snapstart.wasm snapstart.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lambent.h"

static uint64_t drawn_in_init, drawn_in_copy;

LAMBENT_EXPORT("lambent_init")
int32_t lambent_init(void) {
    int32_t failed = getentropy(&drawn_in_init, sizeof drawn_in_init);
    drawn_in_copy = drawn_in_init; /* where no snapshot is made, no hook runs */
    srand((unsigned)drawn_in_init);
    return failed;
}

/* What will not outlive the snapshot is ended here: buffered output, for one. */
LAMBENT_EXPORT("lambent_before_snapshot")
int32_t lambent_before_snapshot(void) { return fflush(NULL); }

LAMBENT_EXPORT("lambent_after_restore")
int32_t lambent_after_restore(void) {
    if (getentropy(&drawn_in_copy, sizeof drawn_in_copy) != 0)
        return lambent_fail("NoEntropy", 9, "the host gave no random bytes", 29);
    srand((unsigned)drawn_in_copy);
    return 0;
}

LAMBENT_EXPORT("lambent_invoke")
int32_t lambent_invoke(uint32_t event_len) {
    (void)event_len;
    char text[64];
    int n = snprintf(text, sizeof text, "[\"%016llx\",\"%016llx\"]", (unsigned long long)drawn_in_init, (unsigned long long)drawn_in_copy);
    return lambent_response_write(text, (uint32_t)n);
}
