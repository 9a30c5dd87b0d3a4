/* A program with this preloaded has another time of day: as many seconds more than it is, or fewer, as the file SHIFT_FILE
 * says at this moment. Whoever writes another number there steps its clock. Nothing else changes:
 * not the clocks that run from the machine's start, by which durations are measured, and not time(3), by which OpenSSL
 * looks at certificates, which in a lab are younger than the shift. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long shift(void)
{
    const char *path = getenv("SHIFT_FILE");
    char seconds[32] = "";
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        if (read(file, seconds, sizeof seconds - 1) < 0)
            seconds[0] = 0;
        close(file);
    }
    return atol(seconds);
}

int clock_gettime(clockid_t clock, struct timespec *found)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, found);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        found->tv_sec += shift();
    return failed;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    if (!failed) {
        found->tv_sec = now.tv_sec;
        found->tv_usec = now.tv_nsec / 1000;
    }
    return failed;
}
