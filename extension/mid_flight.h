/* mid_flight.h -- greenlets that live when a session begins, and go on living when it ends.
 *
 *      start   the calling thread's get a position at once, with their open calls: they wait from now on.
 *              Those of other threads are sighted: which thread they belong to is known only there
 *      arming  a thread's first event: its sighted greenlets get their positions
 *      stop    who lives on is sighted, with its record: in the next session it is the same greenlet */
#ifndef GP_MID_FLIGHT_H
#define GP_MID_FLIGHT_H

#include "stacks.h"
#include "tracer.h"

/* `greenlets`: a list of all that live, or NULL; `before`: those that the last session left. */
void mid_flight_begin(struct tracer *tracer, PyObject *greenlets, struct sightings *before);

/* The calling thread has its first event of the session, in greenlet `current`. */
void mid_flight_arm(struct tracer *tracer, struct thread *thread, PyObject *current);

/* The session ends; `greenlets`: a list of all that live, or NULL. Positions must still be there. */
void mid_flight_end(struct tracer *tracer, PyObject *greenlets);

/* A position was made for this greenlet, which has begun before: an earlier session may have known it. */
void mid_flight_recognise(struct tracer *tracer, struct thread *thread, struct position *position,
                          PyObject *greenlet);

/* How many sighted greenlets are suspended in threads that had no event yet. */
size_t mid_flight_unmet(const struct tracer *tracer);

#endif
