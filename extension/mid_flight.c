/* mid_flight.c -- positions for greenlets that nobody saw begin; records for those that nobody saw end. */
#include "mid_flight.h"

#include "greenlets.h"

/* -- records of earlier sessions ------------------------------------------------------------------ */

/* The number of its record, 0 for none. A sighting at its address of another one, which is gone, ends. */
static size_t
take_record(struct tracer *tracer, struct sightings *sightings, PyObject *greenlet)
{
    size_t record = 0;
    if (sightings_take(sightings, &tracer->recorder.memory, greenlet, &record)) {
        return record;
    }
    if (record != 0) {
        recorder_end_record(&tracer->recorder, record);
    }
    return 0;
}

static const struct function *
kind_of_record(const struct tracer *tracer, size_t record)
{
    uint64_t index = tracer->recorder.ended_greenlets[record - 1].kind_index;
    return index != RECORD_NO_KIND ? &tracer->functions.records[index]->function : NULL;
}

static void
continue_record(struct tracer *tracer, struct thread *thread, struct position *position, size_t record)
{
    if (record != 0 && position_base(position)->record == 0) {
        recorder_continue_record(&tracer->recorder, position, record, kind_of_record(tracer, record));
        greenlets_renumbered(tracer, thread, position);
    }
}

void
mid_flight_recognise(struct tracer *tracer, struct thread *thread, struct position *position,
                     PyObject *greenlet)
{
    continue_record(tracer, thread, position, take_record(tracer, &tracer->sightings, greenlet));
}

static void
sight(struct tracer *tracer, PyObject *greenlet, size_t record)
{
    if (!sightings_add(&tracer->sightings, &tracer->recorder.memory, greenlet, record)) {
        tracer->counters.unplaced_greenlets++;
    }
}

/* -- positions ------------------------------------------------------------------------------------ */

/* False when there is no memory, or the greenlet is not suspended. */
static bool
stack_of_greenlet(struct tracer *tracer, struct stack *stack, PyObject *greenlet)
{
    PyObject *frame_owned = greenlet_frame_owned(&tracer->state->greenlet, greenlet);
    bool got = frame_owned != NULL && stack_of_suspended(tracer, stack, frame_owned);
    PyErr_Clear();
    Py_XDECREF(frame_owned);
    return got;
}

/* A greenlet of the calling thread that is suspended gets a position, if it has none. */
static void
place(struct tracer *tracer, struct thread *thread, PyObject *greenlet, size_t record)
{
    struct stack stack;
    struct position *position = position_map_find(&tracer->recorder.greenlets, greenlet);
    if (position == NULL && stack_of_greenlet(tracer, &stack, greenlet)) {
        position = greenlets_position_in_flight(tracer, thread, greenlet, &stack);
        stack_free(tracer, &stack);
    }
    if (position == NULL) {
        tracer->counters.unplaced_greenlets++;
    } else {
        continue_record(tracer, thread, position, record);
    }
}

static void
end_record_of_missing(void *context, PyObject *greenlet_owned, size_t record)
{
    if (record != 0) {
        recorder_end_record(context, record);
    }
    Py_XDECREF(greenlet_owned);
}

static bool
is_of_thread(const struct tracer *tracer, PyObject *greenlet, PyObject *root)
{
    return greenlet_root_borrowed(&tracer->state->greenlet, greenlet) == root;
}

/* The thread that an earlier session met this greenlet in, if it is running there now, so that its running
 * position must be this one's. */
static struct thread *
thread_that_runs(const struct tracer *tracer, PyObject *greenlet, size_t record)
{
    if (record == 0 || !greenlet_runs_elsewhere(&tracer->state->greenlet, greenlet)) {
        return NULL;
    }
    struct thread *thread = recorder_thread_of_record(&tracer->recorder, record);
    bool is_unnamed = thread != NULL && thread->position != NULL && thread->position->greenlet == NULL;
    return is_unnamed ? thread : NULL;
}

static void
meet_elsewhere(struct tracer *tracer, PyObject *greenlet, size_t record)
{
    struct thread *thread = thread_that_runs(tracer, greenlet, record);
    if (thread != NULL) {
        greenlets_name_in_other_thread(tracer, thread, greenlet);
        continue_record(tracer, thread, thread->position, record);
    } else {
        sight(tracer, greenlet, record);
    }
}

static void
meet(struct tracer *tracer, struct thread *thread, PyObject *greenlet, PyObject *root, size_t record)
{
    if (position_map_find(&tracer->recorder.greenlets, greenlet) != NULL ||
        is_of_thread(tracer, greenlet, root)) {
        place(tracer, thread, greenlet, record);
    } else {
        meet_elsewhere(tracer, greenlet, record);
    }
}

/* The calling thread's first greenlet; NULL when it is not known which one runs. */
static PyObject *
root_of_running(const struct tracer *tracer, const struct thread *thread, PyObject *greenlets)
{
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(greenlets); index++) {
        PyObject *greenlet = PyList_GET_ITEM(greenlets, index);
        if (thread->position->greenlet == greenlet) {
            return greenlet_root_borrowed(&tracer->state->greenlet, greenlet);
        }
    }
    return NULL;
}

void
mid_flight_begin(struct tracer *tracer, PyObject *greenlets, struct sightings *before)
{
    struct thread *thread = tracer->current_thread;
    if (greenlets != NULL && thread != NULL) {
        PyObject *root = root_of_running(tracer, thread, greenlets);
        for (Py_ssize_t index = 0; index < PyList_GET_SIZE(greenlets); index++) {
            PyObject *greenlet = PyList_GET_ITEM(greenlets, index);
            meet(tracer, thread, greenlet, root, take_record(tracer, before, greenlet));
        }
        sightings_each(before, end_record_of_missing, &tracer->recorder);
    }
    sightings_clear(before, &tracer->recorder.memory);
}

/* -- a thread's first event ------------------------------------------------------------------------ */

struct family {
    const struct tracer *tracer;
    PyObject *root;
    PyObject *members_owned; /* list */
};

static void
add_if_member(void *context, PyObject *greenlet_owned, size_t record)
{
    struct family *family = context;
    (void)record;
    if (greenlet_owned != NULL && is_of_thread(family->tracer, greenlet_owned, family->root) &&
        PyList_Append(family->members_owned, greenlet_owned) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(greenlet_owned);
}

void
mid_flight_arm(struct tracer *tracer, struct thread *thread, PyObject *current)
{
    if (tracer->sightings.count == 0) {
        return;
    }
    struct family family = {tracer, greenlet_root_borrowed(&tracer->state->greenlet, current), PyList_New(0)};
    if (family.members_owned == NULL) {
        PyErr_Clear();
        tracer->counters.unplaced_greenlets++;
        return;
    }
    sightings_each(&tracer->sightings, add_if_member, &family);
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(family.members_owned); index++) {
        PyObject *greenlet = PyList_GET_ITEM(family.members_owned, index);
        size_t record = take_record(tracer, &tracer->sightings, greenlet);
        if (tracer->state->greenlet.is_active(greenlet)) {
            place(tracer, thread, greenlet, record);
        }
    }
    Py_DECREF(family.members_owned);
}

/* -- the end of a session ------------------------------------------------------------------------- */

struct census {
    const struct greenlet_api *api;
    size_t suspended;
};

static void
count_if_suspended(void *context, PyObject *greenlet_owned, size_t record)
{
    struct census *census = context;
    (void)record;
    PyObject *frame_owned = greenlet_owned != NULL ? greenlet_frame_owned(census->api, greenlet_owned) : NULL;
    census->suspended += frame_owned != NULL && frame_owned != Py_None;
    PyErr_Clear();
    Py_XDECREF(frame_owned);
    Py_XDECREF(greenlet_owned);
}

/* Greenlets whose thread is over are among the sighted ones too; without a thread that could have the others
 * they are all there is. */
static bool
has_unarmed_thread(const struct tracer *tracer)
{
    for (size_t bucket = 0; bucket < TRACER_THREAD_BUCKETS; bucket++) {
        for (struct traced_thread *each = tracer->threads[bucket]; each != NULL; each = each->next) {
            if (!each->armed && each->thread != NULL && each->thread->position != NULL) {
                return true;
            }
        }
    }
    return false;
}

size_t
mid_flight_unmet(const struct tracer *tracer)
{
    struct census census = {&tracer->state->greenlet, 0};
    if (tracer->running && tracer->records_threads && has_unarmed_thread(tracer)) {
        sightings_each(&tracer->sightings, count_if_suspended, &census);
    }
    return census.suspended;
}

void
mid_flight_end(struct tracer *tracer, PyObject *greenlets)
{
    struct sightings before = tracer->sightings;
    tracer->counters.unmet_greenlets += mid_flight_unmet(tracer);
    tracer->sightings = (struct sightings){0};
    for (Py_ssize_t index = 0; greenlets != NULL && index < PyList_GET_SIZE(greenlets); index++) {
        PyObject *greenlet = PyList_GET_ITEM(greenlets, index);
        struct position *position = position_map_find(&tracer->recorder.greenlets, greenlet);
        size_t record = take_record(tracer, &before, greenlet);
        if (position != NULL) {
            record = recorder_reserve_record(&tracer->recorder, position);
        }
        if (record != 0) {
            sight(tracer, greenlet, record);
        }
    }
    sightings_each(&before, end_record_of_missing, &tracer->recorder);
    sightings_clear(&before, &tracer->recorder.memory);
}
