/* A disk of one process only: each path with FAILING_OPEN in it cannot be opened, by the error of FAILING_ERRNO. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static int fails(const char *path)
{
    const char *part = getenv("FAILING_OPEN");
    if (!part || !strstr(path, part))
        return 0;
    errno = atoi(getenv("FAILING_ERRNO"));
    return 1;
}

#define MODE(flags) va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more)
#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        MODE(flags); \
        int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        return fails(path) ? -1 : next(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int directory, const char *path, int flags, ...) \
    { \
        MODE(flags); \
        int (*next)(int, const char *, int, ...) = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        return fails(path) ? -1 : next(directory, path, flags, mode); \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
