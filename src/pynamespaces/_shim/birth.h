/* Children on stacks of their own, and what the files about starting programs share. */
#ifndef PYNS_BIRTH_H
#define PYNS_BIRTH_H

#include "task.h"

/* A child to be born: it runs entry(argument) on a stack of its own, and ends with what
 * that returns. */
struct birth {
    uint64_t flags; /* as for clone3(2) */
    int exit_signal;
    int cgroup;     /* of CLONE_INTO_CGROUP */
    int *pidfd;     /* CLONE_PIDFD */
    int *tid;       /* CLONE_CHILD_CLEARTID */
    void *stack;
    size_t stack_size;
    int (*entry)(void *);
    void *argument;
};

/* birth.c */
int pyns_bear(const struct birth *birth);
int pyns_bear_old(const struct birth *birth);

/* Who works on starting one program. */
enum role {
    ROLE_STAGE,   /* joins and makes the namespaces, and may go on as the program */
    ROLE_SETTLER, /* born inside: goes on as the program, or as its init */
    ROLE_PROGRAM, /* below an init */
    ROLE_GUARD,
    ROLES,
};

#define ROLE_STACK 65536

/* What they share with the caller: a mapping with their stacks behind it. */
struct room {
    struct trace trace; /* of whoever is at work: never two at once */
    int result;         /* of the first that failed */
    struct pyns_spawn *plan;
    char **argv, **envp, **files;
    uint64_t signals;   /* the mask that the program gets */
    int has_clone3;
    int is_sharing;     /* the stage has the caller's memory */
    int hides_itself;   /* it has its own, which nobody may see */
    int in_two_steps;   /* the program is born by the stage */
    int stage;          /* while it is to be reaped */
    int stage_pid, stage_pidfd;
    int stage_self;     /* the stage's id as it sees it itself */
    int born;           /* the settler's, as the stage sees it */
    int channel;        /* on which they hand over their pidfds */
    int inbox;
    int parent_pidfd;
    int watch[2];       /* from the settler to the guard */
    int gate;           /* whether the program may go on: a futex */
    int alive;          /* whether the program is not yet executed: a futex */
    int caller;
    int ignores_sigchld;
    char words[3][16];  /* the arguments of the init or guard */
};

/* stage.c and settle.c: in the children */
int pyns_stage(void *room);
void pyns_fail(struct room *room, int result);
int pyns_start_guard(struct room *room);
int pyns_bear_settler(struct room *room);

/* become.c */
int pyns_become(struct room *room);
int pyns_become_root(struct room *room);
int pyns_drop_groups(struct room *room);

#endif
