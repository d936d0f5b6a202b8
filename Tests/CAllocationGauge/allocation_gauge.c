#include "allocation_gauge.h"

#include <errno.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define MARTLET_SANITIZED 1
#endif
#endif

// The initial-exec model: the other ones may allocate at the first use in a thread, inside malloc.
#define THREAD_LOCAL static __thread __attribute__((tls_model("initial-exec")))

THREAD_LOCAL bool is_watching;
THREAD_LOCAL size_t largest;
THREAD_LOCAL size_t total_count;

void allocation_gauge_start(void) {
    largest = 0;
    total_count = 0;
    is_watching = true;
}

size_t allocation_gauge_stop(size_t *count) {
    is_watching = false;
    *count = total_count;
    return largest;
}

#if defined(__GLIBC__) && !defined(MARTLET_SANITIZED)

bool allocation_gauge_works(void) { return true; }

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static void note(size_t size) {
    if (!is_watching) return;
    total_count += 1;
    if (size > largest) largest = size;
}

void *malloc(size_t size) {
    note(size);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    note(count * size);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    note(size);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    note(size);
    void *memory = __libc_memalign(alignment, size);
    if (memory == NULL) return ENOMEM;
    *result = memory;
    return 0;
}

#else

bool allocation_gauge_works(void) { return false; }

#endif
