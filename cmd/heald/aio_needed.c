/*
 * aio_needed.c: see aio_needed.h. Of the program itself, not of the libraries that it needs. What
 * the file says is not trusted: each offset is only read at.
 */
#include "aio_needed.h"

#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A dynamic section has some dozens of entries. */
enum { ENTRIES_MAX = 4096 };

static const char *const names[] = {"libasan.so", "libclang_rt.asan"};

bool aio_is_asan(const char *library, size_t len)
{
    for (size_t i = 0; i < len; i++)
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            if ((i == 0 || library[i - 1] == '/') && strlen(names[k]) <= len - i &&
                memcmp(library + i, names[k], strlen(names[k])) == 0)
                return true;
    return false;
}

static bool read_at(int fd, void *buf, size_t len, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, buf, len, (off_t)offset) == (ssize_t)len;
}

/* The first program header of a type, and where `address` is not NULL the one that holds that;
 * false: there is none. */
static bool find_header(int fd, const Elf64_Ehdr *elf, uint32_t type, const uint64_t *address,
                        Elf64_Phdr *ret_header)
{
    for (unsigned i = 0; i < elf->e_phnum; i++)
        if (read_at(fd, ret_header, sizeof *ret_header,
                    elf->e_phoff + (uint64_t)i * sizeof *ret_header) &&
            ret_header->p_type == type &&
            (!address || *address - ret_header->p_vaddr < ret_header->p_filesz))
            return true;
    return false;
}

/* The value of the first entry with this tag from *index on, which is then behind it. */
static bool next_entry(int fd, const Elf64_Phdr *dynamic, int64_t tag, unsigned *index,
                       uint64_t *ret_value)
{
    Elf64_Dyn entry;

    while (*index < ENTRIES_MAX &&
           read_at(fd, &entry, sizeof entry, dynamic->p_offset + *index * sizeof entry) &&
           entry.d_tag != DT_NULL) {
        ++*index;
        *ret_value = entry.d_un.d_val;
        if (entry.d_tag == tag)
            return true;
    }
    return false;
}

/* Where the names lie in the file. */
static bool find_names(int fd, const Elf64_Ehdr *elf, const Elf64_Phdr *dynamic, uint64_t *ret_at)
{
    Elf64_Phdr load;
    unsigned index = 0;

    if (!next_entry(fd, dynamic, DT_STRTAB, &index, ret_at) ||
        !find_header(fd, elf, PT_LOAD, ret_at, &load))
        return false;
    *ret_at += load.p_offset - load.p_vaddr;
    return true;
}

void aio_needed_asan(int fd, char *ret_name, size_t size)
{
    Elf64_Ehdr elf;
    Elf64_Phdr dynamic;
    uint64_t names_at, offset;
    unsigned index = 0;

    if (read_at(fd, &elf, sizeof elf, 0) && find_header(fd, &elf, PT_DYNAMIC, NULL, &dynamic) &&
        find_names(fd, &elf, &dynamic, &names_at))
        while (next_entry(fd, &dynamic, DT_NEEDED, &index, &offset)) {
            ssize_t n = names_at + offset <= INT64_MAX
                            ? pread(fd, ret_name, size - 1, (off_t)(names_at + offset))
                            : 0;
            ret_name[n > 0 ? n : 0] = '\0';
            if (aio_is_asan(ret_name, strlen(ret_name)) && !strpbrk(ret_name, " :$"))
                return;
        }
    *ret_name = '\0';
}
