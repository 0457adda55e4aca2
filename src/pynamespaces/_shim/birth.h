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
    int *born;      /* CLONE_PARENT_SETTID: its id, written before it runs */
    int *alive;     /* CLONE_CHILD_CLEARTID: not 0, until it executes or ends */
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

/* The size of one of a filter, which is as the kernel's struct sock_filter. */
#define PYNS_INSTRUCTION 8

/* Memory that the children with a copy of the caller's let go of. */
struct gap {
    char *start;
    size_t length;
};

/* What they share with the caller: a mapping with their stacks, and all that they need
 * of the caller's memory, behind it. */
struct room {
    struct trace trace; /* of whoever is at work: never two at once */
    int result;         /* of the first that failed */
    int done;           /* the stage came to its end: what it says can be believed */
    size_t size;
    struct pyns_spawn plan; /* a copy; what it points to is in the room */
    char **argv, **envp, **files;
    int *kept;          /* descriptors that the program may need, from the caller */
    int kept_count;
    struct gap *gaps;
    size_t gap_count;
    uint64_t signals;   /* the mask that the program gets */
    int has_clone3;
    int is_hiding;      /* the caller is undumpable meanwhile */
    int hides_itself;   /* the stage is to be, which has memory of its own */
    int in_two_steps;   /* the program is born by the stage */
    int caller;
    int stage;          /* while it is to be reaped */
    int stage_pid, stage_pidfd;
    int stage_self;     /* the stage's id as it sees it itself */
    int proc;           /* the stage's own folder there, or -1 */
    int offsets;        /* where clock offsets are written to */
    /* Ids as the stage sees them. */
    int guard_born, settler_born;
    int channel;        /* on which the children hand over their pidfds */
    int inbox;
    int parent_pidfd;
    int spare;          /* gives way to the listener of a filter */
    int watch[2];       /* from the settler to the guard */
    int gate[2];        /* from the stage to the settler */
    int start[2];       /* from the init to the program */
    int is_settling;    /* the settler has not executed anything yet: a futex */
    int is_starting;    /* nor has the program below an init */
    int ignores_sigchld;
    char words[3][16];  /* the arguments of the init or guard */
};

/* room.c */
struct room *pyns_make_room(const struct pyns_spawn *spawn);
void pyns_free_room(struct room *room);
int pyns_let_go_of_memory(const struct room *room);
void *pyns_stack_of(struct room *room, enum role role);

/* collect.c: in the caller */
void pyns_close_and_forget(int *fd);
long pyns_wait_for(int pidfd, int pid, siginfo_t *info, unsigned int options);
int pyns_died_before_execve(int pidfd);
int pyns_take_handles(struct pyns_spawn *spawn, int *guard_pid);
int pyns_knows_ids(const struct room *room);
void pyns_leave_room(struct pyns_spawn *spawn);

/* stage.c and settle.c: in the children */
int pyns_stage(void *room);
void pyns_fail(struct room *room, int result);
int pyns_start_guard(struct room *room);
int pyns_bear_settler(struct room *room);
int pyns_hand_over(int channel, char tag, int fd);

/* supervise.c */
int pyns_submit(const struct room *room);

/* become.c */
int pyns_become(struct room *room);
int pyns_become_root(struct room *room);
int pyns_drop_groups(struct room *room);

#endif
