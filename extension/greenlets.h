/* greenlets.h -- which greenlet runs, and the position of each. */
#ifndef GP_GREENLETS_H
#define GP_GREENLETS_H

#include "stacks.h"
#include "tracer.h"

/* The position of a greenlet of this thread that began before anyone told of it: the one that waits for it,
 * or a new one, which waits since the session began. NULL when there is no memory. */
struct position *greenlets_position_in_flight(struct tracer *tracer, struct thread *thread,
                                              PyObject *greenlet, const struct stack *stack);

/* The calling thread runs this greenlet, with these frames: its position is the running one from now on. */
void greenlets_find_running(struct tracer *tracer, struct thread *thread, PyObject *greenlet,
                            compat_frame *innermost);

/* The calling thread switched: `greenlets` should be (origin, target). The interpreter's own events are off. */
void greenlets_on_switch(struct tracer *tracer, PyObject *greenlets);

/* Asks greenlet which one the calling thread runs, and catches up with it where switches went unseen. */
void greenlets_check_running(struct tracer *tracer);

/* The greenlet has the number that it had in an earlier session. */
void greenlets_renumbered(struct tracer *tracer, struct thread *thread, struct position *position);

/* Another thread, which had no event yet, is known to run this greenlet. */
void greenlets_name_in_other_thread(struct tracer *tracer, struct thread *thread, PyObject *greenlet);

#endif
