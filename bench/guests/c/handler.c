/* handler.c - says when it is entered, and answers how often it was. If its event
 * is true, and not false, it stays inside. */
#include <stdio.h>
#include <unistd.h>

#include "lambent.h"

static int count;

LAMBENT_EXPORT("lambent_invoke")
int32_t lambent_invoke(uint32_t event_len) {
    char answer[16];
    if (write(1, "!", 1) != 1)
        return 1;
    if (event_len == sizeof "true" - 1)
        sleep(3600);
    int n = snprintf(answer, sizeof answer, "%d", ++count);
    return lambent_response_write(answer, (uint32_t)n);
}
