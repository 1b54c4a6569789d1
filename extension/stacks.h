/* stacks.h -- the frames of a greenlet or thread that were open before anyone told of them.
 *
 * Two ways lead to them. What runs has its frames on its thread: they are followed as the interpreter does.
 * What is suspended has them behind `gr_frame`: greenlet keeps pieces of the C stack elsewhere meanwhile, so
 * there only the interpreter's own functions may go from a frame to its caller.
 *
 * Ownership: a stack owns its array; frames are identities. */
#ifndef GP_STACKS_H
#define GP_STACKS_H

#include "tracer.h"

struct stack {
    compat_frame **frames; /* of functions, innermost first */
    PyCodeObject **codes;  /* borrowed: as long as the frames are */
    size_t count;
    size_t capacity;
};

/* Both: false when there is no memory; then there is nothing to free. What is excluded is left out. */
bool stack_of_running(struct tracer *tracer, struct stack *stack, compat_frame *innermost);
bool stack_of_suspended(struct tracer *tracer, struct stack *stack, PyObject *innermost);
void stack_free(struct tracer *tracer, struct stack *stack);

/* Takes over the open calls, for a position that has none: they have time from now on, but no call. */
void stack_seed(struct tracer *tracer, struct thread *thread, struct position *position,
                const struct stack *stack);

/* Whether these are the open calls of the position, those of built-ins left out. */
bool stack_is_of(const struct stack *stack, const struct position *position);

#endif
