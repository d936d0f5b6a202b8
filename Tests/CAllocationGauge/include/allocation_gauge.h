#ifndef MARTLET_ALLOCATION_GAUGE_H
#define MARTLET_ALLOCATION_GAUGE_H

#include <stdbool.h>
#include <stddef.h>

// Watches the heap allocations of the calling thread, by standing in for glibc's malloc in the test process.

// Starts to watch the calling thread, from zero.
void allocation_gauge_start(void);

// Stops watching. Returns the size of the largest allocation since the start, and in *count how many there were.
size_t allocation_gauge_stop(size_t *count);

// The most bytes, of those allocated since the start, that were held at one time until the last stop.
size_t allocation_gauge_peak(void);

// Counts every allocation of the process from now on, whatever thread makes it.
void allocation_gauge_count_all(void);
bool allocation_gauge_is_counting_all(void);
size_t allocation_gauge_count_of_all(void);

// False where malloc cannot be stood in for (not glibc, or under a sanitizer): nothing is seen there.
bool allocation_gauge_works(void);

#endif
