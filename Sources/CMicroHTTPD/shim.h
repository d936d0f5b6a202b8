#ifndef MARTLET_CMICROHTTPD_SHIM_H
#define MARTLET_CMICROHTTPD_SHIM_H

#include <microhttpd.h>
#include <stdint.h>

/* Paths and queries stay as they came: a name may hold an encoded slash, which decoded too early would part it. */
static size_t martlet_mhd_keep_escapes(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    size_t length = 0;
    while (text[length]) length++;
    return length;
}

static void martlet_mhd_log_nothing(void *context, const char *format, va_list arguments) {
    (void)context;
    (void)format;
    (void)arguments;
}

typedef void *(*martlet_mhd_target_callback)(void *context, const char *target, struct MHD_Connection *connection);

/* Variadic in C, which Swift cannot call. One thread of its own, which waits for all connections. */
static inline struct MHD_Daemon *martlet_mhd_start(
    int listen_socket, unsigned int connections_max, unsigned int idle_seconds_max, size_t connection_bytes_max,
    void *context, MHD_AccessHandlerCallback handle, martlet_mhd_target_callback begin,
    MHD_RequestCompletedCallback complete, MHD_NotifyConnectionCallback change) {
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, context,
        MHD_OPTION_EXTERNAL_LOGGER, martlet_mhd_log_nothing, NULL,
        MHD_OPTION_LISTEN_SOCKET, listen_socket,
        MHD_OPTION_CONNECTION_LIMIT, connections_max,
        MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_bytes_max,
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, martlet_mhd_keep_escapes, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, begin, context,
        MHD_OPTION_NOTIFY_COMPLETED, complete, context,
        MHD_OPTION_NOTIFY_CONNECTION, change, context,
        MHD_OPTION_END);
}

static inline int martlet_mhd_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

/* What the application keeps with a connection; NULL if nothing. */
static inline void *martlet_mhd_kept(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static inline unsigned int martlet_mhd_connections(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info ? info->num_connections : 0;
}

#endif
