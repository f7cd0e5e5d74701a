/*
 * conformance.c - the guest that abi/abitest holds to the contract, in C. The
 * event is a command in plain text; package abitest lists the commands.
 *
 * clang --target=wasm32-wasi -O2 -mexec-model=reactor -I.. -o conformance.wasm conformance.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lambent.h"

static int initialised;
static int invocations;

LAMBENT_EXPORT("lambent_init")
int32_t lambent_init(void) {
    initialised = 1;
    if (getenv("FAIL_INIT") != NULL)
        return lambent_fail("InitFailure", 11, "asked to fail", 13);
    return 0;
}

/* Each hook counts its runs, and fails if it is the one that is asked to. */
static int32_t hook(const char *name, int *runs) {
    const char *asked = getenv("FAIL_HOOK");
    ++*runs;
    if (asked != NULL && strcmp(asked, name) == 0)
        return lambent_fail("HookFailure", 11, "asked to fail", 13);
    return 0;
}

static int befores, afters;

LAMBENT_EXPORT("lambent_before_snapshot")
int32_t lambent_before_snapshot(void) { return hook("before", &befores); }

LAMBENT_EXPORT("lambent_after_restore")
int32_t lambent_after_restore(void) { return hook("after", &afters); }

static void write_text(const char *text) { lambent_response_write(text, (uint32_t)strlen(text)); }

/* Writes one context field and a line feed. */
static int32_t write_field(uint32_t field) {
    int32_t length = lambent_context_read(field, NULL, 0);
    if (length < 0)
        return length;
    char *value = malloc((size_t)length + 1);
    if (value == NULL)
        return 1;
    lambent_context_read(field, value, (uint32_t)length);
    value[length] = '\n';
    lambent_response_write(value, (uint32_t)length + 1);
    free(value);
    return 0;
}

static int32_t context(void) {
    for (uint32_t field = LAMBENT_FIELD_REQUEST_ID; field <= LAMBENT_FIELD_COGNITO_IDENTITY; field++) {
        int32_t result = write_field(field);
        if (result != 0)
            return result;
    }
    return 0;
}

/* Answers with n bytes, in pieces of one kilobyte. */
static void big(long n) {
    char piece[1024];
    memset(piece, 'x', sizeof piece);
    for (; n > 0; n -= (long)sizeof piece) {
        uint32_t length = n < (long)sizeof piece ? (uint32_t)n : (uint32_t)sizeof piece;
        if (lambent_response_write(piece, length) != 0)
            return;
    }
}

static int32_t run(char *command) {
    char text[32];
    char *rest = strchr(command, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    else
        rest = command + strlen(command);

    if (strcmp(command, "echo") == 0) {
        write_text(rest);
    } else if (strcmp(command, "context") == 0) {
        return context();
    } else if (strcmp(command, "deadline") == 0) {
        snprintf(text, sizeof text, "%lld", (long long)lambent_deadline_ms());
        write_text(text);
    } else if (strcmp(command, "count") == 0) {
        snprintf(text, sizeof text, "%d", invocations);
        write_text(text);
    } else if (strcmp(command, "hooks") == 0) {
        snprintf(text, sizeof text, "%d %d", befores, afters);
        write_text(text);
    } else if (strcmp(command, "env") == 0) {
        const char *value = getenv(rest);
        write_text(value == NULL ? "" : value);
    } else if (strcmp(command, "log") == 0) {
        fprintf(stderr, "%s\n", rest);
    } else if (strcmp(command, "big") == 0) {
        big(atol(rest));
    } else if (strcmp(command, "fail") == 0) {
        char *message = strchr(rest, ' ');
        if (message == NULL)
            return 1;
        *message++ = '\0';
        return lambent_fail(rest, (uint32_t)strlen(rest), message, (uint32_t)strlen(message));
    } else {
        return 1; /* the host writes the document */
    }
    return 0;
}

LAMBENT_EXPORT("lambent_invoke")
int32_t lambent_invoke(uint32_t event_len) {
    if (!initialised)
        return 1;
    invocations++;
    char *event = malloc(event_len + 1);
    if (event == NULL)
        return 1;
    uint32_t length = 0;
    while (length < event_len) { /* in small pieces, to use the offset */
        uint32_t want = event_len - length < 4096 ? event_len - length : 4096;
        int32_t n = lambent_event_read(event + length, want, length);
        if (n <= 0)
            break;
        length += (uint32_t)n;
    }
    event[length] = '\0';
    int32_t result = run(event);
    free(event);
    return result;
}
