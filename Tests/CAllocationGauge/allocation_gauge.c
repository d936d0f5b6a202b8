#include "allocation_gauge.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>

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
// Below zero when blocks from before the start were freed.
THREAD_LOCAL long long held;
THREAD_LOCAL long long peak;

static bool is_counting_all;
static atomic_size_t count_of_all;

void allocation_gauge_count_all(void) { is_counting_all = true; }

bool allocation_gauge_is_counting_all(void) { return is_counting_all; }

size_t allocation_gauge_count_of_all(void) { return atomic_load(&count_of_all); }

void allocation_gauge_start(void) {
    largest = 0;
    total_count = 0;
    held = 0;
    peak = 0;
    is_watching = true;
}

size_t allocation_gauge_stop(size_t *count) {
    is_watching = false;
    *count = total_count;
    return largest;
}

size_t allocation_gauge_peak(void) { return (size_t)peak; }

#if defined(__GLIBC__) && !defined(MARTLET_SANITIZED)

bool allocation_gauge_works(void) { return true; }

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static void *note(size_t size, void *memory) {
    if (is_counting_all) atomic_fetch_add_explicit(&count_of_all, 1, memory_order_relaxed);
    if (!is_watching || memory == NULL) return memory;
    total_count += 1;
    if (size > largest) largest = size;
    held += (long long)malloc_usable_size(memory);
    if (held > peak) peak = held;
    return memory;
}

static void forget(void *memory) {
    if (is_watching && memory != NULL) held -= (long long)malloc_usable_size(memory);
}

void *malloc(size_t size) { return note(size, __libc_malloc(size)); }

void *calloc(size_t count, size_t size) { return note(count * size, __libc_calloc(count, size)); }

void *realloc(void *old, size_t size) {
    forget(old);
    return note(size, __libc_realloc(old, size));
}

void *aligned_alloc(size_t alignment, size_t size) { return note(size, __libc_memalign(alignment, size)); }

void free(void *memory) {
    forget(memory);
    __libc_free(memory);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    void *memory = note(size, __libc_memalign(alignment, size));
    if (memory == NULL) return ENOMEM;
    *result = memory;
    return 0;
}

#else

bool allocation_gauge_works(void) { return false; }

#endif
