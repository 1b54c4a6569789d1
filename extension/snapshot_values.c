/* snapshot_values.c -- one tuple for each thing that was copied. */
#include "snapshot_values.h"

static const char *const kind_names[] = {
    [KIND_PYTHON] = "python",
    [KIND_FUNCTION] = "function",
    [KIND_METHOD] = "method",
    [KIND_CLASSMETHOD] = "classmethod",
    [KIND_SLOT] = "slot",
    [KIND_TYPE] = "type",
    [KIND_CYTHON] = "cython",
    [KIND_CALLABLE] = "callable",
    [KIND_THREAD] = "thread",
    [KIND_GREENLET] = "greenlet",
    [KIND_TRUNCATED] = "truncated",
    [KIND_EXCLUDED] = "excluded",
    [KIND_TAG] = "tag",
};

/* A list may be long: no reason to stop the program until it is made. */
static void
let_others_run(size_t index)
{
    if (index % 1024 == 1023) {
        Py_BEGIN_ALLOW_THREADS;
        Py_END_ALLOW_THREADS;
    }
}

/* Of item number `index`. A new tuple, or NULL and an exception. */
typedef PyObject *make_item(const struct snapshot_source *source, size_t index);

static PyObject *
list_of(const struct snapshot_source *source, size_t count, make_item *make)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = 0; list_owned != NULL && index < count; index++) {
        PyObject *item_owned = make(source, index);
        if (item_owned == NULL || PyList_Append(list_owned, item_owned) < 0) {
            Py_CLEAR(list_owned);
        }
        Py_XDECREF(item_owned);
        let_others_run(index);
    }
    return list_owned;
}

/* Into a tuple that is being made: without the item there is none, and an exception. */
static void
put_steal(PyObject **tuple_owned, size_t index, PyObject *item_owned)
{
    if (item_owned == NULL) {
        Py_CLEAR(*tuple_owned);
    } else {
        PyTuple_SET_ITEM(*tuple_owned, (Py_ssize_t)index, item_owned);
    }
}

/* -1 for none. */
static int
index_of(const struct function *function)
{
    return function != NULL ? (int)function->index : -1;
}

/* -- functions, threads, greenlets ----------------------------------------------------------------- */

static PyObject *
function_tuple(const struct snapshot_source *source, size_t index)
{
    const struct function_record *record = source->tracer->functions.records[index];
    return Py_BuildValue("(sNNNiK)", kind_names[record->kind], text_to_str(&record->name),
                         text_to_str(&record->owner), text_to_str(&record->filename), record->line,
                         record->number);
}

PyObject *
snapshot_functions(const struct snapshot_source *source)
{
    return list_of(source, source->copy->function_count, function_tuple);
}

/* The copy has the newest first. */
static PyObject *
thread_tuple(const struct snapshot_source *source, size_t index)
{
    size_t place = source->copy->thread_count - 1 - index;
    const struct thread_copy *thread = &source->copy->threads[place];
    const struct thread_row *row = &source->threads[place];
    return Py_BuildValue("(KKKNNiNLLKK)", thread->id, thread->ident, thread->native_id,
                         text_to_str(&thread->name), text_to_str(&thread->class_name), row->root,
                         PyBool_FromLong(thread->alive), (long long)row->lifetime_ns, (long long)row->own_ns,
                         thread->switches, thread->polls);
}

PyObject *
snapshot_threads(const struct snapshot_source *source)
{
    return list_of(source, source->copy->thread_count, thread_tuple);
}

static PyObject *
greenlet_tuple(const struct snapshot_source *source, size_t index)
{
    const struct greenlet_copy *greenlet = &source->copy->greenlets[index];
    const struct greenlet_record *record = &greenlet->record;
    struct greenlet_row row = greenlet_row_of(source->copy, record);
    int kind_index = record->kind_index != RECORD_NO_KIND ? (int)record->kind_index : -1;
    return Py_BuildValue(
        "(KKiiLLLLLLKLLLNNi)", (unsigned long long)record->id, (unsigned long long)record->thread_id,
        (int)record->class_index, kind_index, (long long)row.running_ns, (long long)row.cpu_ns,
        (long long)row.waiting_ns, (long long)row.idle_ns, (long long)row.contended_ns, (long long)row.lag_ns,
        record->switches, (long long)row.began_ns, (long long)row.ended_ns, (long long)row.longest_slice_ns,
        PyBool_FromLong(greenlet->alive), PyBool_FromLong(greenlet->running), greenlet->row);
}

PyObject *
snapshot_greenlets(const struct snapshot_source *source)
{
    return list_of(source, source->copy->greenlet_count, greenlet_tuple);
}

static PyObject *
places_tuple(const struct note *note)
{
    PyObject *tuple_owned = PyTuple_New((Py_ssize_t)note->place_count);
    for (size_t index = 0; tuple_owned != NULL && index < note->place_count; index++) {
        const struct note_place *place = &note->places[index];
        put_steal(&tuple_owned, index, Py_BuildValue("(ii)", index_of(place->function), place->line));
    }
    return tuple_owned;
}

static PyObject *
note_tuple(const struct snapshot_source *source, size_t index)
{
    const struct note *note = &source->copy->notes.notes[index];
    return Py_BuildValue("(KNN)", note->greenlet_id, text_to_str(&note->name), places_tuple(note));
}

PyObject *
snapshot_notes(const struct snapshot_source *source)
{
    return list_of(source, source->copy->notes.count, note_tuple);
}

/* -- slices ---------------------------------------------------------------------------------------- */

static PyObject *
lengths_tuple(const struct slice_kind *kind)
{
    PyObject *tuple_owned = PyTuple_New(SLICE_LENGTHS);
    for (size_t length = 0; tuple_owned != NULL && length < SLICE_LENGTHS; length++) {
        put_steal(&tuple_owned, length, PyLong_FromUnsignedLongLong(kind->lengths[length]));
    }
    return tuple_owned;
}

static PyObject *
slice_kind_tuple(const struct snapshot_source *source, size_t index)
{
    const struct recording_copy *copy = source->copy;
    const struct slice_kind *kind = &copy->slices.kinds[index];
    return Py_BuildValue("(iiKKKLLN)", index_of(kind->class_function), index_of(kind->first),
                         kind->unrecorded_greenlets, kind->unrecorded_switches, kind->count,
                         (long long)snapshot_ns(copy, kind->ticks),
                         (long long)snapshot_ns(copy, kind->longest_ticks), lengths_tuple(kind));
}

PyObject *
snapshot_slice_kinds(const struct snapshot_source *source)
{
    return list_of(source, source->copy->slices.kind_count, slice_kind_tuple);
}

/* They add up to the slice, to the nanosecond. */
static PyObject *
samples_tuple(const struct recording_copy *copy, const struct slice_copy *slice)
{
    const struct slice_samples *samples = &slice->slice.samples;
    PyObject *tuple_owned = PyTuple_New((Py_ssize_t)samples->count);
    uint64_t ticks = 0;
    for (size_t index = 0; tuple_owned != NULL && index < samples->count; index++) {
        int64_t before_ns = snapshot_ns(copy, ticks);
        ticks += samples->entries[index].ticks;
        int64_t ns = snapshot_ns(copy, ticks) - before_ns;
        put_steal(&tuple_owned, index, Py_BuildValue("(iL)", slice->sample_rows[index], (long long)ns));
    }
    return tuple_owned;
}

static PyObject *
blocking_slice_tuple(const struct snapshot_source *source, size_t index)
{
    const struct recording_copy *copy = source->copy;
    const struct slice_copy *row = &copy->slices.blocking[index];
    const struct blocking_slice *slice = &row->slice;
    uint64_t cpu_ticks = slice->ticks > slice->off_cpu_ticks ? slice->ticks - slice->off_cpu_ticks : 0;
    return Py_BuildValue("(KKiiLLLKNNiN)", slice->thread_id, slice->greenlet_id,
                         index_of(slice->class_function), index_of(slice->first),
                         (long long)slice->began_monotonic_ns, (long long)snapshot_ns(copy, slice->ticks),
                         (long long)snapshot_ns(copy, cpu_ticks), slice->suspended,
                         PyBool_FromLong(slice->is_over), PyBool_FromLong(row->goes_on), row->culprit_row,
                         samples_tuple(copy, row));
}

PyObject *
snapshot_blocking_slices(const struct snapshot_source *source)
{
    return list_of(source, source->copy->slices.blocking_count, blocking_slice_tuple);
}

static PyObject *
culprit_tuple(const struct snapshot_source *source, size_t index)
{
    const struct recording_copy *copy = source->copy;
    const struct culprit_copy *row = &copy->slices.culprits[index];
    return Py_BuildValue("(iKLL)", row->row, row->culprit.count,
                         (long long)snapshot_ns(copy, row->culprit.ticks),
                         (long long)snapshot_ns(copy, row->culprit.longest_ticks));
}

PyObject *
snapshot_culprits(const struct snapshot_source *source)
{
    return list_of(source, source->copy->slices.culprit_count, culprit_tuple);
}

/* -- timeline -------------------------------------------------------------------------------------- */

static const char *const end_names[TIMELINE_ENDS] = {
    [TIMELINE_UNRECORDED] = "unrecorded",
    [TIMELINE_SWITCH] = "switch",
    [TIMELINE_POLL] = "poll",
    [TIMELINE_IDLE] = "idle",
    [TIMELINE_STOP] = "stop",
};

static PyObject *
end_tuple(const struct snapshot_source *source, size_t index)
{
    return Py_BuildValue("(sK)", end_names[index], source->copy->timeline.gone[index]);
}

PyObject *
snapshot_ends(const struct snapshot_source *source)
{
    return list_of(source, TIMELINE_ENDS, end_tuple);
}
