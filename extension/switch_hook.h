/* switch_hook.h -- the function that greenlet calls after each switch of a thread.
 *
 * greenlet calls one function a thread, in the target. Ours goes there, the one that was there before is
 * called by ours, and put back at the end:
 *
 *      greenlet  ->  our hook  ->  the program's function
 *
 * The interpreter's own events are off while it runs, so what is called here leaves no trace.
 *
 * Ownership: the traced thread and greenlet own the hook; the hook owns its Recorder and what it stands
 * before. */
#ifndef GP_SWITCH_HOOK_H
#define GP_SWITCH_HOOK_H

#include "tracer.h"

/* Has greenlet tell of the calling thread's switches. Without memory it does not. */
void switch_hook_install(struct tracer *tracer, struct traced_thread *traced);

/* Lets go of a thread's hook: should anyone still call it, it records nothing. */
void switch_hook_drop(struct traced_thread *traced);

/* Whether the calling thread's hook is not greenlet's to call, but another trace function's. */
bool switch_hook_is_called_by_another(const struct tracer *tracer);

/* Puts the calling thread's former trace function back; other threads do that at their next switch. */
void switch_hook_disarm(struct tracer *tracer);

/* Counts the threads in which a trace function of the program's has taken the place of ours without calling
 * it; their next event puts us in place again. */
void switch_hook_notice_cut_offs(struct tracer *tracer);

#endif
