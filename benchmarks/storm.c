/* PATH COUNT: enter a namespace so often, where this process is already; print the
 * seconds that it took. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    int target = open(argv[1], O_RDONLY | O_CLOEXEC);
    long count = atol(argv[2]);
    double start = seconds();
    for (long i = 0; i < count; i++)
        if (setns(target, CLONE_NEWUTS) < 0)
            return 1;
    printf("%.9f\n", seconds() - start);
    return 0;
}
