/*
 * test/nss/nss.h: what the test and the NSS module that it is run with have in common. Both are in
 * one process; the module of another process (getent) finds no `nss_control` and does not wait.
 *
 * What the module does is in the first letters of the name:
 *
 *   fast          192.0.2.1           many     192.0.2.1 to 192.0.2.100
 *   hang          the same as fast, when `go` is set
 *   none          there is no such name
 *   again, fail   no server answers now; it could not answer (EIO)
 */
#ifndef HEALD_TEST_NSS_H
#define HEALD_TEST_NSS_H

/* Atomic, all of them. */
struct nss_control {
    int calls;   /* that were answered, or hang */
    int hanging; /* that have come to wait for `go` */
    int ended;   /* of these, that have returned */
    int go;
};

extern struct nss_control nss_control __attribute__((weak));

#endif
