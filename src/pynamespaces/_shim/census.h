/* Reading all of /proc: what the files about it share. */
#ifndef PYNS_CENSUS_H
#define PYNS_CENSUS_H

#include "compat.h"

#include <pthread.h>
#include <stdatomic.h>

/* One process's text may have so much; the rest of longer ones is left out. */
#define READ_ROOM 32768
#define LONGEST_LINE (1 << 20)

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

/* A namespace that has a row by now, and who was found in it first. */
struct meeting {
    uint64_t unique;
    uint32_t ino;
    uint32_t nstype;
    int pid;       /* 0: nobody yet, it was found by other ways */
    int is_shared; /* it was found again */
    int is_held;   /* it is open, and so cannot die */
};

/* The arrays of a worker that grow. */
enum array {
    PROCESSES,
    THREADS,
    FILES,
    NAMESPACES,
    MOUNTS,
    REFUSALS,
    DOUBTS,
    TEXT,
    MEETINGS,
    ARRAYS,
};

/* A worker: its results and its tools. */
struct worker {
    struct pyns_tally tally;
    struct plan plan;
    struct meeting *meetings;
    uint32_t meeting_count;
    struct inode_map known;  /* the number of a meeting, from 1 on */
    struct inode_map toured; /* mount namespaces whose mounts have been read */
    uint32_t room[ARRAYS];
    int failed;              /* -errno */
    int may_hold;            /* how many more files may be kept open */
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

#define MOST_WORKERS 8
#define CHUNK 16 /* how many processes a worker takes at a time */
#define PART 256 /* and how many it hands over at least, but for the last */

struct state {
    pthread_mutex_t mutex;
    pthread_cond_t news, finish;
    int running;  /* workers; by the mutex, as are the next four */
    int finished; /* those that have nothing more to do */
    int is_waited_for;
    struct pyns_tally *parts; /* of which so many are made, and so many taken */
    int made, taken;
    int owner;    /* the process whose threads they are */
    _Atomic int count; /* of workers; -1: not known yet */
    _Atomic int next, done, cancelled;
    _Atomic int tids[MOST_WORKERS];
    int kernel_tids[MOST_WORKERS];
    pthread_t threads[MOST_WORKERS];
    struct worker workers[MOST_WORKERS];
    struct plan plan;
    struct roll roll;
};

/* census.c */
void state_free(struct state *state);

/* crew.c */
int start_workers(struct state *state, int wanted);
void work_alone(struct state *state);
int is_worker(int tid);
void forget_worker(struct state *state, int index);

/* tally.c: NULL or -1 where there is no memory */
struct pyns_process_row *tally_process(struct worker *worker);
struct pyns_thread_row *tally_thread(struct worker *worker);
struct pyns_file_row *tally_file(struct worker *worker);
struct pyns_namespace_row *tally_namespace(struct worker *worker);
struct pyns_mount_row *tally_mount(struct worker *worker);
struct meeting *tally_meeting(struct worker *worker);
void tally_doubt(struct worker *worker, uint32_t ino);
void tally_refusal(struct worker *worker, int pid, int error, uint32_t what,
                   uint32_t ino);
uint32_t tally_text(struct worker *worker, const char *text, uint32_t size);
void tally_free(struct pyns_tally *tally);
void tally_take(struct worker *worker, struct pyns_tally *taken);
uint32_t map_get(const struct inode_map *map, uint32_t ino); /* 0: it is not there */
int map_put(struct worker *worker, struct inode_map *map, uint32_t ino, uint32_t value);
void map_free(struct inode_map *map);

/* The name of a number, as entries of /proc are called. */
struct number {
    char text[12];
};

/* reading.c: files of a process */
const char *name_of(int number, struct number *room);
int noted(struct worker *worker, int fd);
int open_within(struct worker *worker, int folder, const char *name, int flags);
int read_record(struct worker *worker, int folder, const char *name);
int for_each_line(struct worker *worker, int fd,
                  void (*work)(struct worker *, const char *, size_t, void *),
                  void *context);
uint32_t link_inode(int folder, const char *name);
int for_each_number(int folder, int (*work)(struct worker *, int, int, void *),
                    struct worker *worker, void *context);

/* kin.c: one namespace, and those that it leads to */
struct meeting *met_before(struct worker *worker, uint32_t ino);
uint32_t take_namespace(struct worker *worker, int fd, int pid);
uint32_t meet_link(struct worker *worker, int folder, const char *name, uint32_t ino,
                   int pid);
void confirm_namespaces(struct worker *worker);

/* visit.c: one process */
extern const char *const link_names[PYNS_LINKS];
void visit_process(struct worker *worker, int pid);

/* tour.c: the mounts of a mount namespace */
void visit_mounts(struct worker *worker, int folder, int pid, uint32_t mnt);

/* holdings.c: what a process has besides: threads, descriptors */
void visit_threads(struct worker *worker, int folder, int pid, const uint32_t *links);
uint32_t count_own_threads(struct worker *worker, int folder);
void visit_descriptors(struct worker *worker, int folder, int pid, uint32_t net);
void visit_survivor(struct worker *worker, int folder, int pid);
int read_links(struct worker *worker, int folder, int tid, int pid, uint32_t *links);

#endif
