/* A PKCS#11 module in front of SoftHSM that is slow with random bytes while a file is there: SLOW_WHILE names it. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long (*any)();
/* Version, then the functions in the order of the standard. */
struct list { unsigned char version[2]; any functions[68]; };
enum { GENERATE_RANDOM = 64 };

static struct list ours, *theirs;

static unsigned long slow_random(unsigned long session, unsigned char *bytes, unsigned long length) {
    while (access(getenv("SLOW_WHILE"), F_OK) == 0) usleep(10000);
    return theirs->functions[GENERATE_RANDOM](session, bytes, length);
}

unsigned long C_GetFunctionList(struct list **list) {
    void *module = dlopen(getenv("SLOW_MODULE"), RTLD_NOW | RTLD_LOCAL);
    if (!module || ((any)dlsym(module, "C_GetFunctionList"))(&theirs)) return 5;
    memcpy(&ours, theirs, sizeof ours);
    ours.functions[GENERATE_RANDOM] = (any)slow_random;
    *list = &ours;
    return 0;
}
