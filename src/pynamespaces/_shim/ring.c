/* Rings of perf: what the kernel writes of one CPU, to be read while it goes on. */
#include "task.h"

#include <sys/mman.h>

/* As in linux/perf_event.h, which is not installed everywhere: how each record begins,
 * and where in the first page the positions stand. */
struct header {
    uint32_t type;
    uint16_t misc;
    uint16_t size;
};
#define HEAD 1024
#define TAIL 1032
#define FD_CLOEXEC_FLAG (1UL << 3)

/* attr: struct perf_event_attr, as large as it says itself. place: has the descriptor
 * before anybody can be interrupted, and closes it when it goes. */
int pyns_perf_event_open(const unsigned char *attr, int pid, int cpu, int *place) {
    *place = PYNS_RESULT(
        syscall(SYS_perf_event_open, attr, pid, cpu, -1, FD_CLOEXEC_FLAG));
    return *place;
}

/* Map the ring of an event: a page of positions, then size bytes of records. */
int pyns_ring_map(struct pyns_ring *ring, int fd, uint64_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole = page + (size_t)size;
    void *base = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return -errno;
    ring->base = base;
    ring->size = size;
    ring->owner = pyns_process();
    ring->held = -1;
    return 0;
}

int pyns_ring_unmap(struct pyns_ring *ring) {
    /* A fork does not have it mapped, but may have something else there. */
    if (ring->base != NULL && ring->owner == pyns_process())
        munmap(ring->base, (size_t)sysconf(_SC_PAGESIZE) + (size_t)ring->size);
    ring->base = NULL;
    return 0;
}

static void copy_out(const struct pyns_ring *ring, uint64_t from, unsigned char *to,
                     uint64_t size) {
    const unsigned char *data =
        (const unsigned char *)ring->base + sysconf(_SC_PAGESIZE);
    uint64_t at = from % ring->size;
    uint64_t first = size < ring->size - at ? size : ring->size - at;
    memcpy(to, data + at, (size_t)first);
    memcpy(to + first, data, (size_t)(size - first));
}

/* Move whole records to a buffer, as many as there is room for; return how many bytes.
 * That stays on record, since a handler of Python's may raise before it has them. */
int pyns_ring_take(struct pyns_ring *ring, unsigned char *buffer, uint64_t room) {
    if (ring->base == NULL || ring->owner != pyns_process())
        return -ECHILD;
    unsigned char *page = ring->base;
    uint64_t *reached = (uint64_t *)(void *)(page + TAIL);
    uint64_t head =
        __atomic_load_n((uint64_t *)(void *)(page + HEAD), __ATOMIC_ACQUIRE);
    uint64_t tail = *reached, end = tail;
    while (end < head) {
        struct header header;
        copy_out(ring, end, (unsigned char *)&header, sizeof(header));
        if (header.size < sizeof(header) || end + header.size - tail > room)
            break;
        end += header.size;
    }
    copy_out(ring, tail, buffer, end - tail);
    /* From here on the kernel may write there again. */
    __atomic_store_n(reached, end, __ATOMIC_RELEASE);
    return ring->held = (int)(end - tail);
}

/* Make one of the calls that are watched in a way that fails and does nothing: it is
 * counted by who wants to know which tracepoint is which. */
int pyns_fail_call(int which) {
    switch (which) {
    case 0:
        return PYNS_RESULT(syscall(SYS_setns, -1, 0));
    case 1:
        return PYNS_RESULT(syscall(SYS_unshare, 1UL)); /* no such flag */
    case 2: /* a thread that would not share its signal handlers */
        return PYNS_RESULT(syscall(SYS_clone, (unsigned long)CLONE_THREAD, 0, 0, 0, 0));
    default:
        return PYNS_RESULT(syscall(SYS_clone3, NULL, 0UL));
    }
}
