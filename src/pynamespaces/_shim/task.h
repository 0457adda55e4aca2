/* Helper tasks: what the files about them share. */
#ifndef PYNS_TASK_H
#define PYNS_TASK_H

#include "thread.h"

enum task_style {
    /* Memory and descriptors are this process's: it costs the same in a large one. */
    TASK_SHARING,
    /* The same, and nobody may look into it, nor into this process meanwhile: for fresh
     * user namespaces, which others of the same user have power over. */
    TASK_HIDDEN,
    /* It has its own, and nobody may look into it: for user namespaces that others are
     * in, and for setns(time), where the kernel wants it so. */
    TASK_APART,
};

/* The answer of work that would have to be done apart; nothing is done yet. */
#define TASK_FOREIGN (-5000) /* below -errno and the PYNS_E numbers */

/* The first member of what a helper task is given to do. */
struct trace {
    enum task_style style;
    int uses[MAX_TYPES]; /* the descriptors that it needs, from the caller */
    int uses_count;
    int step; /* how far it came: enum pyns_step */
    int nstype;
    int joined; /* how many namespaces it has joined */
    int gives[MAX_TYPES]; /* the descriptors that it leaves, for the caller */
    int gives_count;
};

/* What a helper task runs: 0 or -errno. It must not touch the record of the calling
 * thread. */
typedef int task_work(struct trace *errand);

/* One mapping: the task's record at the bottom, its stack from the top. */
#define TASK_ROOM 65536
#define TASK_ERRAND 4096

struct task {
    task_work *work;
    int result;
    int done;    /* the work is; or an inhabitant has come to rest */
    int leave;   /* an inhabitant is to end */
    int parent;
    int owner; /* the process that has started it, by pyns_process */
    int is_hiding;
    int pidfd;
    int outbox; /* apart: where it sends what it gives */
    int inbox;  /* and where that arrives */
    _Alignas(16) unsigned char errand[TASK_ERRAND];
};

/* task.c: in the calling thread */
uint64_t pyns_block_signals(void);
void pyns_restore_signals(uint64_t before);
int pyns_prepare_task(void);
int pyns_run_task(task_work *work, struct trace *errand, size_t size);
int pyns_run_task_giving(task_work *work, struct trace *errand, size_t size, int *fd);
struct task *pyns_start_task(task_work *work, int (*entry)(void *),
                             struct trace *errand, size_t size, int *pid);
int pyns_await_task(struct task *task, int pid, uint64_t signals, int rest);
void pyns_end_task(struct task *task, int pid);
int pyns_collect_task(struct task *task, struct trace *errand, size_t size);
void pyns_free_task(struct task *task);

/* hide.c */
int pyns_hide(void);
void pyns_show(void);

/* due.c */
enum { BORN_AT_HOME, BORN_AMONG_OTHERS };
int pyns_birthplace(struct thread *thread);
int pyns_refuse_to_be_init(struct thread *thread);
int pyns_refuse_to_set_clocks(struct thread *thread);
int pyns_style_for_fresh_userns(void);

/* apart.c: but for the last, in the helper task */
int pyns_close_all_but(int *fds, int count);
int pyns_retreat(struct task *task);
int pyns_send_gifts(const struct task *task);
void pyns_let_go_of_descriptors(void);
int pyns_receive_gifts(int channel, struct trace *errand);

/* within.c: for the work, in the helper task */
int pyns_depend_on_caller(const struct task *task);
void pyns_at(struct trace *trace, int step, int nstype);
void pyns_use(struct trace *trace, int fd);
int pyns_give(struct trace *trace, int fd);
int pyns_task_own_namespace(int nstype);
int pyns_task_enter_userns(struct trace *trace, int fd);
int pyns_setns_alone(int userns);
int pyns_task_enter(struct trace *trace, int fd, int nstype);

/* join.c */
int pyns_join_each(struct trace *trace, const int *fds, const int *nstypes, int count);

/* setup.c: in fresh namespaces */
int pyns_task_write_maps(struct trace *trace, const struct pyns_setup *what,
                         int folder);
int pyns_task_open_offsets(struct trace *trace, const struct pyns_setup *what);
int pyns_task_set_up(struct trace *trace, unsigned int flags,
                     const struct pyns_setup *what, int offsets);

/* syscalls.c */
int pyns_make_root_private(void);

#endif
