#include "fault_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct fault_vfs {
    sqlite3_vfs base;
    sqlite3_vfs *real;
    pthread_mutex_t lock;
    fault_event *events;
    int event_count;
    int event_capacity;
    char **paths;
    int path_count;
    int fail_after;
    int fail_seen;
    int fail_code;
    int fail_is_lasting;
    int fail_mask;
    int failed_count;
};

typedef struct fault_file {
    sqlite3_file base;
    fault_vfs *vfs;
    int file;
    sqlite3_file *real;
} fault_file;

static fault_vfs *state(sqlite3_vfs *vfs) { return (fault_vfs *)vfs; }
static sqlite3_file *real_file(sqlite3_file *file) { return ((fault_file *)file)->real; }

static int path_index(fault_vfs *vfs, const char *path) {
    pthread_mutex_lock(&vfs->lock);
    int index = 0;
    while (index < vfs->path_count && strcmp(vfs->paths[index], path) != 0) index++;
    if (index == vfs->path_count) {
        vfs->paths = realloc(vfs->paths, sizeof(char *) * (size_t)(index + 1));
        vfs->paths[vfs->path_count++] = strdup(path);
    }
    pthread_mutex_unlock(&vfs->lock);
    return index;
}

/* Writes an event down. Returns SQLITE_OK if it is to happen. */
static int record(fault_vfs *vfs, int kind, int file, int64_t offset, const void *bytes, int64_t count) {
    pthread_mutex_lock(&vfs->lock);
    int index = vfs->event_count;
    int fails = 0;
    if (vfs->fail_after >= 0 && (vfs->fail_mask & (1 << kind)) != 0) {
        fails = vfs->fail_seen == vfs->fail_after || (vfs->fail_is_lasting && vfs->fail_seen > vfs->fail_after);
        vfs->fail_seen++;
    }
    if (fails) {
        vfs->failed_count++;
        if (kind == FAULT_WRITE) count /= 2;
    }
    if (index == vfs->event_capacity) {
        vfs->event_capacity = vfs->event_capacity == 0 ? 256 : vfs->event_capacity * 2;
        vfs->events = realloc(vfs->events, sizeof(fault_event) * (size_t)vfs->event_capacity);
    }
    uint8_t *copy = NULL;
    if (bytes != NULL && count > 0) {
        copy = malloc((size_t)count);
        memcpy(copy, bytes, (size_t)count);
    }
    /* What failed is kept as an event that changes nothing, but for the half of a write. */
    int kept = fails && kind != FAULT_WRITE ? 0 : kind;
    vfs->events[index] = (fault_event){.kind = kept, .file = file, .offset = offset, .count = count, .bytes = copy};
    vfs->event_count++;
    int code = fails ? vfs->fail_code : SQLITE_OK;
    pthread_mutex_unlock(&vfs->lock);
    return code;
}

/* Files */

static int file_close(sqlite3_file *file) {
    int code = real_file(file)->pMethods != NULL ? real_file(file)->pMethods->xClose(real_file(file)) : SQLITE_OK;
    free(real_file(file));
    return code;
}

static int file_read(sqlite3_file *file, void *to, int count, sqlite3_int64 offset) {
    return real_file(file)->pMethods->xRead(real_file(file), to, count, offset);
}

static int file_write(sqlite3_file *file, const void *from, int count, sqlite3_int64 offset) {
    fault_file *own = (fault_file *)file;
    int code = record(own->vfs, FAULT_WRITE, own->file, offset, from, count);
    if (code != SQLITE_OK) {
        if (count / 2 > 0) own->real->pMethods->xWrite(own->real, from, count / 2, offset);
        return code;
    }
    return own->real->pMethods->xWrite(own->real, from, count, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    fault_file *own = (fault_file *)file;
    int code = record(own->vfs, FAULT_TRUNCATE, own->file, size, NULL, 0);
    return code != SQLITE_OK ? code : own->real->pMethods->xTruncate(own->real, size);
}

static int file_sync(sqlite3_file *file, int flags) {
    fault_file *own = (fault_file *)file;
    (void)flags;
    /* Not passed on: the tests decide what was synced, and need not wait for a disk. */
    return record(own->vfs, FAULT_SYNC, own->file, 0, NULL, 0);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    return real_file(file)->pMethods->xFileSize(real_file(file), size);
}

static int file_lock(sqlite3_file *file, int level) {
    return real_file(file)->pMethods->xLock(real_file(file), level);
}

static int file_unlock(sqlite3_file *file, int level) {
    return real_file(file)->pMethods->xUnlock(real_file(file), level);
}

static int file_check_reserved_lock(sqlite3_file *file, int *result) {
    return real_file(file)->pMethods->xCheckReservedLock(real_file(file), result);
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
    return real_file(file)->pMethods->xFileControl(real_file(file), operation, argument);
}

static int file_sector_size(sqlite3_file *file) {
    return real_file(file)->pMethods->xSectorSize(real_file(file));
}

static int file_characteristics(sqlite3_file *file) {
    return real_file(file)->pMethods->xDeviceCharacteristics(real_file(file));
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extends, void volatile **memory) {
    return real_file(file)->pMethods->xShmMap(real_file(file), page, size, extends, memory);
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return real_file(file)->pMethods->xShmLock(real_file(file), offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file) { real_file(file)->pMethods->xShmBarrier(real_file(file)); }

static int file_shm_unmap(sqlite3_file *file, int deletes) {
    return real_file(file)->pMethods->xShmUnmap(real_file(file), deletes);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* The VFS */

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags) {
    fault_file *own = (fault_file *)file;
    memset(own, 0, sizeof(*own));
    own->vfs = state(vfs);
    own->file = path_index(own->vfs, path == NULL ? "" : path);
    own->real = calloc(1, (size_t)own->vfs->real->szOsFile);
    if (own->real == NULL) return SQLITE_NOMEM;
    int code = own->vfs->real->xOpen(own->vfs->real, path, own->real, flags, out_flags);
    if (code != SQLITE_OK) {
        free(own->real);
        return code;
    }
    own->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_directory) {
    int code = record(state(vfs), FAULT_DELETE, path_index(state(vfs), path), 0, NULL, 0);
    return code != SQLITE_OK ? code : state(vfs)->real->xDelete(state(vfs)->real, path, sync_directory);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *result) {
    return state(vfs)->real->xAccess(state(vfs)->real, path, flags, result);
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *path, int count, char *full) {
    return state(vfs)->real->xFullPathname(state(vfs)->real, path, count, full);
}

static int vfs_randomness(sqlite3_vfs *vfs, int count, char *bytes) {
    return state(vfs)->real->xRandomness(state(vfs)->real, count, bytes);
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) {
    return state(vfs)->real->xSleep(state(vfs)->real, microseconds);
}

static int vfs_current_time(sqlite3_vfs *vfs, double *time) {
    return state(vfs)->real->xCurrentTime(state(vfs)->real, time);
}

static int vfs_last_error(sqlite3_vfs *vfs, int count, char *text) {
    return state(vfs)->real->xGetLastError(state(vfs)->real, count, text);
}

fault_vfs *fault_vfs_create(const char *name) {
    fault_vfs *vfs = calloc(1, sizeof(*vfs));
    if (vfs == NULL) return NULL;
    sqlite3_initialize();
    vfs->real = sqlite3_vfs_find(NULL);
    vfs->fail_after = -1;
    pthread_mutex_init(&vfs->lock, NULL);
    vfs->base = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = (int)sizeof(fault_file),
        .mxPathname = vfs->real->mxPathname,
        .zName = strdup(name),
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_pathname,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_current_time,
        .xGetLastError = vfs_last_error,
    };
    sqlite3_vfs_register(&vfs->base, 0);
    return vfs;
}

void fault_vfs_destroy(fault_vfs *vfs) {
    sqlite3_vfs_unregister(&vfs->base);
    for (int index = 0; index < vfs->event_count; index++) free((void *)vfs->events[index].bytes);
    for (int index = 0; index < vfs->path_count; index++) free(vfs->paths[index]);
    free(vfs->events);
    free(vfs->paths);
    free((void *)vfs->base.zName);
    pthread_mutex_destroy(&vfs->lock);
    free(vfs);
}

int fault_vfs_event_count(fault_vfs *vfs) {
    pthread_mutex_lock(&vfs->lock);
    int count = vfs->event_count;
    pthread_mutex_unlock(&vfs->lock);
    return count;
}

fault_event fault_vfs_event(fault_vfs *vfs, int index) {
    pthread_mutex_lock(&vfs->lock);
    fault_event event = vfs->events[index];
    pthread_mutex_unlock(&vfs->lock);
    return event;
}

const char *fault_vfs_path(fault_vfs *vfs, int file) {
    pthread_mutex_lock(&vfs->lock);
    const char *path = vfs->paths[file];
    pthread_mutex_unlock(&vfs->lock);
    return path;
}

void fault_vfs_fail(fault_vfs *vfs, int after, int code, int is_lasting, int kind_mask) {
    pthread_mutex_lock(&vfs->lock);
    vfs->fail_after = after;
    vfs->fail_seen = 0;
    vfs->fail_code = code;
    vfs->fail_is_lasting = is_lasting;
    vfs->fail_mask = kind_mask;
    pthread_mutex_unlock(&vfs->lock);
}

int fault_vfs_failed_count(fault_vfs *vfs) {
    pthread_mutex_lock(&vfs->lock);
    int count = vfs->failed_count;
    pthread_mutex_unlock(&vfs->lock);
    return count;
}
