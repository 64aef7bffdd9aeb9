/* absent.c: `heald bridge` in a build without libnats. */
#include "bridge/bridge.h"

int bridge_run(const struct bridge_plan *plan)
{
    return options_refuse(plan->command, "this heald was built without libnats");
}
