/* What the files about the calling thread share: the record of one thread. */
#ifndef PYNS_THREAD_H
#define PYNS_THREAD_H

#include "compat.h"

#define MAX_TYPES 8

/* How to come back to one namespace. */
struct home {
    int nstype;
    int fd;
    int root; /* mnt only: the root and working directories */
    int cwd;
    uint64_t unique;
};

struct frame {
    uintptr_t owner;
    unsigned int epoch; /* of the process that entered */
    int count;
    struct home homes[MAX_TYPES];
};

struct type_facts {
    int nstype;
    const char *link;          /* under /proc/thread-self/ns */
    unsigned int request;      /* PIDFD_GET_*_NAMESPACE */
    const char *child_link;    /* pid and time: where the thread's children are born */
    unsigned int child_request;
};

struct thread {
    int pidfd;           /* of the thread itself, or its directory in /proc */
    int is_directory;
    unsigned int epoch;  /* of the process in which pidfd was opened */
    dev_t pidfd_dev;
    ino_t pidfd_ino;
    int lost;            /* the errno of the way back that failed */
    int last_step;
    int last_type;
    int patience;        /* with a helper task that signals have ended so far */
    int depth;
    int capacity;
    struct frame *frames;
    /* The home last seen of each type, and who owns it: both never reused. */
    struct {
        uint64_t unique;
        uint64_t owner;
    } known[MAX_TYPES];
};

extern const struct type_facts pyns_types[MAX_TYPES];

/* thread.c */
struct thread *pyns_self(void);      /* made when first asked for; NULL: no memory */
struct thread *pyns_known_self(void); /* NULL where nothing is known of the thread */
unsigned int pyns_epoch(void);
void pyns_forget_homes(int flags);
void pyns_after_fork(void); /* in the child */
void pyns_close_home(struct home *home);
void pyns_close_frame(struct frame *frame);

/* own.c */
int pyns_index_of(int nstype);
int pyns_is_own_pidfd(const struct thread *thread);
void pyns_drop_pidfd(struct thread *thread);
int pyns_was_misled(struct thread *thread);
int pyns_open_own(struct thread *thread, int index, int for_children);
int pyns_open_own_surely(struct thread *thread, int index, int for_children);

/* warm.c */
void pyns_warm_up(void);
void pyns_doubt_warmth(const struct thread *thread, int home);
void pyns_cool_down(void);

/* hide.c */
void pyns_before_fork(void);
void pyns_after_fork_in_parent(void);
void pyns_show_after_fork(void);

/* home.c */
uint64_t pyns_unique_of(int fd);
int pyns_same_namespace(int fd, uint64_t unique, const struct pyns_target *target);
int pyns_save_home(struct thread *thread, int nstype, struct pyns_target *target,
                   struct home *home);
int pyns_go_home(struct thread *thread, const struct home *home, int inherited);

#endif
