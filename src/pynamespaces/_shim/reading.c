/* Files of a process in /proc, by the descriptor of its folder: whatever becomes of its
 * id, that folder stays its own. */
#include "census.h"

#include <stdlib.h>

/* What snprintf does, which is asked so often that it would be felt. */
const char *name_of(int number, struct number *room) {
    char *at = room->text + sizeof(room->text) - 1;
    *at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return at;
}

/* A descriptor that was asked for, or -1. That there was no room for it ends the census:
 * what is left out then is not what vanished. */
int noted(struct worker *worker, int fd) {
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        worker->failed = -errno;
    return fd;
}

/* Open what is in a folder of /proc, and nothing that somebody has mounted over it: that
 * is EXDEV. */
int open_within(struct worker *worker, int folder, const char *name, int flags) {
    int fd = pyns_open_in_proc(folder, name, flags);
    if (fd >= 0)
        return fd;
    errno = -fd;
    /* Some seccomp filters do not know openat2(2). Nothing that is opened then waits. */
    if (errno == ENOSYS || errno == EPERM)
        fd = openat(folder, name, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return noted(worker, fd < 0 ? -1 : fd);
}

/* Read a file that is one record into the worker's buffer, as much as there is room for;
 * return how much. */
int read_record(struct worker *worker, int folder, const char *name) {
    int fd = open_within(worker, folder, name, O_RDONLY);
    if (fd < 0)
        return -errno;
    int size;
    do
        size = PYNS_RESULT(read(fd, worker->buffer, READ_ROOM));
    while (size == -EINTR);
    close(fd);
    return size;
}

/* Hand the lines of a file over, each without its end. -EOVERFLOW: one is longer than
 * any that is of use. */
int for_each_line(struct worker *worker, int fd,
                  void (*work)(struct worker *, const char *, size_t, void *),
                  void *context) {
    size_t room = READ_ROOM, held = 0;
    char *text = malloc(room);
    int result = text == NULL ? -ENOMEM : 1;
    while (result > 0) {
        result = PYNS_RESULT(read(fd, text + held, room - held));
        if (result == -EINTR) {
            result = 1;
            continue;
        }
        if (result <= 0)
            break;
        char *line = text, *end = text + held + result, *stop;
        while ((stop = memchr(line, '\n', (size_t)(end - line))) != NULL) {
            work(worker, line, (size_t)(stop - line), context);
            line = stop + 1;
        }
        held = (size_t)(end - line);
        memmove(text, line, held);
        if (held < room)
            continue;
        room *= 2;
        char *larger = room > LONGEST_LINE ? NULL : realloc(text, room);
        if (larger == NULL)
            result = -EOVERFLOW;
        else
            text = larger;
    }
    free(text);
    return result;
}

/* The number in a link such as "net:[4026531840]"; 0, and errno, if it has none. */
uint32_t link_inode(int folder, const char *name) {
    char text[64];
    ssize_t size = readlinkat(folder, name, text, sizeof(text));
    if (size < 0)
        return 0;
    ssize_t at = 0;
    while (at < size && text[at] != '[')
        at++;
    uint64_t number = 0;
    for (at++; at < size && text[at] >= '0' && text[at] <= '9'; at++)
        number = number * 10 + (uint64_t)(text[at] - '0');
    errno = EINVAL;
    return number > UINT32_MAX ? 0 : (uint32_t)number;
}

struct entry {
    uint64_t ino;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

static int number_of(const char *name) {
    long number = 0;
    for (; *name >= '0' && *name <= '9' && number <= INT32_MAX; name++)
        number = number * 10 + (*name - '0');
    return *name != '\0' || number > INT32_MAX ? -1 : (int)number;
}

/* Do something for each entry of a folder whose name is a number, until it says other
 * than 0. */
int for_each_number(int folder, int (*work)(struct worker *, int, int, void *),
                    struct worker *worker, void *context) {
    _Alignas(struct entry) char buffer[8192];
    for (;;) {
        long size = syscall(SYS_getdents64, folder, buffer, sizeof(buffer));
        if (size <= 0)
            return size < 0 ? -errno : 0;
        for (long at = 0; at < size;) {
            const struct entry *entry = (const struct entry *)(buffer + at);
            int number = number_of(entry->name);
            int result = number < 0 ? 0 : work(worker, folder, number, context);
            if (result != 0)
                return result;
            at += entry->size;
        }
    }
}
