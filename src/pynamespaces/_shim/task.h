/* Helper tasks: what the files about them share. */
#ifndef PYNS_TASK_H
#define PYNS_TASK_H

#include "thread.h"

/* How far a helper task came; the first member of what it is given to do. */
struct trace {
    int step; /* enum pyns_step */
    int nstype;
};

/* What a helper task runs: >= 0 or -errno. It has the caller's descriptors and may
 * leave some there. It must not touch the record of the calling thread. */
typedef int task_work(struct trace *errand);

enum task_memory {
    TASK_SHARES_MEMORY, /* costs the same in a large process as in a small one */
    TASK_OWN_MEMORY,    /* the kernel wants it for setns(time) */
};

/* task.c */
int pyns_run_task(task_work *work, struct trace *errand, size_t size,
                  enum task_memory memory);

/* For the work, in the helper task: */
void pyns_at(struct trace *trace, int step, int nstype);
int pyns_task_own_namespace(int nstype);
int pyns_task_enter_userns(struct trace *trace, int fd);
int pyns_task_enter(struct trace *trace, int fd, int nstype);

/* syscalls.c */
int pyns_make_root_private(void);

#endif
