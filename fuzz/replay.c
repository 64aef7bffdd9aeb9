/*
 * fuzz/replay.c: passes every file of the directories that are its arguments to a fuzz target, one
 * case each: so a compiler without libFuzzer runs what the fuzzers found. A crash ends the program
 * before its summary, which the runner counts as a failure.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>

enum { INPUT_LIMIT = 1 << 20 };

static int replay_file(const char *directory, const char *name, uint8_t *buffer)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    size_t size = fread(buffer, 1, INPUT_LIMIT, file);
    fclose(file);
    printf("%s: %zu bytes\n", path, size);
    fflush(stdout);

    /* A copy of just that size, so that a sanitizer sees each byte beyond it. */
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact)
        return 1;
    for (size_t i = 0; i < size; i++)
        exact[i] = buffer[i];
    int result = LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return result != 0;
}

static void replay_directory(const char *directory, uint8_t *buffer, int *passed, int *failed)
{
    DIR *dir = opendir(directory);
    if (!dir) {
        perror(directory);
        ++*failed;
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        ++*(replay_file(directory, entry->d_name, buffer) ? failed : passed);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    uint8_t *buffer = malloc(INPUT_LIMIT);
    if (!buffer)
        return 1;
    for (int i = 1; i < argc; i++)
        replay_directory(argv[i], buffer, &passed, &failed);
    free(buffer);
    printf("# %d passed, %d failed, 0 skipped\n", passed, failed);
    return failed || !passed;
}
