/* tracer.c -- starting and stopping a session; the way to a node that is not the straight one. */
#include "tracer.h"

#include "mid_flight.h"
#include "stand_in.h"
#include "suspended.h"
#include "switch_hook.h"

#include <time.h>

/* -- cold half of the straight path -------------------------------------------------------------- */

/* Such as time spent on naming a function and making its node. */
void
tracer_charge_own(struct tracer *tracer, struct thread *thread)
{
    thread_charge_own(thread, clock_ticks(&tracer->recorder.clock));
}

static struct node *
child_of_function(struct tracer *tracer, struct thread *thread, const struct function *function)
{
    struct node *node = function != NULL ? recorder_child(&tracer->recorder, thread, function) : NULL;
    tracer->counters.unnamed_calls += function == NULL && !functions_are_full(&tracer->functions);
    if (node == NULL) {
        node = recorder_truncated_child(&tracer->recorder, thread);
    }
    tracer_charge_own(tracer, thread);
    return node;
}

bool
tracer_decide_excluded(struct tracer *tracer, struct thread *thread, PyCodeObject *code, compat_frame *frame)
{
    thread_charge(thread, clock_ticks(&tracer->recorder.clock));
    bool excluded = functions_exclude(&tracer->functions, code, frame);
    tracer_charge_own(tracer, thread);
    return excluded;
}

struct node *
tracer_child_of_code(struct tracer *tracer, struct thread *thread, PyCodeObject *code, compat_frame *frame)
{
    const void *key = code_key(code, tracer->functions.code_slot);
    struct node *node = key != NULL ? recorder_find_child(thread, key) : NULL;
    if (node != NULL) {
        return node;
    }
    if (tracer_is_excluded(tracer, thread, code, frame)) {
        return NULL;
    }
    return child_of_function(tracer, thread, functions_of_code(&tracer->functions, code, frame));
}

/* A mark stands for an excluded function. */
static bool
is_on_mark(const struct thread *thread)
{
    const struct open_call *top = thread->position->top;
    return top != position_bottom(thread->position) && node_is_base(top->node);
}

struct node *
tracer_child_of_callable(struct tracer *tracer, struct thread *thread, const void *key, PyObject *callable)
{
    struct node *node = recorder_find_child(thread, key);
    if (node != NULL) {
        return node;
    }
    if (is_on_mark(thread)) {
        return NULL;
    }
    return child_of_function(tracer, thread, functions_of_callable(&tracer->functions, key, callable));
}

bool
tracer_calls_from_elsewhere(struct tracer *tracer, struct thread *thread, PyCodeObject *code,
                            compat_frame *frame)
{
    if (recorder_is_on_top(thread, frame_of_c_call((uintptr_t)frame))) {
        recorder_leave_top(thread, clock_ticks(&tracer->recorder.clock)); /* it ended without an event */
        return true;
    }
    return recorder_is_on_top(thread, frame_of_tag((uintptr_t)frame)) ||
           !tracer_is_excluded(tracer, thread, code, frame);
}

/* -- tags ---------------------------------------------------------------------------------------- */

/* The thread, with its tag; NULL where there is nothing to do. */
static struct thread *
thread_for_tag(struct tracer *tracer, PyObject *name, const struct function **tag)
{
    struct thread *thread = tracer->running ? tracer_thread(tracer, compat_thread_state(), NULL) : NULL;
    if (thread != NULL) {
        struct text text = text_borrowed(name);
        thread_charge(thread, clock_ticks(&tracer->recorder.clock));
        *tag = functions_of_tag(&tracer->functions, &text);
    }
    return thread;
}

void
tracer_enter_tag(struct tracer *tracer, PyObject *name)
{
    const struct function *tag = NULL;
    struct thread *thread = thread_for_tag(tracer, name, &tag);
    if (thread != NULL && tag != NULL) {
        recorder_open_tag(&tracer->recorder, thread, tag);
    } else if (thread != NULL) {
        tracer->recorder.counters.unopened_tags++;
    }
}

void
tracer_exit_tag(struct tracer *tracer, PyObject *name)
{
    const struct function *tag = NULL;
    struct thread *thread = thread_for_tag(tracer, name, &tag);
    if (thread != NULL && tag != NULL) {
        recorder_close_tag(thread, tag);
    }
}

void
tracer_leave_deeper(struct tracer *tracer, struct thread *thread, uintptr_t call)
{
    recorder_leave(&tracer->recorder, thread, call, clock_ticks(&tracer->recorder.clock));
}

int64_t
tracer_self_ns(struct tracer *tracer, PyCodeObject *code)
{
    struct thread *thread = tracer->running ? tracer_thread(tracer, compat_thread_state(), NULL) : NULL;
    const void *key = code_key(code, tracer->functions.code_slot);
    if (thread == NULL || key == NULL) {
        return 0;
    }
    const struct node *caller = thread->position->top->node;
    if ((caller->function->flags & FUNCTION_IS_C) != 0) {
        caller = caller->parent;
    }
    const struct node *node = tree_find(&thread->tree, caller, key);
    return node != NULL ? clock_ns_from_ticks(&tracer->recorder.clock, (int64_t)node->running_ticks) : 0;
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
    tracer_forget_current(tracer);
    (void)threads_enter(tracer, compat_thread_state(), NULL);
}

/* Between these two no Python code runs that the collector would start. */
static int
hold_collector(void)
{
    return PyGC_Disable();
}

static void
release_collector(int was_enabled)
{
    if (was_enabled) {
        (void)PyGC_Enable();
    }
}

static PyObject *
living_greenlets_owned(struct tracer *tracer)
{
    size_t missed = 0;
    PyObject *greenlets_owned = suspended_find_owned(tracer->state, &missed);
    tracer->counters.unreached_greenlets += missed;
    return greenlets_owned;
}

/* Greenlets may be among what gc.freeze() took from the collector: then that is most of the program, and not
 * only the few hundred objects that 3.12 itself puts aside when it starts. */
#define FROZEN_AT_LEAST 2000

/* Counting takes as long as there are objects: once is enough. */
static void
note_frozen_objects(struct tracer *tracer)
{
    if (COMPAT_VISITS_FROZEN || tracer->started_at_ns != 0) {
        return;
    }
    PyObject *count_owned = PyObject_CallNoArgs(tracer->state->freeze_count_owned);
    Py_ssize_t count = count_owned != NULL ? PyLong_AsSsize_t(count_owned) : -1;
    if (count > FROZEN_AT_LEAST) {
        tracer->counters.frozen_objects = (uint64_t)count;
    }
    PyErr_Clear();
    Py_XDECREF(count_owned);
}

/* Takes over what runs and what is suspended. The living greenlets, or NULL. */
static PyObject *
begin_session_owned(struct tracer *tracer)
{
    note_frozen_objects(tracer);
    note_first_start(tracer);
    struct sightings before = tracer->sightings;
    tracer->sightings = (struct sightings){0};
    tracer->session_began_ticks = clock_ticks(&tracer->recorder.clock);
    threads_begin_all(tracer, tracer->session_began_ticks);
    arm_this_thread(tracer);
    PyObject *greenlets_owned = living_greenlets_owned(tracer);
    mid_flight_begin(tracer, greenlets_owned, &before);
    return greenlets_owned;
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
    stand_in_place(tracer->state);
    int collects = hold_collector();
    PyObject *greenlets_owned = begin_session_owned(tracer);
    int failed = source_start(tracer, greenlets_owned);
    Py_XDECREF(greenlets_owned);
    if (failed < 0) {
        tracer_end_session(tracer);
    }
    release_collector(collects);
    return failed;
}

static void
end_session(struct tracer *tracer)
{
    switch_hook_notice_cut_offs(tracer);
    PyObject *greenlets_owned = living_greenlets_owned(tracer);
    source_stop(tracer, greenlets_owned);
    mid_flight_end(tracer, greenlets_owned);
    Py_XDECREF(greenlets_owned);
    recorder_stop(&tracer->recorder, clock_ticks(&tracer->recorder.clock));
    tracer->recorded_ticks += clock_ticks(&tracer->recorder.clock) - tracer->session_began_ticks;
    clock_refine(&tracer->recorder.clock); /* for the last time: a stopped recording has one profile */
    switch_hook_disarm(tracer);
    tracer->running = false;
    tracer_forget_current(tracer);
    tracer->state->running_borrowed = NULL;
    stand_in_withdraw(tracer->state);
}

void
tracer_end_session(struct tracer *tracer)
{
    switch_hook_notice_cut_offs(tracer);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    int collects = hold_collector();
    end_session(tracer);
    release_collector(collects);
    PyErr_Restore(type, value, traceback);
}

int
tracer_stop(struct tracer *tracer)
{
    if (!tracer->running) {
        PyErr_SetString(tracer->state->not_running_owned, "this recorder is not running");
        return -1;
    }
    tracer_end_session(tracer);
    return 0;
}

void
tracer_begin_anew(struct tracer *tracer)
{
    int collects = hold_collector();
    sightings_clear(&tracer->sightings, &tracer->recorder.memory); /* their records are forgotten */
    notes_dispose(&tracer->notes, &tracer->recorder.memory);
    threads_forget(tracer);
    recorder_forget(&tracer->recorder);
    tracer->counters = (struct tracer_counters){0};
    tracer->recorded_ticks = 0;
    tracer->started_at_ns = 0;
    Py_XDECREF(begin_session_owned(tracer));
    release_collector(collects);
}
