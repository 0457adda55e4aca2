/* Files of the calling process in /proc, that surely are. Whoever made the mount
 * namespace where it is may have put anything in the place of /proc, or mounted one
 * file of it over another: what would be written to a map could reach any other file of
 * the kernel's. */
#include "task.h"

#define PROC_ROOT_INO 1

static int open_beneath(int folder, const char *name, int flags) {
    const struct open_how how = {
        .flags = (unsigned int)(flags | O_CLOEXEC),
        .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH};
    return PYNS_RESULT(syscall(SYS_openat2, folder, name, &how, sizeof(how)));
}

/* Open the folder of this process, by O_PATH. -ENOENT: /proc is none. */
int pyns_open_own_proc(void) {
    struct stat facts;
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return -errno;
    int folder = -ENOENT;
    if (pyns_is_procfs(proc) == 1 && fstat(proc, &facts) == 0 &&
        facts.st_ino == PROC_ROOT_INO)
        folder = open_beneath(proc, "self", O_PATH | O_DIRECTORY);
    pyns_close(proc);
    return folder;
}

/* Open a file in such a folder. */
int pyns_open_in_proc(int folder, const char *name, int flags) {
    return open_beneath(folder, name, flags);
}

/* Read the cgroups of this process; return how much that is. In one call, so that no
 * handler of Python's comes between opening and closing. */
int pyns_own_cgroups(unsigned char *text, int size) {
    int folder = pyns_open_own_proc();
    int file = folder < 0 ? folder : open_beneath(folder, "cgroup", O_RDONLY);
    int result = file < 0 ? file : PYNS_RESULT(read(file, text, (size_t)size));
    if (folder >= 0)
        close(folder);
    if (file >= 0)
        close(file);
    return result;
}
