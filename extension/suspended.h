/* suspended.h -- the code objects of greenlets that are switched out (3.12 and later).
 *
 * Turning sys.monitoring's events on instruments the frames on every thread's stack, but not those of
 * greenlets that are switched out: they would go on without a word. Turning a local event on and off again
 * makes the interpreter look at a code object anew, wherever its frames are. */
#ifndef GP_SUSPENDED_H
#define GP_SUSPENDED_H

#include "module.h"

/* Has the interpreter look anew at every code object on a suspended greenlet's stack, for the events of
 * `tool_id` as they are set now. Runs no Python code. Returns how many greenlets could not be reached for
 * lack of memory; leaves no exception. */
size_t suspended_refresh(const struct module_state *state, PyObject *monitoring, int tool_id, int any_event);

#endif
