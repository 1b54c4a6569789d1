/* stand_in.h -- greenlet.settrace() and gettrace() as the program sees them while it is recorded.
 *
 * A program that sets a trace function finds what it set, is called, and does not cut us off: the stand-ins
 * put its function behind our hook. They stay as long as a hook of ours may be in place somewhere, and do
 * the right thing for good, for the program may keep references to them. */
#ifndef GP_STAND_IN_H
#define GP_STAND_IN_H

#include "module.h"

/* Makes the stand-ins. -1 and an exception. */
int stand_in_init(PyObject *module, struct module_state *state);

/* Puts them in place of greenlet's own; where another tool has replaced those, it keeps its place. Leaves
 * no exception. */
void stand_in_place(struct module_state *state);

/* Puts greenlet's own back, unless a hook of ours may still be in place. Keeps the exception that is set. */
void stand_in_withdraw(struct module_state *state);

#endif
