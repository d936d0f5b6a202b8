#ifndef MARTLET_CSPAWN_SHIM_H
#define MARTLET_CSPAWN_SHIM_H

#include <spawn.h>
#include <unistd.h>

#if defined(__GLIBC__)
// glibc has them, but its headers hide them unless _GNU_SOURCE is set, which a Swift importer does not do.
int pipe2(int descriptors[2], int flags);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
#endif

#endif
