/* tracer.c -- starting and stopping a session; the way to a node that is not the straight one. */
#include "tracer.h"

#include <time.h>

/* -- cold half of the straight path -------------------------------------------------------------- */

/* Time spent on naming a function and making its node is ours, not the program's. */
static void
charge_own(struct tracer *tracer, struct thread *thread)
{
    thread_charge_own(thread, clock_ticks(&tracer->recorder.clock));
}

static struct node *
child_of_function(struct tracer *tracer, struct thread *thread, const struct function *function)
{
    struct node *node = function != NULL ? recorder_child(&tracer->recorder, thread, function) : NULL;
    tracer->counters.unnamed_calls += function == NULL;
    if (node == NULL) {
        node = recorder_truncated_child(&tracer->recorder, thread);
    }
    charge_own(tracer, thread);
    return node;
}

struct node *
tracer_child_of_code(struct tracer *tracer, struct thread *thread, PyCodeObject *code, compat_frame *frame)
{
    const void *key = code_key(code, tracer->state->code_slot);
    struct node *node = key != NULL ? recorder_find_child(thread, key) : NULL;
    if (node != NULL) {
        return node;
    }
    return child_of_function(tracer, thread, functions_of_code(&tracer->functions, code, frame));
}

struct node *
tracer_child_of_callable(struct tracer *tracer, struct thread *thread, const void *key, PyObject *callable)
{
    struct node *node = recorder_find_child(thread, key);
    if (node != NULL) {
        return node;
    }
    return child_of_function(tracer, thread, functions_of_callable(&tracer->functions, key, callable));
}

/* -- sessions ------------------------------------------------------------------------------------ */

static void
note_first_start(struct tracer *tracer)
{
    struct timespec now;
    if (tracer->started_at_ns == 0 && clock_gettime(CLOCK_REALTIME, &now) == 0) {
        tracer->started_at_ns = (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
        tracer->started_monotonic_ns = tracer->recorder.clock.readings->monotonic_ns();
    }
}

/* The calling thread is armed at once: no event of its has to be waited for. */
static void
arm_this_thread(struct tracer *tracer)
{
    tracer->current_tstate = NULL;
    (void)threads_enter(tracer, compat_thread_state(), NULL);
}

static void
begin_session(struct tracer *tracer)
{
    note_first_start(tracer);
    tracer->session_began_ticks = clock_ticks(&tracer->recorder.clock);
    threads_begin_all(tracer, tracer->session_began_ticks);
    arm_this_thread(tracer);
}

/* Leaves the exception that made it necessary. */
static void
undo_start(struct tracer *tracer)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    source_stop(tracer);
    tracer_end_session(tracer);
    PyErr_Restore(type, value, traceback);
}

int
tracer_start(struct tracer *tracer)
{
    if (tracer->state->running_borrowed != NULL) {
        PyErr_SetString(tracer->state->busy_owned, "a recorder is running in this interpreter");
        return -1;
    }
    if (fork_watch(tracer->state) < 0) {
        return -1;
    }
    tracer->only_tstate_id = tracer->records_threads ? 0 : compat_thread_state_id(compat_thread_state());
    tracer->running = true;
    tracer->state->running_borrowed = tracer;
    begin_session(tracer);
    if (source_start(tracer) < 0) {
        undo_start(tracer);
        return -1;
    }
    return 0;
}

void
tracer_end_session(struct tracer *tracer)
{
    uint64_t now_ticks = clock_ticks(&tracer->recorder.clock);
    recorder_stop(&tracer->recorder, now_ticks);
    tracer->recorded_ticks += clock_ticks(&tracer->recorder.clock) - tracer->session_began_ticks;
    clock_refine(&tracer->recorder.clock); /* for the last time: a stopped recording has one profile */
    greenlets_disarm(tracer);
    tracer->running = false;
    tracer->current_tstate = NULL;
    tracer->state->running_borrowed = NULL;
}

int
tracer_stop(struct tracer *tracer)
{
    if (!tracer->running) {
        PyErr_SetString(tracer->state->not_running_owned, "this recorder is not running");
        return -1;
    }
    source_stop(tracer);
    tracer_end_session(tracer);
    return 0;
}

/* Until the session begins nothing here runs any code but ours. */
void
tracer_begin_anew(struct tracer *tracer)
{
    threads_forget(tracer);
    recorder_forget(&tracer->recorder);
    tracer->counters = (struct tracer_counters){0};
    tracer->recorded_ticks = 0;
    tracer->started_at_ns = 0;
    begin_session(tracer);
}
