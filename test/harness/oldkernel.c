/*
 * test/harness/oldkernel.c: test-old-kernel PROGRAM [ARGUMENT...]: runs a program where the kernel
 * knows none of the system calls that heald can do without: ENOSYS, as before they were there and
 * as a sandbox answers.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FUTEX_WAITV = 449 }; /* which headers may lack */

static const unsigned missing[] = {SYS_pidfd_open, SYS_openat2,        SYS_epoll_pwait2,
                                   FUTEX_WAITV,    SYS_io_uring_setup, SYS_process_vm_readv};

enum { MISSING = sizeof missing / sizeof *missing };

static int forget_calls(void)
{
    struct sock_filter code[2 * MISSING + 2];
    struct sock_fprog program = {.filter = code};

    code[program.len++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < MISSING; i++) {
        code[program.len++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, missing[i], 0, 1);
        code[program.len++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    }
    code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    int err = forget_calls();
    if (err) {
        printf("skip: no filter of system calls: %s\n", strerror(-err));
        printf("# 0 passed, 0 failed, 1 skipped\n");
        return 77;
    }
    execv(argv[1], argv + 1);
    perror(argv[1]);
    return 1;
}
