#ifndef MARTLET_CSQLITE_SHIM_H
#define MARTLET_CSQLITE_SHIM_H

#include <sqlite3.h>

/* Variadic in C, which Swift cannot call. Counting its memory costs SQLite a lock around each allocation. */
static inline int martlet_sqlite3_count_no_memory(void) {
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* A connection that ends must not write the log back by itself: after a failed sync it would spread what is lost. */
static inline int martlet_sqlite3_close_without_checkpoint(sqlite3 *connection) {
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}

#endif
