/* What a worker of a census has found: arrays that grow. */
#include "census.h"

#include <stdlib.h>

/* Make room for so many more. The old array stays where there is none. */
static int grow(struct worker *worker, int which, void **array, uint32_t count,
                uint32_t more, size_t size) {
    uint64_t needed = (uint64_t)count + more;
    if (needed <= worker->room[which])
        return 0;
    uint64_t room = needed < 256 ? 256 : needed * 2;
    void *larger = room > UINT32_MAX ? NULL : realloc(*array, (size_t)room * size);
    if (larger == NULL) {
        worker->failed = -ENOMEM;
        return -1;
    }
    *array = larger;
    worker->room[which] = (uint32_t)room;
    return 0;
}

/* A new row of zeros at the end of an array. */
#define TALLY(name, row, array, counter, which)                              \
    row *name(struct worker *worker) {                                       \
        void *rows = worker->array;                                          \
        if (grow(worker, which, &rows, worker->counter, 1, sizeof(row)) < 0) \
            return NULL;                                                     \
        worker->array = rows;                                                \
        row *fresh = &worker->array[worker->counter++];                      \
        memset(fresh, 0, sizeof(*fresh));                                    \
        return fresh;                                                        \
    }

TALLY(tally_process, struct pyns_process_row, tally.processes, tally.process_count,
      PROCESSES)
TALLY(tally_thread, struct pyns_thread_row, tally.threads, tally.thread_count, THREADS)
TALLY(tally_file, struct pyns_file_row, tally.files, tally.file_count, FILES)
TALLY(tally_namespace, struct pyns_namespace_row, tally.namespaces,
      tally.namespace_count, NAMESPACES)
TALLY(tally_mount, struct pyns_mount_row, tally.mounts, tally.mount_count, MOUNTS)
TALLY(tally_meeting, struct meeting, meetings, meeting_count, MEETINGS)
static TALLY(fresh_refusal, struct pyns_refusal_row, tally.refusals,
             tally.refusal_count, REFUSALS)
static TALLY(fresh_doubt, uint32_t, tally.doubts, tally.doubt_count, DOUBTS)

void tally_doubt(struct worker *worker, uint32_t ino) {
    uint32_t *row = fresh_doubt(worker);
    if (row != NULL)
        *row = ino;
}

void tally_refusal(struct worker *worker, int pid, int error, uint32_t what,
                   uint32_t ino) {
    struct pyns_refusal_row *row = fresh_refusal(worker);
    if (row != NULL)
        *row = (struct pyns_refusal_row){
            .pid = pid, .error = error, .what = what, .ino = ino};
}

/* Keep a text; return where it is. */
uint32_t tally_text(struct worker *worker, const char *text, uint32_t size) {
    struct pyns_tally *tally = &worker->tally;
    void *room = tally->text;
    if (grow(worker, TEXT, &room, tally->text_size, size, 1) < 0)
        return 0;
    tally->text = room;
    uint32_t offset = tally->text_size;
    if (size > 0) /* Else there may be no room at all yet. */
        memcpy(tally->text + offset, text, size);
    tally->text_size += size;
    return offset;
}

void tally_free(struct pyns_tally *tally) {
    free(tally->processes);
    free(tally->threads);
    free(tally->files);
    free(tally->namespaces);
    free(tally->mounts);
    free(tally->refusals);
    free(tally->doubts);
    free(tally->text);
    memset(tally, 0, sizeof(*tally));
}

/* Take what there is; the worker begins anew. */
void tally_take(struct worker *worker, struct pyns_tally *taken) {
    *taken = worker->tally;
    memset(&worker->tally, 0, sizeof(worker->tally));
    for (int array = 0; array < ARRAYS; array++)
        if (array != MEETINGS)
            worker->room[array] = 0;
    worker->cgroup_size = 0;
}

static uint32_t slot_of(const struct inode_map *map, uint32_t ino) {
    /* Numbers are given out in a row, so the low bits are as good as a hash. */
    uint32_t at = ino & (map->size - 1);
    while (map->slots[at] != 0 && map->slots[at] != ino)
        at = (at + 1) & (map->size - 1);
    return at;
}

uint32_t map_get(const struct inode_map *map, uint32_t ino) {
    return map->size == 0 ? 0 : map->values[slot_of(map, ino)];
}

static int map_grow(struct inode_map *map) {
    struct inode_map old = *map;
    uint32_t size = old.size == 0 ? 256 : old.size * 2;
    uint32_t *slots = calloc(size, sizeof(*slots));
    uint32_t *values = calloc(size, sizeof(*values));
    if (slots == NULL || values == NULL) {
        free(slots);
        free(values);
        return -1;
    }
    map->slots = slots;
    map->values = values;
    map->size = size;
    for (uint32_t i = 0; i < old.size; i++) {
        if (old.slots[i] == 0)
            continue;
        uint32_t at = slot_of(map, old.slots[i]);
        slots[at] = old.slots[i];
        values[at] = old.values[i];
    }
    map_free(&old);
    return 0;
}

/* Put a number there that is not 0, where none is yet. */
int map_put(struct worker *worker, struct inode_map *map, uint32_t ino, uint32_t value) {
    if ((map->count + 1) * 2 > map->size && map_grow(map) < 0)
        return worker->failed = -ENOMEM;
    uint32_t at = slot_of(map, ino);
    map->slots[at] = ino;
    map->values[at] = value;
    map->count++;
    return 0;
}

void map_free(struct inode_map *map) {
    free(map->slots);
    free(map->values);
}
