#ifndef MARTLET_FAULT_VFS_H
#define MARTLET_FAULT_VFS_H

#include <stdint.h>

/* An SQLite VFS for tests: passes everything on to the system's, writes down what changes a file, and lets one
 * such change fail. One value is one registered VFS; it serves any number of files and threads. */
typedef struct fault_vfs fault_vfs;

enum fault_kind {
    FAULT_WRITE = 1,
    FAULT_SYNC = 2,
    FAULT_TRUNCATE = 3,
    FAULT_DELETE = 4,
};

/* One change of a file. `bytes` belongs to the VFS; `offset` is the new size for a truncation. */
typedef struct fault_event {
    int kind;
    int file;
    int64_t offset;
    int64_t count;
    const uint8_t *bytes;
} fault_event;

/* Registers a VFS under `name`. Null if there is no memory. */
fault_vfs *fault_vfs_create(const char *name);
/* Unregisters it. No file may be open. */
void fault_vfs_destroy(fault_vfs *vfs);

int fault_vfs_event_count(fault_vfs *vfs);
fault_event fault_vfs_event(fault_vfs *vfs, int index);
/* The path of a file, for as long as the VFS lives. */
const char *fault_vfs_path(fault_vfs *vfs, int file);

/* Lets an event fail with `code` (an SQLite result): of those in `kind_mask` (1 << kind) the one that comes after
 * `after` others, and all later ones too if `is_lasting`. A write that fails has written half of its bytes.
 * A negative `after`: no failure any more. */
void fault_vfs_fail(fault_vfs *vfs, int after, int code, int is_lasting, int kind_mask);
/* How many events have failed. */
int fault_vfs_failed_count(fault_vfs *vfs);

#endif
