/* suspended.h -- the greenlets that live and are not over, wherever they are, and their code objects.
 *
 * greenlet tells of switches, not of what is suspended when a recording begins: that is found among the
 * collector's objects. What gc.freeze() took from the collector is not found before 3.14.
 *
 * 3.12 and later: turning sys.monitoring's events on instruments the frames on every thread's stack, but not
 * those of greenlets that are switched out: they would go on without a word. Turning a local event on and off
 * again makes the interpreter look at a code object anew, wherever its frames are. */
#ifndef GP_SUSPENDED_H
#define GP_SUSPENDED_H

#include "module.h"

/* A list of all greenlets that began and are not over, running ones too, for as long as no Python code runs.
 * NULL when there is no memory; adds those that found no room to `missed`. Leaves no exception. */
PyObject *suspended_find_owned(const struct module_state *state, size_t *missed);

/* Local events of one tool, to be set for code objects. */
struct local_events {
    PyObject *monitoring_borrowed;
    int tool_id;
    int toggled; /* on for a moment */
    int kept;    /* on from now on */
};

/* 0, or -1 and an exception. */
int local_events_set(const struct local_events *local, PyObject *code, int events);

/* Has the interpreter look anew at every code object on the stacks of these greenlets (a list, or NULL), for
 * the events of the tool as they are set now; where local ones are kept, on the threads' stacks too. Runs no
 * Python code. Returns how many greenlets could not be reached for lack of memory; leaves no exception. */
size_t suspended_refresh(const struct module_state *state, PyObject *greenlets,
                         const struct local_events *local);

#endif
