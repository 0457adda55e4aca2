/* The room of a program's children: their stacks, and copies of all that they need.
 *
 * A child with a copy of the caller's memory lets go of it at once, but for the room,
 * the code, and the page that errno is on. It goes where others may look into it. */
#include "birth.h"

#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

_Static_assert(sizeof(struct room) <= TASK_ERRAND, "the stacks are behind it");

/* Around errno and the record that the C library has of the thread. */
#define BELOW_THREAD 16384
#define ABOVE_THREAD 16384

/* Where glibc has the area that the kernel writes to (rseq(2)), from the thread's
 * record. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
#define RSEQ_SIZE 256

static uintptr_t page_size(void) {
    return (uintptr_t)sysconf(_SC_PAGESIZE);
}

void *pyns_stack_of(struct room *room, enum role role) {
    return (char *)room + TASK_ERRAND + (size_t)role * ROLE_STACK;
}

/* --- what is put in it ------------------------------------------------------------ */

/* Measures first, with no memory; then copies. */
struct arena {
    char *start;
    size_t used;
};

static void *take(struct arena *arena, const void *what, size_t size) {
    size_t at = (arena->used + 15) & ~(size_t)15;
    arena->used = at + size;
    if (!arena->start)
        return NULL;
    if (what)
        memcpy(arena->start + at, what, size);
    return arena->start + at;
}

static char **take_list(struct arena *arena, const char *text, int count) {
    char **list = take(arena, NULL, ((size_t)count + 1) * sizeof(*list));
    for (int i = 0; i < count; i++) {
        size_t size = strlen(text) + 1;
        char *copy = take(arena, text, size);
        if (list)
            list[i] = copy;
        text += size;
    }
    if (list)
        list[count] = NULL;
    return list;
}

static int most_kept(const struct pyns_spawn *spawn) {
    return 3 + 6 + spawn->keep_count + spawn->join_count + 16;
}

static void put(struct arena *arena, struct room *room, const struct pyns_spawn *spawn,
                size_t gaps) {
    room->gaps = take(arena, NULL, (gaps + 1) * sizeof(*room->gaps));
    room->argv = take_list(arena, spawn->args, spawn->arg_count);
    room->files = take_list(arena, spawn->files, spawn->file_count);
    room->envp = take_list(arena, spawn->env, spawn->env_count);
    if (spawn->cwd)
        room->plan.cwd = take(arena, spawn->cwd, strlen(spawn->cwd) + 1);
    if (spawn->keep_count > 0)
        room->plan.keep_fds = take(arena, spawn->keep_fds,
                                   (size_t)spawn->keep_count * sizeof(int));
    if (spawn->group_count > 0)
        room->plan.groups = take(arena, spawn->groups,
                                 (size_t)spawn->group_count * sizeof(unsigned int));
    if (spawn->filter)
        room->plan.filter = take(arena, spawn->filter,
                                 (size_t)spawn->filter_length * PYNS_INSTRUCTION);
    room->kept = take(arena, NULL, (size_t)most_kept(spawn) * sizeof(int));
}

/* --- what is let go of ------------------------------------------------------------ */

struct census {
    struct gap *taken; /* what stays; first counted, then listed */
    size_t count;
    size_t capacity;
};

static void keep(struct census *census, uintptr_t start, uintptr_t end) {
    uintptr_t mask = page_size() - 1;
    start &= ~mask;
    end = (end + mask) & ~mask;
    if (census->taken && census->count < census->capacity)
        census->taken[census->count] =
            (struct gap){.start = (char *)start, .length = end - start};
    census->count++;
}

static int keep_object(struct dl_phdr_info *info, size_t size, void *census) {
    (void)size;
    uintptr_t first = UINTPTR_MAX, last = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD)
            continue;
        uintptr_t start = info->dlpi_addr + part->p_vaddr;
        first = start < first ? start : first;
        last = start + part->p_memsz > last ? start + part->p_memsz : last;
    }
    if (first < last)
        keep(census, first, last);
    return 0;
}

static int by_start(const void *one, const void *other) {
    const struct gap *a = one, *b = other;
    return a->start < b->start ? -1 : a->start > b->start;
}

static size_t count_objects(void) {
    struct census census = {.taken = NULL};
    dl_iterate_phdr(keep_object, &census);
    /* Others may load libraries meanwhile; ours are loaded. */
    return census.count + 64;
}

/* GCC has a function for it on x86 since version 11. */
static uintptr_t thread_pointer(void) {
#if defined(__x86_64__) || defined(__i386__)
    uintptr_t pointer;
#ifdef __x86_64__
    __asm__("mov %%fs:0, %0" : "=r"(pointer));
#else
    __asm__("mov %%gs:0, %0" : "=r"(pointer));
#endif
    return pointer;
#else
    return (uintptr_t)__builtin_thread_pointer();
#endif
}

static void list_what_stays(const struct room *room, struct census *census) {
    uintptr_t thread = (uintptr_t)pthread_self(), error = (uintptr_t)&errno;
    uintptr_t low = thread < error ? thread : error;
    uintptr_t high = thread < error ? error : thread;
    keep(census, (uintptr_t)room, (uintptr_t)room + room->size);
    keep(census, low - BELOW_THREAD, high + ABOVE_THREAD);
    if (&__rseq_offset) {
        uintptr_t area = thread_pointer() + (uintptr_t)__rseq_offset;
        keep(census, area, area + RSEQ_SIZE);
    }
    dl_iterate_phdr(keep_object, census);
    if (census->count > census->capacity)
        census->count = census->capacity;
    qsort(census->taken, census->count, sizeof(*census->taken), by_start);
}

/* In the caller: list what lies between, for which there is place. */
static int list_gaps(struct room *room, size_t capacity) {
    struct census census = {.capacity = capacity};
    census.taken = malloc(capacity * sizeof(*census.taken));
    if (!census.taken)
        return -ENOMEM;
    list_what_stays(room, &census);
    char *at = NULL;
    for (size_t i = 0; i < census.count; i++) {
        const struct gap *stays = &census.taken[i];
        if (stays->start > at)
            room->gaps[room->gap_count++] =
                (struct gap){at, (size_t)(stays->start - at)};
        char *end = stays->start + stays->length;
        at = end > at ? end : at;
    }
    room->gaps[room->gap_count] = (struct gap){at, 0};
    free(census.taken);
    return 0;
}

static int is_watched_by_sanitizer(void) {
#if defined(PYNS_HAS_SHADOW) || defined(__SANITIZE_THREAD__)
    return 1; /* Its own memory is in the gaps. */
#else
    return 0;
#endif
}

/* The kernel refuses a range whole for one page that may not go (mseal(2)): then the
 * rest of it goes in parts. Return how many pages stay. */
static size_t unmap(char *start, size_t length, int *tries) {
    size_t page = page_size();
    if (length == 0 || munmap(start, length) == 0)
        return 0;
    if (length <= page || --*tries <= 0)
        return length / page;
    size_t half = length / 2 / page * page;
    return unmap(start, half, tries) + unmap(start + half, length - half, tries);
}

#define MOST_PAGES 64
#define MOST_TRIES 4096

/* In the child, on its stack in the room. */
int pyns_let_go_of_memory(const struct room *room) {
    if (is_watched_by_sanitizer())
        return 0;
    int tries = MOST_TRIES;
    size_t stay = 0;
    for (size_t i = 0; i < room->gap_count; i++)
        stay += unmap(room->gaps[i].start, room->gaps[i].length, &tries);
    /* And from the last on up to where addresses end, wherever that is. */
    uintptr_t last = (uintptr_t)room->gaps[room->gap_count].start;
    int bits = 57, result = -1;
    for (; bits >= 36 && result < 0; bits--) {
        uintptr_t end = ((uintptr_t)1 << bits) - page_size();
        result = end > last ? munmap((void *)last, end - last) : -1;
        if (result < 0 && errno == EPERM) { /* sealed, and within what there is */
            stay += unmap((char *)last, end - last, &tries);
            result = 0;
        }
    }
    return stay > MOST_PAGES ? -EPERM : 0;
}

/* --- the room --------------------------------------------------------------------- */

/* NULL: no memory. */
struct room *pyns_make_room(const struct pyns_spawn *spawn) {
    struct arena arena = {.start = NULL};
    struct room measured;
    size_t gaps = spawn->apart ? count_objects() : 0;
    put(&arena, &measured, spawn, gaps);
    size_t before = TASK_ERRAND + ROLES * ROLE_STACK;
    size_t mask = page_size() - 1;
    size_t size = (before + arena.used + 64 + mask) & ~mask;
    int sharing = spawn->apart ? MAP_SHARED : MAP_PRIVATE;
    struct room *room = mmap(NULL, size, PROT_READ | PROT_WRITE,
                             sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return NULL;
    room->size = size;
    room->plan = *spawn;
    room->stage_pidfd = room->channel = room->inbox = room->parent_pidfd = -1;
    room->spare = -1;
    room->watch[0] = room->watch[1] = room->gate[0] = room->gate[1] = -1;
    room->start[0] = room->start[1] = room->offsets = room->proc = -1;
    room->caller = getpid();
    room->has_clone3 = 1;
    room->trace.style = spawn->apart ? TASK_APART : TASK_SHARING;
    arena = (struct arena){.start = (char *)room + before};
    put(&arena, room, spawn, gaps);
    if (spawn->apart && list_gaps(room, gaps) < 0) {
        pyns_free_room(room);
        return NULL;
    }
    return room;
}

void pyns_free_room(struct room *room) {
    if (room->is_hiding)
        pyns_show();
    pyns_close(room->stage_pidfd);
    pyns_close(room->channel);
    pyns_close(room->inbox);
    pyns_close(room->parent_pidfd);
    pyns_close(room->spare);
    PYNS_CLEAR_SHADOW(room, room->size);
    munmap(room, room->size);
}
