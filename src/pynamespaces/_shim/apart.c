/* A helper task apart: it has nothing that is worth taking, and sends what it opens. */
#include "task.h"

#include <sys/socket.h>

static int close_between(unsigned int first, unsigned int last) {
    return first > last ? 0 : PYNS_RESULT(syscall(SYS_close_range, first, last, 0));
}

/* Sorts them. */
int pyns_close_all_but(int *fds, int count) {
    for (int i = 1; i < count; i++) /* sorted; there are few */
        for (int j = i; j > 0 && fds[j - 1] > fds[j]; j--) {
            int other = fds[j];
            fds[j] = fds[j - 1];
            fds[j - 1] = other;
        }
    unsigned int from = 0;
    for (int i = 0; i < count; i++) {
        if (fds[i] < 0)
            continue;
        unsigned int fd = (unsigned int)fds[i];
        int result = fd > from ? close_between(from, fd - 1) : 0;
        if (result < 0)
            return result;
        from = fd >= from ? fd + 1 : from;
    }
    return close_between(from, ~0U);
}

/* Apart: have nothing that is worth taking. */
int pyns_retreat(struct task *task) {
    struct trace *errand = (struct trace *)task->errand;
    int kept[MAX_TYPES + 1] = {task->outbox};
    memcpy(kept + 1, errand->uses, sizeof(errand->uses));
    return pyns_close_all_but(kept, 1 + errand->uses_count);
}

int pyns_send_gifts(const struct task *task) {
    const struct trace *errand = (const struct trace *)task->errand;
    size_t length = (size_t)errand->gives_count * sizeof(int);
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(errand->gives))];
    } control = {.head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    char byte = 0;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = (socklen_t)CMSG_SPACE(length)};
    if (length == 0)
        return 0;
    control.head.cmsg_len = (socklen_t)CMSG_LEN(length);
    memcpy(CMSG_DATA(&control.head), errand->gives, length);
    return sendmsg(task->outbox, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Sharing: have no descriptors any more, without closing those of this process. Before
 * Linux 6.18.31 a process that is ending may be robbed of them although it is hidden
 * (CVE-2026-46333). */
void pyns_let_go_of_descriptors(void) {
    const unsigned int unshare_first = 2; /* CLOSE_RANGE_UNSHARE */
    syscall(SYS_close_range, 0U, ~0U, unshare_first);
}

/* In the calling thread. */
int pyns_receive_gifts(int channel, struct trace *errand) {
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(errand->gives))];
    } control;
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int wanted = errand->gives_count;
    errand->gives_count = 0;
    if (wanted == 0)
        return 0;
    if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0)
        return -errno;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_type == SCM_RIGHTS) {
        errand->gives_count = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(errand->gives, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
    }
    /* The rest did not fit into this process's table. */
    return errand->gives_count == wanted ? 0 : -EMFILE;
}
