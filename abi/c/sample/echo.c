/*
 * echo.c - a whole function in C: it answers with the event it was given,
 * whatever its size.
 *
 * clang --target=wasm32-wasi -O2 -mexec-model=reactor -I.. -o echo.wasm echo.c
 */
#include <stdlib.h>
#include <string.h>

#include "lambent.h"

static int32_t fail(const char *type, const char *message) {
    return lambent_fail(type, (uint32_t)strlen(type), message, (uint32_t)strlen(message));
}

LAMBENT_EXPORT("lambent_invoke")
int32_t lambent_invoke(uint32_t event_len) {
    char *event = malloc(event_len + 1); /* malloc(0) may be NULL */
    if (event == NULL)
        return fail("OutOfMemory", "no memory for the event");
    uint32_t length = 0;
    while (length < event_len) {
        int32_t n = lambent_event_read(event + length, event_len - length, length);
        if (n <= 0)
            break;
        length += (uint32_t)n;
    }
    /* A response that is too large has failed the invocation already. */
    lambent_response_write(event, length);
    free(event);
    return 0;
}
