/* Starting a program: a filter of its system calls, which the caller answers.
 *
 * It is set before all else that makes the child the program, since from there on it
 * makes none of the calls that are asked about: who would answer may be the thread that
 * waits for it. What it may do then, and whose numbers its descriptors have, changes
 * only later. */
#include "birth.h"

#include <sys/prctl.h>

/* linux/seccomp.h, and what old ones lack (5.0, 5.19) */
#define SET_MODE_FILTER 1U
#define WITH_LISTENER (1UL << 3)
#define WAIT_KILLABLE (1UL << 5)

/* The kernel's struct sock_fprog. */
struct filter {
    unsigned short length;
    const void *instructions;
};

/* Calls that are asked about then cannot be interrupted but by death, if the kernel has
 * that: else one that a signal interrupts is asked about anew. */
static int set_filter(const struct filter *filter) {
    unsigned long flags = WITH_LISTENER | WAIT_KILLABLE;
    int listener = PYNS_RESULT(syscall(SYS_seccomp, SET_MODE_FILTER, flags, filter));
    if (listener != -EINVAL)
        return listener;
    return PYNS_RESULT(
        syscall(SYS_seccomp, SET_MODE_FILTER, WITH_LISTENER, filter));
}

/* Have the calls answered by the caller; programs keep their set-user-ID bits where
 * the kernel does not ask for the opposite. 0 or -errno. */
int pyns_submit(const struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    const struct filter filter = {.length = (unsigned short)plan->filter_length,
                                  .instructions = plan->filter};
    int listener = set_filter(&filter);
    if (listener == -EACCES &&
        prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) == 0)
        listener = set_filter(&filter);
    if (listener < 0)
        return listener;
    int result = pyns_hand_over(room->channel, 'l', listener);
    pyns_close(listener);
    return result;
}
