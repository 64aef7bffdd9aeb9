/*
 * symbols_dw.c: see symbols.h. By elfutils' libdw.
 *
 * A program is read as its process sees it, through /proc/PID/root: in a container there is another
 * file of the same name. Whoever wrote it decides what libdw has to parse, so only programs of root
 * and of the caller are read.
 */
#include "symbols.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4200 };

struct symbols {
    Dwfl *dwfl;
    pid_t pid;
};

static bool is_trusted(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid());
}

static int find_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
                    char **ret_name, Elf **ret_elf)
{
    const struct symbols *symbols = *userdata;
    char path[PATH_SIZE];

    (void)module;
    (void)base;
    (void)ret_elf;
    if (!symbols || name[0] != '/')
        return -1;
    int n = snprintf(path, sizeof path, "/proc/%ld/root%s", (long)symbols->pid, name);
    int fd = n < PATH_SIZE ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    if (fd < 0)
        return -1;
    if (!is_trusted(fd)) {
        close(fd);
        return -1;
    }
    *ret_name = strdup(name);
    return fd;
}

/* find_elf() is told nothing else of whose module it is. */
static int remember(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
                    void *symbols)
{
    (void)module;
    (void)name;
    (void)base;
    *userdata = symbols;
    return DWARF_CB_OK;
}

struct symbols *symbols_open(pid_t pid)
{
    static const Dwfl_Callbacks callbacks = {.find_elf = find_elf,
                                             .find_debuginfo = dwfl_standard_find_debuginfo};
    struct symbols *symbols = malloc(sizeof *symbols);

    if (!symbols)
        return NULL;
    /* libdw would ask these servers for what is not on this machine, wait for them, and tell them
     * what runs here. */
    unsetenv("DEBUGINFOD_URLS");
    *symbols = (struct symbols){.dwfl = dwfl_begin(&callbacks), .pid = pid};
    if (symbols->dwfl && dwfl_linux_proc_report(symbols->dwfl, pid) == 0 &&
        dwfl_report_end(symbols->dwfl, NULL, NULL) == 0 &&
        dwfl_getmodules(symbols->dwfl, remember, symbols, 0) == 0)
        return symbols;
    symbols_close(symbols);
    return NULL;
}

void symbols_close(struct symbols *symbols)
{
    if (symbols && symbols->dwfl)
        dwfl_end(symbols->dwfl);
    free(symbols);
}

/* The name of what is inlined there, as far inside as it goes, or NULL: the symbol of an address is
 * only the function that has it in. */
static const char *inlined_at(Dwfl_Module *module, Dwarf_Addr at)
{
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = dwfl_module_addrdie(module, at, &bias), *scopes = NULL;
    int count = unit ? dwarf_getscopes(unit, at - bias, &scopes) : 0;
    const char *name = NULL;

    for (int i = 0; i < count && !name; i++) {
        int tag = dwarf_tag(&scopes[i]);
        if (tag == DW_TAG_subprogram)
            break;
        if (tag == DW_TAG_inlined_subroutine)
            name = dwarf_diename(&scopes[i]);
    }
    free(scopes);
    return name;
}

bool symbols_find(const struct symbols *symbols, uint64_t address, char *text, size_t size)
{
    Dwfl_Module *module = symbols ? dwfl_addrmodule(symbols->dwfl, address) : NULL;
    GElf_Off offset = 0;
    GElf_Sym symbol;
    int number = 0;
    const char *function =
        module ? dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL) : NULL;
    /* What a call returns to may be of the next line, or of the next function. */
    Dwarf_Addr at = function && !offset ? address : address - 1;
    Dwfl_Line *line = module ? dwfl_module_getsrc(module, at) : NULL;
    const char *file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;

    if (!file)
        return false;
    const char *inlined = inlined_at(module, at);
    function = inlined ? inlined : dwfl_module_addrname(module, at);
    const char *slash = strrchr(file, '/');
    snprintf(text, size, "%s (%s:%d)", function ? function : "?", slash ? slash + 1 : file, number);
    return true;
}
