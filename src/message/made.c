/* message/made.c: see made.h. Any thread; it has no state of its own. */
#include "message/made.h"

#include <errno.h>

int heald__made_compare(enum heald_object_type type, const struct made_member members[],
                        unsigned count, struct heald_why *why)
{
    for (const struct made_member *m = members; m < members + count; m++)
        if (m->is != m->wanted && (m->wanted || m->wants_zero)) {
            heald__why_set(why, "%s: the %s has %llu, not %llu", m->name,
                           heald_object_type_name(type), (unsigned long long)m->is,
                           (unsigned long long)m->wanted);
            return -EPROTOTYPE;
        }
    return 0;
}

bool heald__made_exceeds(const struct made_limit limits[], unsigned count, struct heald_why *why)
{
    for (const struct made_limit *l = limits; l < limits + count; l++)
        if (l->value > l->max) {
            heald__why_set(why, "%s: %llu is above %llu", l->name, (unsigned long long)l->value,
                           (unsigned long long)l->max);
            return true;
        }
    return false;
}

int heald__made_checked(int err, const char *name, struct heald_why *why)
{
    if (err)
        heald__why_set(why, "%s: %s", name, heald_strerror(err));
    return err;
}

static void say(struct heald_why *why, const char *name, const struct heald_object_options *how,
                int err)
{
    const char *type = heald_object_type_name(how->type);

    switch (-err) {
    case EINVAL:
    case ENAMETOOLONG:
        heald__why_set(why, "name: it has 1 to %d bytes, none of them a slash", HEALD_NAME_MAX);
        break;
    case EPROTOTYPE: heald__why_set(why, "%s: is no %s", name, type); break;
    case ENOSYS: heald__why_set(why, "%s: the region has no heap, and so no %s", name, type); break;
    case ENOMEM:
        heald__why_set(why, "%s: the heap of the region has not %zu bytes left", name, how->size);
        break;
    default: heald__made_checked(err, name, why); break;
    }
}

int heald__made_open(struct heald_participant *me, const char *name,
                     const struct heald_object_options *how, struct heald_why *why,
                     void **ret_object)
{
    int err = how->size ? heald_object_open(me, name, how, ret_object, NULL) : -EPROTOTYPE;

    if (err == -EPROTOTYPE)
        err = heald_object_find(me, name, how->type, 0, ret_object);
    if (err)
        say(why, name, how, err);
    return err;
}
