/* A machine that fails, for a process under test: put before libc with LD_PRELOAD.
 *
 * It is killed at a chosen write or flush of a file, finds the disk full from a chosen
 * write on, or has a wall clock that is wrong, as the variables below say. Nothing in
 * the program itself is changed for it, so what is shown is shown of what ships.
 *
 *   MACHINE_KILL_AT_WRITE=N   SIGKILL in place of the Nth write to a file
 *   MACHINE_KILL_AT_FLUSH=N   SIGKILL right after the Nth flush of a file
 *   MACHINE_FULL_AT_WRITE=N   the Nth write to a file, and all after it: ENOSPC
 *   MACHINE_STATE=FILE        a file of two numbers of 8 bytes, signed, in this machine's
 *                             order, read at each look: the seconds that the wall clock
 *                             is ahead, and whether the disk is full for now
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static atomic_long writes, flushes;
static long kill_at_write, kill_at_flush, full_at_write;

/* What others change while the process runs. */
struct state {
    int64_t ahead_s;
    int64_t is_full;
};
static volatile const struct state *state;

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void read_variables(void) {
    kill_at_write = number("MACHINE_KILL_AT_WRITE");
    kill_at_flush = number("MACHINE_KILL_AT_FLUSH");
    full_at_write = number("MACHINE_FULL_AT_WRITE");
    const char *name = getenv("MACHINE_STATE");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *there = mmap(NULL, sizeof *state, PROT_READ, MAP_SHARED, file, 0);
        if (there != MAP_FAILED)
            state = there;
        close(file);
    }
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Whether a write may be made. Pipes, sockets and terminals do not count, nor does
 * memory that only looks like a file (memfd), which has no name anywhere. */
static int may_write(int file) {
    struct stat status;
    int is_full = state && state->is_full;
    if (!(kill_at_write | full_at_write | is_full) || fstat(file, &status))
        return 1;
    if (!S_ISREG(status.st_mode) || !status.st_nlink)
        return 1;
    long nth = atomic_fetch_add(&writes, 1) + 1;
    if (kill_at_write && nth == kill_at_write)
        die();
    if (is_full || (full_at_write && nth >= full_at_write)) {
        errno = ENOSPC;
        return 0;
    }
    return 1;
}

static int flushed(int outcome) {
    if (kill_at_flush && atomic_fetch_add(&flushes, 1) + 1 == kill_at_flush)
        die();
    return outcome;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t length) {
    return may_write(file) ? REAL(write)(file, bytes, length) : -1;
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    return may_write(file) ? REAL(pwrite)(file, bytes, length, at) : -1;
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
    return may_write(file) ? REAL(pwrite64)(file, bytes, length, at) : -1;
}

int fsync(int file) { return flushed(REAL(fsync)(file)); }

int fdatasync(int file) { return flushed(REAL(fdatasync)(file)); }

int clock_gettime(clockid_t clock, struct timespec *time) {
    static __typeof__(&clock_gettime) real;
    if (!real)
        real = REAL(clock_gettime);
    int outcome = real(clock, time);
    if (!outcome && state && clock == CLOCK_REALTIME)
        time->tv_sec += state->ahead_s;
    return outcome;
}
