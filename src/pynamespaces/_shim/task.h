/* Helper tasks: what the files about them share. */
#ifndef PYNS_TASK_H
#define PYNS_TASK_H

#include "thread.h"

enum task_memory {
    TASK_SHARES_MEMORY, /* costs the same in a large process as in a small one */
    TASK_OWN_MEMORY,    /* for setns(time), and other people's user namespaces */
};

/* How far a helper task came; the first member of what it is given to do. */
struct trace {
    int step; /* enum pyns_step */
    int nstype;
    enum task_memory memory;
};

/* What a helper task runs: >= 0 or -errno. It has the caller's descriptors and may
 * leave some there. It must not touch the record of the calling thread. */
typedef int task_work(struct trace *errand);

/* The answer of work that would have to have memory of its own; nothing is done yet.
 * Above every errno. */
#define TASK_FOREIGN (-5000)

/* One mapping: the task's record at the bottom, its stack from the top. */
#define TASK_ROOM 65536
#define TASK_ERRAND 4096

struct task {
    task_work *work;
    int result;
    int parent; /* an inhabitant ends with the thread that made it */
    int ready;  /* an inhabitant has come to rest; or has failed */
    _Alignas(16) unsigned char errand[TASK_ERRAND];
};

/* task.c */
void pyns_block_signals(uint64_t *before);
void pyns_restore_signals(const uint64_t *before);
int pyns_refuse_to_be_init(struct thread *thread);
struct task *pyns_new_task(enum task_memory memory);
void pyns_free_task(struct task *task);
int pyns_start_task(struct task *task, int (*entry)(void *), int flags);
void pyns_wait_for_task(int pid);
int pyns_run_task(task_work *work, struct trace *errand, size_t size,
                  enum task_memory memory);

/* within.c: for the work, in the helper task */
void pyns_at(struct trace *trace, int step, int nstype);
int pyns_task_own_namespace(int nstype);
int pyns_task_enter_userns(struct trace *trace, int fd);
int pyns_task_enter(struct trace *trace, int fd, int nstype);
int pyns_is_own_creation(int userns);

/* syscalls.c */
int pyns_make_root_private(void);

#endif
