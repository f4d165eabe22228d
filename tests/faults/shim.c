/* The I/O fault shim: preloaded, it stands between a process and the C library and counts the calls that change files
 * under one folder. At a chosen one of them, a point, it kills the process, tears a write, or lets the disk fail.
 *
 * Nothing happens until fault_arm(); a process that is forked or started by the armed one is left alone. While armed no
 * call reaches the disk by force: fsync is counted, and what a power cut would leave is worked out from the log.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { COUNT, KILL, TORN, EIO_ONCE, FULL };
enum op { CREATE = 1, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MKDIR, RMDIR, LINK, CHMOD, UTIME };

#define MOST_POINTS 65536

struct shared { /* outlives the armed process: its parent reads it */
    int64_t count, fired, resynced, overflow, used, unsynced_file, size;
    uint8_t calls[MOST_POINTS], allocates[MOST_POINTS];
    char log[];
};

struct entry { /* of the log; the two paths and the data follow, padded to 8 bytes */
    int64_t op, point, inode, offset, first, second, data;
};

static struct shared *shared;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum kind kind;
static int64_t at;
static pid_t armed;
static char folder[PATH_MAX];
static size_t folder_length;
static ino_t failed_sync; /* the file whose sync failed and that nobody has touched since; 0 for none */

/* -- what the tests call ------------------------------------------------------------------------------------------ */

void *fault_share(int64_t size) {
    shared = mmap(NULL, sizeof(struct shared) + size, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED) return NULL;
    shared->size = size;
    return shared;
}

void fault_arm(int what, int64_t point, const char *path) {
    memset(shared, 0, offsetof(struct shared, size));
    kind = what, at = point, failed_sync = 0;
    folder_length = strlen(path);
    memcpy(folder, path, folder_length + 1);
    armed = getpid();
}

void fault_disarm(void) { armed = 0; }

/* -- where a call leads, and what becomes of it ------------------------------------------------------------------- */

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

static int is_armed(void) { return armed && getpid() == armed; }

static int is_inside(const char *path) {
    return strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || !path[folder_length]);
}

static int describe(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

static int find_path(int directory, const char *name, char *path) {
    if (!is_armed()) return 0;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        char base[PATH_MAX];
        if (directory == AT_FDCWD ? !getcwd(base, sizeof base) : !describe(directory, base)) return 0;
        if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return 0;
    }
    return is_inside(path);
}

static int find_file(int descriptor, struct stat *status) {
    char path[PATH_MAX];
    if (!is_armed() || fstat(descriptor, status)) return 0;
    if (!S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode)) return 0;
    return describe(descriptor, path) && is_inside(path);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Count a point. Return 0 to go on, else the error to fail with; *half says that a write is to be done by half. */
static int meet(enum op op, int allocates, int *half) {
    int64_t point = ++shared->count;
    if (point < MOST_POINTS) shared->calls[point] = op, shared->allocates[point] = allocates;
    *half = 0;
    if (kind == FULL) {
        if (point < at || !allocates || (op == SYNC && point != at)) return 0;
        *half = op == WRITE && point == at;
        shared->fired = 1;
        return *half ? 0 : ENOSPC;
    }
    if (kind == COUNT || point != at) return 0;
    shared->fired = 1;
    if (kind == EIO_ONCE) return EIO;
    *half = kind == TORN && op == WRITE;
    if (!*half) die();
    return 0;
}

static void append(enum op op, ino_t inode, int64_t offset, const char *first, const char *second,
                   const struct iovec *parts, int count, int64_t size) {
    if (kind != COUNT && kind != EIO_ONCE) return;
    struct entry entry = {op, shared->count, inode, offset, strlen(first), strlen(second), size};
    int64_t whole = (sizeof entry + entry.first + entry.second + size + 7) & ~7;
    if (shared->used + whole > shared->size) {
        shared->overflow = 1;
        return;
    }
    char *to = shared->log + shared->used;
    shared->used += whole;
    memcpy(to, &entry, sizeof entry), to += sizeof entry;
    memcpy(to, first, entry.first), to += entry.first;
    memcpy(to, second, entry.second), to += entry.second;
    for (int index = 0; index < count && size > 0; index++) {
        int64_t some = (int64_t)parts[index].iov_len < size ? (int64_t)parts[index].iov_len : size;
        memcpy(to, parts[index].iov_base, some), to += some, size -= some;
    }
}

static ino_t inode_of(const char *path) {
    struct stat status;
    return lstat(path, &status) ? 0 : status.st_ino;
}

static void touched(ino_t inode) {
    if (inode == failed_sync) failed_sync = 0;
}

#define FAIL(error) return pthread_mutex_unlock(&lock), errno = (error), -1
#define MEET(op, allocates)                              \
    pthread_mutex_lock(&lock);                           \
    int half, error = meet(op, allocates, &half);        \
    (void)half;                                          \
    if (error) FAIL(error)
#define LEAVE(result)                                    \
    int kept = errno;                                    \
    pthread_mutex_unlock(&lock);                         \
    errno = kept;                                        \
    return result

/* -- writing ------------------------------------------------------------------------------------------------------ */

static ssize_t put(int descriptor, const struct iovec *parts, int count, int64_t offset) {
    return offset < 0 ? REAL(writev)(descriptor, parts, count) : REAL(pwritev)(descriptor, parts, count, offset);
}

static ssize_t put_half(int descriptor, const struct iovec *parts, int64_t size, int64_t offset) {
    struct iovec first = parts[0];
    if ((int64_t)first.iov_len > size / 2) first.iov_len = size / 2;
    return put(descriptor, &first, 1, offset);
}

static ssize_t do_write(int descriptor, const struct iovec *parts, int count, int64_t offset) {
    struct stat status;
    if (!find_file(descriptor, &status)) return put(descriptor, parts, count, offset);
    int64_t size = 0, start = offset;
    for (int index = 0; index < count; index++) size += parts[index].iov_len;
    if (start < 0) {
        int appends = fcntl(descriptor, F_GETFL) & O_APPEND;
        start = appends ? status.st_size : lseek(descriptor, 0, SEEK_CUR);
    }
    MEET(WRITE, start + size > status.st_size);
    touched(status.st_ino);
    ssize_t result;
    if (half && size > 1) {
        result = put_half(descriptor, parts, size, offset);
        if (kind == TORN) die();
    } else {
        if (half && kind == TORN) die();
        if (half) FAIL(ENOSPC);
        result = put(descriptor, parts, count, offset);
    }
    if (result > 0) append(WRITE, status.st_ino, start, "", "", parts, count, result);
    LEAVE(result);
}

ssize_t write(int descriptor, const void *data, size_t size) {
    if (!is_armed()) return REAL(write)(descriptor, data, size);
    struct iovec part = {(void *)data, size};
    return do_write(descriptor, &part, 1, -1);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
    if (!is_armed()) return REAL(pwrite)(descriptor, data, size, offset);
    struct iovec part = {(void *)data, size};
    return do_write(descriptor, &part, 1, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    return pwrite(descriptor, data, size, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    return is_armed() ? do_write(descriptor, parts, count, -1) : REAL(writev)(descriptor, parts, count);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
    return is_armed() ? do_write(descriptor, parts, count, offset) : REAL(pwritev)(descriptor, parts, count, offset);
}

ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t offset) {
    return pwritev(descriptor, parts, count, offset);
}

/* Whoever copies within the kernel falls back to writing where it cannot. */
ssize_t sendfile(int to, int from, off_t *offset, size_t size) {
    struct stat status;
    if (find_file(to, &status)) return errno = EINVAL, -1;
    return syscall(SYS_sendfile, to, from, offset, size);
}

ssize_t sendfile64(int to, int from, off64_t *offset, size_t size) { return sendfile(to, from, offset, size); }

int ftruncate(int descriptor, off_t size) {
    struct stat status;
    if (!find_file(descriptor, &status)) return REAL(ftruncate)(descriptor, size);
    MEET(TRUNCATE, size > status.st_size);
    touched(status.st_ino);
    int result = REAL(ftruncate)(descriptor, size);
    if (!result) append(TRUNCATE, status.st_ino, size, "", "", NULL, 0, 0);
    LEAVE(result);
}

int ftruncate64(int descriptor, off64_t size) { return ftruncate(descriptor, size); }

static int do_sync(int descriptor, int (*sync)(int)) {
    struct stat status;
    if (!find_file(descriptor, &status)) return sync(descriptor);
    pthread_mutex_lock(&lock);
    if (status.st_ino == failed_sync) shared->resynced++;
    int half, error = meet(SYNC, 1, &half);
    /* SQLite passes over a folder that cannot be synced; what follows from it is what the power cuts try. */
    if (error && S_ISREG(status.st_mode)) failed_sync = status.st_ino, shared->unsynced_file = 1;
    if (error) FAIL(error);
    char path[PATH_MAX] = "";
    if (S_ISDIR(status.st_mode)) describe(descriptor, path);
    append(SYNC, status.st_ino, 0, path, "", NULL, 0, 0);
    LEAVE(0);
}

int fsync(int descriptor) { return do_sync(descriptor, REAL(fsync)); }

int fdatasync(int descriptor) { return do_sync(descriptor, REAL(fdatasync)); }

/* -- names -------------------------------------------------------------------------------------------------------- */

static int do_open(int directory, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    int (*call)(int, const char *, int, ...) = REAL(openat);
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_PATH) || (flags & O_TMPFILE) == O_TMPFILE
        || !find_path(directory, name, path))
        return call(directory, name, flags, mode);
    ino_t there = inode_of(path);
    if (there ? !(flags & O_TRUNC) || (flags & O_EXCL) : !(flags & O_CREAT)) return call(directory, name, flags, mode);
    enum op op = there ? TRUNCATE : CREATE;
    MEET(op, op == CREATE);
    int result = call(directory, name, flags, mode);
    if (result >= 0) append(op, inode_of(path), 0, path, "", NULL, 0, 0);
    LEAVE(result);
}

#define MODE(flags, last)                                                \
    mode_t mode = 0;                                                     \
    if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) {       \
        va_list more;                                                    \
        va_start(more, last);                                            \
        mode = va_arg(more, mode_t);                                     \
        va_end(more);                                                    \
    }

int open(const char *name, int flags, ...) {
    MODE(flags, flags);
    return do_open(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...) {
    MODE(flags, flags);
    return do_open(AT_FDCWD, name, flags, mode);
}

int openat(int directory, const char *name, int flags, ...) {
    MODE(flags, flags);
    return do_open(directory, name, flags, mode);
}

int openat64(int directory, const char *name, int flags, ...) {
    MODE(flags, flags);
    return do_open(directory, name, flags, mode);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    char source[PATH_MAX], target[PATH_MAX];
    int leaves = find_path(from_directory, from, source), arrives = find_path(to_directory, to, target);
    if (!leaves && !arrives) return REAL(renameat)(from_directory, from, to_directory, to);
    MEET(RENAME, 1);
    int result = REAL(renameat)(from_directory, from, to_directory, to);
    if (!result) append(RENAME, inode_of(target), 0, source, target, NULL, 0, 0);
    LEAVE(result);
}

int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int directory, const char *name, int flags) {
    char path[PATH_MAX];
    ino_t inode = find_path(directory, name, path) ? inode_of(path) : 0;
    if (!inode) return REAL(unlinkat)(directory, name, flags);
    MEET(flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0);
    int result = REAL(unlinkat)(directory, name, flags);
    if (!result) touched(inode); /* its number may become that of another file, or of a folder */
    if (!result) append(flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0, 0, path, "", NULL, 0, 0);
    LEAVE(result);
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }

int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int directory, const char *name, mode_t mode) {
    char path[PATH_MAX];
    if (!find_path(directory, name, path) || inode_of(path)) return REAL(mkdirat)(directory, name, mode);
    MEET(MKDIR, 1);
    int result = REAL(mkdirat)(directory, name, mode);
    if (!result) append(MKDIR, 0, 0, path, "", NULL, 0, 0);
    LEAVE(result);
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
    char source[PATH_MAX], target[PATH_MAX];
    if (!find_path(to_directory, to, target)) return REAL(linkat)(from_directory, from, to_directory, to, flags);
    if (!find_path(from_directory, from, source)) source[0] = 0;
    MEET(LINK, 1);
    int result = REAL(linkat)(from_directory, from, to_directory, to, flags);
    if (!result) append(LINK, inode_of(target), 0, source, target, NULL, 0, 0);
    LEAVE(result);
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int fchmodat(int directory, const char *name, mode_t mode, int flags) {
    char path[PATH_MAX];
    if (!find_path(directory, name, path)) return REAL(fchmodat)(directory, name, mode, flags);
    MEET(CHMOD, 0);
    LEAVE(REAL(fchmodat)(directory, name, mode, flags));
}

int chmod(const char *name, mode_t mode) { return fchmodat(AT_FDCWD, name, mode, 0); }

int fchmod(int descriptor, mode_t mode) {
    struct stat status;
    if (!find_file(descriptor, &status)) return REAL(fchmod)(descriptor, mode);
    MEET(CHMOD, 0);
    LEAVE(REAL(fchmod)(descriptor, mode));
}

int utimensat(int directory, const char *name, const struct timespec times[2], int flags) {
    char path[PATH_MAX];
    if (!find_path(directory, name, path)) return REAL(utimensat)(directory, name, times, flags);
    MEET(UTIME, 0);
    LEAVE(REAL(utimensat)(directory, name, times, flags));
}

int futimens(int descriptor, const struct timespec times[2]) {
    struct stat status;
    if (!find_file(descriptor, &status)) return REAL(futimens)(descriptor, times);
    MEET(UTIME, 0);
    LEAVE(REAL(futimens)(descriptor, times));
}
