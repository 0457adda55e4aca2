/* Reading all of /proc: what the files about it share. */
#ifndef PYNS_CENSUS_H
#define PYNS_CENSUS_H

#include "compat.h"

#include <stdatomic.h>

/* One process's text may have so much; the rest of longer ones is left out. */
#define READ_ROOM 32768

struct state;

/* What all workers know, and do not change. */
struct plan {
    uint32_t links;
    uint32_t want;
    int proc;           /* /proc, opened by O_PATH; each worker has its own */
    uint64_t nsfs;      /* st_dev of namespace files */
    int self;           /* this process, as /proc numbers it */
    int has_own_ids;    /* and so does everybody else here */
    uint32_t own_pid;   /* namespaces of the calling thread */
    uint32_t own_mnt;
};

/* Numbers by inode number: nsfs never gives one to two namespaces that live, of whatever
 * type. */
struct inode_map {
    uint32_t *slots;  /* 0: free */
    uint32_t *values;
    uint32_t size;    /* a power of two, or 0 */
    uint32_t count;
};

/* A worker: its results and its tools. */
struct worker {
    struct pyns_tally tally;
    struct plan plan;
    struct inode_map known;  /* namespaces that have a row: its number, from 1 on */
    struct inode_map toured; /* mount namespaces whose mounts have been read */
    uint32_t room[7];        /* of the arrays of the tally, in their order */
    int failed;              /* -ENOMEM */
    uint32_t cgroup;         /* the last one, which the next process often has too */
    uint32_t cgroup_size;
    char *buffer;            /* READ_ROOM */
    struct state *state;     /* of the census */
};

/* The processes to read. */
struct roll {
    int *pids;
    int total, room;
};

/* roll.c */
int open_proc(void);
int own_number(int proc, const char *name);
int make_plan(struct plan *plan, const struct pyns_census *census, struct roll *roll);

/* census.c */
int is_worker(const struct worker *worker, int tid);

/* tally.c: NULL or -1 where there is no memory */
struct pyns_process_row *tally_process(struct worker *worker);
struct pyns_thread_row *tally_thread(struct worker *worker);
struct pyns_file_row *tally_file(struct worker *worker);
struct pyns_namespace_row *tally_namespace(struct worker *worker);
struct pyns_mount_row *tally_mount(struct worker *worker);
void tally_refusal(struct worker *worker, int pid, int error, uint32_t what,
                   uint32_t ino);
uint32_t tally_text(struct worker *worker, const char *text, uint32_t size);
void tally_free(struct worker *worker);
uint32_t map_get(const struct inode_map *map, uint32_t ino); /* 0: it is not there */
int map_put(struct worker *worker, struct inode_map *map, uint32_t ino, uint32_t value);

/* reading.c: files of a process */
int read_record(struct worker *worker, int folder, const char *name);
uint32_t link_inode(int folder, const char *name);
int for_each_number(int folder, int (*work)(struct worker *, int, int, void *),
                    struct worker *worker, void *context);

/* kin.c: one namespace, and those that it leads to */
uint32_t meet_namespace(struct worker *worker, int fd, int pid);
uint32_t meet_link(struct worker *worker, int folder, const char *name, uint32_t ino,
                   int pid);

/* visit.c: one process */
extern const char *const link_names[PYNS_LINKS];
void visit_process(struct worker *worker, int pid);
void confirm_namespaces(struct worker *worker);

/* holdings.c: what a process has besides: threads, descriptors, mounts */
void visit_threads(struct worker *worker, int folder, int pid, const uint32_t *links);
void visit_descriptors(struct worker *worker, int folder, int pid, uint32_t net);
void visit_mounts(struct worker *worker, int folder, int pid, uint32_t mnt);
int read_links(struct worker *worker, int folder, int tid, int pid, uint32_t *links);

#endif
