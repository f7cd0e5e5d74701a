/* stubborn.c - does not come back, in the way that the length of its event says;
 * the ways are listed in package deadline, in the same order. With STUBBORN_INIT in
 * the environment it does not come back from its init. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lambent.h"

static volatile uint32_t turns;
static uint32_t (*volatile next)(uint32_t);

static uint32_t tree(uint32_t depth) {
    if (depth == 0)
        return turns++;
    return tree(depth - 1) + tree(depth - 1);
}

static uint32_t indirect(uint32_t depth) {
    if (depth == 0)
        return turns++;
    return next(depth - 1) + next(depth - 1);
}

static void spin(void) {
    for (;;)
        turns++;
}

LAMBENT_EXPORT("lambent_init")
int32_t lambent_init(void) {
    if (getenv("STUBBORN_INIT") != NULL)
        spin();
    next = indirect;
    return 0;
}

LAMBENT_EXPORT("lambent_invoke")
int32_t lambent_invoke(uint32_t event_len) {
    static char random[1 << 20];
    const size_t gigabyte = (size_t)1 << 30;
    char *large;
    switch (event_len) {
    case 1:
        spin();
        break;
    case 2:
        return (int32_t)tree(200);
    case 3:
        return (int32_t)indirect(200);
    case 4:
        large = malloc(gigabyte);
        if (large == NULL)
            return -1;
        for (int c = 1;; c++)
            memset(large, c, gigabyte);
    case 5:
        sleep(3600);
        break;
    case 6:
        for (;;)
            turns += (uint32_t)lambent_deadline_ms();
    case 7:
        for (;;)
            if (getentropy(random, 256) != 0)
                return -1;
    }
    return 0;
}
