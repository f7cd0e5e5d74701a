/*
 * lambent.h - the guest side of the Lambent ABI, version 1, for C and C++.
 *
 * A function is a WASI reactor: it exports lambent_invoke, which the host calls
 * once per invocation and never twice at a time, and may export lambent_init,
 * which the host calls once before. Between two calls the instance keeps its
 * memory, so globals persist.
 *
 *     #include "lambent.h"
 *
 *     LAMBENT_EXPORT("lambent_invoke") int32_t lambent_invoke(uint32_t event_len) {
 *         static char buffer[4096];
 *         int32_t n = lambent_event_read(buffer, sizeof buffer, 0);
 *         return n < 0 ? n : lambent_response_write(buffer, (uint32_t)n);
 *     }
 *
 * A function may take part in its snapshot (abi.md, "Snapshots") by two more
 * exports, lambent_before_snapshot and lambent_after_restore, which take nothing
 * and return an int32_t, 0 for success; sample/snapstart.c has both.
 *
 * Build line (Debian: clang lld wasi-libc libclang-rt-14-dev-wasm32):
 *
 *     clang --target=wasm32-wasi -O2 -mexec-model=reactor -o function.wasm function.c
 *
 * abi/abi.md tells the whole contract; sample/echo.c is a complete function.
 * The functions below are imports: they are called, never defined. None keeps
 * a pointer after it has returned.
 */
#ifndef LAMBENT_H
#define LAMBENT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the contract that this header describes. */
#define LAMBENT_ABI_VERSION 1

/* Error numbers: negative results of the functions below. A call that reports
 * one has changed nothing, but for LAMBENT_ERR_TOO_LARGE. */
#define LAMBENT_ERR_FAULT (-1)     /* pointer and length lie outside the memory */
#define LAMBENT_ERR_TOO_LARGE (-2) /* past the response limit: the invocation has failed */
#define LAMBENT_ERR_STATE (-3)     /* not now: no invocation runs, or it has failed */
#define LAMBENT_ERR_INVALID (-4)   /* the argument has no meaning */
#define LAMBENT_ERR_DENIED (-5)    /* the guest may not reach that host */
#define LAMBENT_ERR_UNREACHABLE (-6) /* no response came */

/* Fields of lambent_context_read. */
#define LAMBENT_FIELD_REQUEST_ID 1       /* a UUID */
#define LAMBENT_FIELD_FUNCTION_ARN 2     /* the ARN the function was invoked by */
#define LAMBENT_FIELD_TRACE_ID 3         /* X-Amzn-Trace-Id, or empty */
#define LAMBENT_FIELD_CLIENT_CONTEXT 4   /* JSON, or empty */
#define LAMBENT_FIELD_COGNITO_IDENTITY 5 /* JSON, or empty */

#define LAMBENT_IMPORT(name) __attribute__((import_module("lambent_v1"), import_name(name)))

/* Exports a function under name: LAMBENT_EXPORT("lambent_invoke"). */
#define LAMBENT_EXPORT(name) __attribute__((export_name(name)))

/* Copies up to capacity bytes of the event, from offset on, to buffer. Returns
 * the number of bytes copied, 0 at the end of the event. */
LAMBENT_IMPORT("event_read")
int32_t lambent_event_read(void *buffer, uint32_t capacity, uint32_t offset);

/* Appends length bytes to the response. Returns 0. */
LAMBENT_IMPORT("response_write")
int32_t lambent_response_write(const void *data, uint32_t length);

/* Reports that the invocation (or lambent_init) failed; the host writes the
 * error document. What was written as response is dropped. Returns 0. */
LAMBENT_IMPORT("fail")
int32_t lambent_fail(const char *type, uint32_t type_length, const char *message, uint32_t message_length);

/* As lambent_fail, with the whole error document: a JSON object with the keys
 * errorMessage, errorType and, optionally, stackTrace. Returns 0. */
LAMBENT_IMPORT("fail_document")
int32_t lambent_fail_document(const char *document, uint32_t length);

/* Copies a context field to buffer if it fits in capacity, and returns its
 * length either way; nothing is copied when the result exceeds capacity. */
LAMBENT_IMPORT("context_read")
int32_t lambent_context_read(uint32_t field, void *buffer, uint32_t capacity);

/* When the invocation must have ended, in milliseconds since the Unix epoch;
 * 0 during lambent_init. */
LAMBENT_IMPORT("deadline_ms")
int64_t lambent_deadline_ms(void);

/* Parts of a response, for lambent_http_read. */
#define LAMBENT_HTTP_HEAD 0 /* {"status":200,"headers":{...},"bodyLength":2} */
#define LAMBENT_HTTP_BODY 1

/* Sends a request and waits for the response. The head is a JSON object:
 * {"method":"POST","url":"https://collector.example/v1","headers":{"Content-Type":"application/json"}}.
 * Returns the length of the response's head. It is for telemetry consumers
 * (abi.md, "Telemetry consumers"); a function gets LAMBENT_ERR_DENIED. */
LAMBENT_IMPORT("http_send")
int32_t lambent_http_send(const char *head, uint32_t head_length, const void *body, uint32_t body_length);

/* Copies up to capacity bytes of a part of the last response, from offset on, to
 * buffer. Returns the number of bytes copied, 0 at the end of the part. */
LAMBENT_IMPORT("http_read")
int32_t lambent_http_read(uint32_t part, void *buffer, uint32_t capacity, uint32_t offset);

#ifdef __cplusplus
}
#endif

#endif /* LAMBENT_H */
