/*
 * mpi_io.c: MPI-IO of one process: nonblocking writes and reads, many at a time, compared. ROMIO,
 * the MPI-IO of MPICH and others, makes each an aio_write() or aio_read().
 *
 *     mpi_io FILE
 */
#include <mpi.h>
#include <stdio.h>
#include <string.h>

enum { COUNT = 64, BLOCK = 16384 };

static char written[COUNT][BLOCK], seen[COUNT][BLOCK];

static void fill(void)
{
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < BLOCK; j++)
            written[i][j] = (char)(i * 31 + j * 7 + j / 251);
}

/* Whether all ended well, each with all its bytes. */
static int wait_for_all(MPI_Request *requests)
{
    MPI_Status statuses[COUNT];
    int count;

    if (MPI_Waitall(COUNT, requests, statuses) != MPI_SUCCESS)
        return 0;
    for (int i = 0; i < COUNT; i++)
        if (MPI_Get_count(&statuses[i], MPI_BYTE, &count) != MPI_SUCCESS || count != BLOCK)
            return 0;
    return 1;
}

static int write_and_read(MPI_File file)
{
    MPI_Request requests[COUNT];

    fill();
    for (int i = 0; i < COUNT; i++)
        if (MPI_File_iwrite_at(file, (MPI_Offset)i * BLOCK, written[i], BLOCK, MPI_BYTE,
                               &requests[i]) != MPI_SUCCESS)
            return 0;
    if (!wait_for_all(requests))
        return 0;
    for (int i = COUNT; i-- > 0;)
        if (MPI_File_iread_at(file, (MPI_Offset)i * BLOCK, seen[i], BLOCK, MPI_BYTE,
                              &requests[i]) != MPI_SUCCESS)
            return 0;
    return wait_for_all(requests) && memcmp(written, seen, sizeof written) == 0;
}

int main(int argc, char **argv)
{
    MPI_File file;
    int is_well = 0;

    MPI_Init(&argc, &argv);
    if (argc == 2 && MPI_File_open(MPI_COMM_SELF, argv[1], MPI_MODE_CREATE | MPI_MODE_RDWR,
                                   MPI_INFO_NULL, &file) == MPI_SUCCESS) {
        is_well = write_and_read(file);
        MPI_File_close(&file);
    }
    MPI_Finalize();
    printf("%s\n", is_well ? "the same" : "different");
    return !is_well;
}
