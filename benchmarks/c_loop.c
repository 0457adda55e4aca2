/* The peer in C: into a namespace and back, as a careful program does it by hand. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* 0, or -errno. */
int round_trips(const char *link, int target, int nstype, long count) {
    for (long i = 0; i < count; i++) {
        int home = open(link, O_RDONLY | O_CLOEXEC);
        if (home < 0 || setns(target, nstype) < 0 || setns(home, nstype) < 0)
            return -errno;
        close(home);
    }
    return 0;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* LINK TARGET NSTYPE BATCHES COUNT: seconds a round trip of each batch, a line each. */
int main(int argc, char **argv) {
    if (argc != 6)
        return 2;
    int target = open(argv[2], O_RDONLY | O_CLOEXEC);
    int nstype = atoi(argv[3]), batches = atoi(argv[4]);
    long count = atol(argv[5]);
    /* The first batch warms up, and is not told. */
    for (int batch = -1; batch < batches; batch++) {
        double start = seconds();
        int result = round_trips(argv[1], target, nstype, count);
        double end = seconds();
        if (result < 0) {
            fprintf(stderr, "c_loop: %s: %s\n", argv[2], strerror(-result));
            return 1;
        }
        if (batch >= 0)
            printf("%.12f\n", (end - start) / (double)count);
    }
    return 0;
}
