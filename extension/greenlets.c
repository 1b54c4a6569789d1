/* greenlets.c -- which greenlet runs: learnt from greenlet itself, at the moment of each switch
 * (switch_hook.c), and asked where that came too late.
 *
 * A greenlet's position is made when it is first seen:
 *      at its first switch it has no frame yet: it starts at its base
 *      met in mid-flight, it has: its open calls are taken over, with time from now on, but no call
 *
 * When a greenlet ends, the last switch comes from it, and it is active no longer. */
#include "greenlets.h"

#include "mid_flight.h"
#include "switch_hook.h"

/* -- taking over open calls ---------------------------------------------------------------------- */

void
greenlets_seed_running(struct tracer *tracer, struct thread *thread, compat_frame *innermost)
{
    struct stack stack;
    if (!stack_of_running(tracer, &stack, innermost)) {
        tracer->counters.unplaced_greenlets++;
        return;
    }
    stack_seed(tracer, thread, thread->position, &stack);
    stack_free(tracer, &stack);
}

/* -- going to a greenlet --------------------------------------------------------------------------- */

/* One with a record has been noted in an earlier session. */
static void
note(struct tracer *tracer, const struct position *position, PyObject *greenlet)
{
    if (position != NULL && position_base(position)->record == 0) {
        notes_take(&tracer->notes, &tracer->functions, greenlet, position->id);
    }
}

/* What the tree of this greenlet begins with: its class, or itself, as long as there is room for trees. */
static const struct function *
base_of(struct tracer *tracer, const struct function *greenlet_class, uint64_t greenlet_id)
{
    if (!tracer->separates_greenlets || recorder_is_full(&tracer->recorder)) {
        return greenlet_class;
    }
    return functions_of_greenlet(&tracer->functions, greenlet_class, greenlet_id);
}

/* The position of a greenlet that is switched to for the first time in this session. */
static struct position *
first_seen(struct tracer *tracer, struct thread *thread, PyObject *greenlet, uint64_t since_ticks)
{
    const struct function *greenlet_class =
        functions_of_greenlet_class(&tracer->functions, Py_TYPE(greenlet));
    if (greenlet_class == NULL) {
        return NULL;
    }
    struct recorder *recorder = &tracer->recorder;
    const struct function *base = base_of(tracer, greenlet_class, recorder_next_greenlet_id(recorder));
    return recorder_add_greenlet(recorder, thread, greenlet, base, since_ticks);
}

void
greenlets_renumbered(struct tracer *tracer, struct thread *thread, struct position *position)
{
    const struct function *greenlet_class = position_class(position);
    bool is_running = position == thread->position;
    struct unsettled unsettled = is_running ? thread_unsettled(thread) : (struct unsettled){0};
    recorder_set_base(&tracer->recorder, thread, position, base_of(tracer, greenlet_class, position->id));
    if (is_running && unsettled.node != position->top->node) {
        thread_move_unsettled(thread, &unsettled, position->top->node);
    }
}

/* A greenlet that was running here when the recording began, and was switched out before it was named. */
static struct position *
claim_unnamed(struct tracer *tracer, struct thread *thread, PyObject *greenlet, const struct stack *stack)
{
    struct position *position = thread->unnamed;
    if (position == NULL || !stack_is_of(stack, position)) {
        return NULL;
    }
    thread->unnamed = NULL;
    recorder_name_greenlet(&tracer->recorder, position, greenlet);
    return position;
}

struct position *
greenlets_position_in_flight(struct tracer *tracer, struct thread *thread, PyObject *greenlet,
                             const struct stack *stack)
{
    struct position *position = claim_unnamed(tracer, thread, greenlet, stack);
    if (position == NULL) {
        position = first_seen(tracer, thread, greenlet, tracer->session_began_ticks);
        if (position != NULL) {
            stack_seed(tracer, thread, position, stack);
        }
    }
    if (position != NULL) {
        mid_flight_recognise(tracer, thread, position, greenlet);
    }
    note(tracer, position, greenlet);
    return position;
}

static bool
is_open(compat_frame *innermost, uintptr_t wanted)
{
    compat_frame *frame = innermost;
    while (frame != NULL && (uintptr_t)frame != wanted) {
        frame = compat_frame_previous(frame);
    }
    return frame != NULL;
}

/* The position of a greenlet that runs now; NULL when it has none. One with open calls that are not on the
 * stack is of another greenlet, which was at this address and whose end nobody told. */
static struct position *
known_position(struct tracer *tracer, struct thread *thread, PyObject *greenlet, compat_frame *innermost)
{
    struct position *position = position_map_find(&tracer->recorder.greenlets, greenlet);
    if (__builtin_expect(position != NULL && position_is_in(position, (uintptr_t)innermost), 1)) {
        return position;
    }
    const struct open_call *call = position != NULL ? position_python_call(position) : NULL;
    if (call == NULL || call == position_bottom(position) || is_open(innermost, call->frame)) {
        return position;
    }
    if (position == thread->position) {
        recorder_unname_greenlet(&tracer->recorder, position);
    } else {
        recorder_end_greenlet(&tracer->recorder, thread, position);
    }
    return NULL;
}

/* A greenlet that nobody knew goes on, if there are frames of it. Where another trace function has called
 * ours, the frames may be that one's; but then switches were told all along, so it only now begins. */
static struct position *
new_position(struct tracer *tracer, struct thread *thread, PyObject *greenlet, compat_frame *innermost)
{
    struct stack stack;
    struct position *position = NULL;
    if (innermost == NULL || switch_hook_is_called_by_another(tracer)) {
        position = first_seen(tracer, thread, greenlet, thread->last_ticks);
        note(tracer, position, greenlet);
        return position;
    }
    if (stack_of_running(tracer, &stack, innermost)) {
        position = greenlets_position_in_flight(tracer, thread, greenlet, &stack);
        stack_free(tracer, &stack);
    }
    return position;
}

/* The thread runs this greenlet from the last charge on; its innermost frame is `innermost`, NULL while it has
 * none. */
static void
go_to_greenlet(struct tracer *tracer, struct thread *thread, PyObject *greenlet, compat_frame *innermost)
{
    struct position *position = known_position(tracer, thread, greenlet, innermost);
    if (position == NULL) {
        position = new_position(tracer, thread, greenlet, innermost);
    }
    if (position == NULL) {
        tracer->counters.unplaced_greenlets++;
        thread_switch(thread, recorder_stray(thread), thread->last_ticks);
    } else if (position != thread->position) {
        thread_switch(thread, position, thread->last_ticks);
    }
}

/* -- arming a thread ----------------------------------------------------------------------------- */

/* The frame whose beginning is being told is not open yet. */
static compat_frame *
innermost_open_frame(PyThreadState *tstate, const compat_frame *entering)
{
    compat_frame *frame = compat_current_frame(tstate);
    return frame != NULL && frame == entering ? compat_frame_previous(frame) : frame;
}

/* The running position has no greenlet yet, or was seeded for one that was thought to be of another class:
 * its open calls are taken over under the right base. */
static void
place_running_greenlet(struct tracer *tracer, struct thread *thread, const struct function *greenlet_class,
                       const struct stack *stack)
{
    struct position *position = thread->position;
    struct unsettled unsettled = thread_unsettled(thread);
    bool is_placed = stack_is_of(stack, position);
    if (!is_placed) {
        recorder_clear_calls(position);
    }
    recorder_set_base(&tracer->recorder, thread, position, base_of(tracer, greenlet_class, position->id));
    if (!is_placed) {
        stack_seed(tracer, thread, position, stack);
    }
    thread_move_unsettled(thread, &unsettled, position->top->node);
}

/* Another greenlet runs than the one whose position is the running one: a switch came before anything told
 * us of switches. That one waits; if nobody knows whose position it is, it is kept for who fits it. */
static void
switch_unseen(struct tracer *tracer, struct thread *thread, PyObject *greenlet, compat_frame *innermost)
{
    if (thread->position->greenlet == NULL) {
        thread->unnamed = thread->position;
    } else {
        tracer->counters.missed_switches++;
    }
    go_to_greenlet(tracer, thread, greenlet, innermost);
}

/* `stack`: of the greenlet that runs, from `innermost` on. */
static void
name_running_greenlet(struct tracer *tracer, struct thread *thread, PyObject *greenlet,
                      compat_frame *innermost, const struct stack *stack)
{
    struct position *position = thread->position;
    const struct function *greenlet_class =
        functions_of_greenlet_class(&tracer->functions, Py_TYPE(greenlet));
    if (position->greenlet == greenlet || greenlet_class == NULL) {
        return;
    }
    thread_charge(thread, clock_ticks(&tracer->recorder.clock));
    if (position->greenlet != NULL ||
        (position->top != position_bottom(position) && !stack_is_of(stack, position))) {
        switch_unseen(tracer, thread, greenlet, innermost);
        return;
    }
    place_running_greenlet(tracer, thread, greenlet_class, stack);
    recorder_name_greenlet(&tracer->recorder, position, greenlet);
    note(tracer, position, greenlet);
}

void
greenlets_name_in_other_thread(struct tracer *tracer, struct thread *thread, PyObject *greenlet)
{
    const struct function *greenlet_class =
        functions_of_greenlet_class(&tracer->functions, Py_TYPE(greenlet));
    if (greenlet_class != NULL) {
        struct position *position = thread->position;
        recorder_set_base(&tracer->recorder, thread, position, base_of(tracer, greenlet_class, position->id));
        recorder_name_greenlet(&tracer->recorder, position, greenlet);
    }
}

/* Where switches went unseen, calls and returns were taken for another greenlet's: what is open now counts. */
static void
catch_up(struct tracer *tracer, struct thread *thread, const struct stack *stack)
{
    struct position *position = thread->position;
    if (position != recorder_stray(thread) && !stack_is_of(stack, position)) {
        recorder_clear_calls(position);
        stack_seed(tracer, thread, position, stack);
    }
}

void
greenlets_find_running(struct tracer *tracer, struct thread *thread, PyObject *greenlet,
                       compat_frame *innermost)
{
    struct stack stack;
    if (!stack_of_running(tracer, &stack, innermost)) {
        tracer->counters.unplaced_greenlets++;
        return;
    }
    name_running_greenlet(tracer, thread, greenlet, innermost, &stack);
    catch_up(tracer, thread, &stack);
    stack_free(tracer, &stack);
}

void
greenlets_arm_thread(struct tracer *tracer, struct traced_thread *traced, PyThreadState *tstate,
                     compat_frame *entering)
{
    switch_hook_install(tracer, traced);
    PyObject *greenlet_owned = tracer->state->greenlet.current_owned();
    if (greenlet_owned == NULL) {
        PyErr_Clear();
        return;
    }
    greenlets_find_running(tracer, traced->thread, greenlet_owned, innermost_open_frame(tstate, entering));
    mid_flight_arm(tracer, traced->thread, greenlet_owned);
    Py_DECREF(greenlet_owned); /* it runs: its thread holds it */
}

void
greenlets_check_running(struct tracer *tracer)
{
    PyThreadState *tstate = compat_thread_state();
    struct thread *thread = tracer->running ? tracer_thread(tracer, tstate, NULL) : NULL;
    PyObject *greenlet_owned = thread != NULL ? tracer->state->greenlet.current_owned() : NULL;
    if (greenlet_owned != NULL && thread->position != recorder_stray(thread)) {
        greenlets_find_running(tracer, thread, greenlet_owned, compat_current_frame(tstate));
    }
    PyErr_Clear();
    Py_XDECREF(greenlet_owned);
}

/* -- a switch ------------------------------------------------------------------------------------ */

static void
end_if_over(struct tracer *tracer, struct thread *thread, PyObject *origin)
{
    if (tracer->state->greenlet.is_active(origin) != 0) {
        return;
    }
    struct position *position = position_map_find(&tracer->recorder.greenlets, origin);
    if (position != NULL && position != thread->position) {
        recorder_end_greenlet(&tracer->recorder, thread, position);
    }
}

static void
record_switch(struct tracer *tracer, struct thread *thread, PyObject *origin, PyObject *target,
              compat_frame *frame)
{
    thread_charge(thread, clock_ticks(&tracer->recorder.clock));
    tracer->counters.missed_switches += thread->position->greenlet != origin;
    go_to_greenlet(tracer, thread, target, frame);
    end_if_over(tracer, thread, origin);
}

/* A program can get hold of the hook and call it with anything. */
static bool
are_greenlets(const struct tracer *tracer, PyObject *pair)
{
    PyTypeObject *type = tracer->state->greenlet.type_borrowed;
    return PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2 &&
           PyObject_TypeCheck(PyTuple_GET_ITEM(pair, 0), type) &&
           PyObject_TypeCheck(PyTuple_GET_ITEM(pair, 1), type);
}

void
greenlets_on_switch(struct tracer *tracer, PyObject *greenlets)
{
    PyThreadState *tstate = compat_thread_state();
    struct thread *thread = tracer_thread(tracer, tstate, NULL);
    if (thread != NULL && are_greenlets(tracer, greenlets)) {
        record_switch(tracer, thread, PyTuple_GET_ITEM(greenlets, 0), PyTuple_GET_ITEM(greenlets, 1),
                      compat_current_frame(tstate));
    }
    source_notice_threads(tracer);
}
