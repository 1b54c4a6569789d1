/* snapshot.c -- the recording, as plain Python values.
 *
 *      recording --snapshot_copy.c--> copy --snapshot_rows.c--> rows --> bytes, lists, tuples
 *
 * All numbers are of the one moment at which the recording is copied. What takes long is done without the
 * GIL, before and after that; objects are made with it, some at a time. That may run the collector, and with
 * it any code, which the recorder goes on recording. */
#include "greenlets.h"
#include "snapshot_rows.h"
#include "switch_hook.h"

static const char *const column_names[ROW_COLUMNS] = {
    [CALLS] = "calls",
    [RESUMES] = "resumes",
    [PASSED_OVER] = "passed_over",
    [RUNNING_NS] = "running_ns",
    [CPU_NS] = "cpu_ns",
    [WAITING_NS] = "waiting_ns",
    [IDLE_NS] = "idle_ns",
    [CONTENDED_NS] = "contended_ns",
    [LAG_NS] = "lag_ns",
};

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

/* Steals `value`. -1 and an exception; also when `value` is NULL. */
static int
set_item_steal(PyObject *dict, const char *name, PyObject *value)
{
    int failed = value == NULL ? -1 : PyDict_SetItemString(dict, name, value);
    Py_XDECREF(value);
    return failed;
}

static int
append_steal(PyObject *list, PyObject *value)
{
    int failed = value == NULL ? -1 : PyList_Append(list, value);
    Py_XDECREF(value);
    return failed;
}

static PyObject *
function_tuple(const struct function_record *record)
{
    return Py_BuildValue("(sNNNiK)", kind_names[record->kind], text_to_str(&record->name),
                         text_to_str(&record->owner), text_to_str(&record->filename), record->line,
                         record->number);
}

static PyObject *
functions_list(const struct tracer *tracer, const struct recording_copy *copy)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = 0; list_owned != NULL && index < copy->function_count; index++) {
        if (append_steal(list_owned, function_tuple(tracer->functions.records[index])) < 0) {
            Py_CLEAR(list_owned);
        }
        let_others_run(index);
    }
    return list_owned;
}

/* Puts new bytes for `count` entries into the dict, and returns where to write them, with the dict as their
 * owner; NULL and an exception. */
static void *
new_column(PyObject *dict, const char *name, size_t count, size_t size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * size));
    void *content_borrowed = bytes != NULL ? PyBytes_AS_STRING(bytes) : NULL;
    return set_item_steal(dict, name, bytes) == 0 ? content_borrowed : NULL;
}

/* False and an exception. */
static bool
new_rows(struct rows *rows, PyObject *dict, size_t count)
{
    rows->parents = new_column(dict, "parent", count, sizeof *rows->parents);
    rows->functions =
        rows->parents != NULL ? new_column(dict, "function", count, sizeof *rows->functions) : NULL;
    bool got = rows->functions != NULL;
    for (int column = 0; got && column < ROW_COLUMNS; column++) {
        rows->columns[column] = new_column(dict, column_names[column], count, sizeof(int64_t));
        got = rows->columns[column] != NULL;
    }
    return got;
}

static void
fill_without_gil(struct rows *rows, struct thread_row *threads, const struct fates *fates,
                 struct recording_copy *copy)
{
    Py_BEGIN_ALLOW_THREADS;
    rows_fill(rows, threads, fates, copy);
    Py_END_ALLOW_THREADS;
}

static bool
decide_without_gil(struct fates *fates, struct recording_copy *copy)
{
    bool decided;
    Py_BEGIN_ALLOW_THREADS;
    decided = fates_decide(fates, copy);
    Py_END_ALLOW_THREADS;
    return decided;
}

/* Also the rows of the threads. NULL and an exception. */
static PyObject *
nodes_dict(struct recording_copy *copy, struct thread_row *threads)
{
    struct fates fates = {0};
    struct rows rows;
    PyObject *dict_owned = NULL;
    if (!decide_without_gil(&fates, copy)) {
        PyErr_NoMemory();
    } else if ((dict_owned = PyDict_New()) != NULL && !new_rows(&rows, dict_owned, fates.row_count)) {
        Py_CLEAR(dict_owned);
    } else if (dict_owned != NULL) {
        fill_without_gil(&rows, threads, &fates, copy);
    }
    fates_free(&fates, copy);
    return dict_owned;
}

static PyObject *
thread_tuple(const struct thread_copy *thread, const struct thread_row *row)
{
    return Py_BuildValue("(KKKNNiNLLKK)", thread->id, thread->ident, thread->native_id,
                         text_to_str(&thread->name), text_to_str(&thread->class_name), row->root,
                         PyBool_FromLong(thread->alive), (long long)row->lifetime_ns, (long long)row->own_ns,
                         thread->switches, thread->polls);
}

/* The oldest first. */
static PyObject *
threads_list(const struct recording_copy *copy, const struct thread_row *rows)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = copy->thread_count; list_owned != NULL && index-- > 0;) {
        if (append_steal(list_owned, thread_tuple(&copy->threads[index], &rows[index])) < 0) {
            Py_CLEAR(list_owned);
        }
    }
    return list_owned;
}

/* -1 for none. */
static int
index_of(const struct function *function)
{
    return function != NULL ? (int)function->index : -1;
}

static PyObject *
greenlet_tuple(const struct recording_copy *copy, const struct greenlet_copy *greenlet)
{
    const struct greenlet_record *record = &greenlet->record;
    struct greenlet_row row = greenlet_row_of(copy, record);
    int kind_index = record->kind_index != RECORD_NO_KIND ? (int)record->kind_index : -1;
    return Py_BuildValue(
        "(KKiiLLLLLLKLLLNNi)", (unsigned long long)record->id, (unsigned long long)record->thread_id,
        (int)record->class_index, kind_index, (long long)row.running_ns, (long long)row.cpu_ns,
        (long long)row.waiting_ns, (long long)row.idle_ns, (long long)row.contended_ns, (long long)row.lag_ns,
        record->switches, (long long)row.began_ns, (long long)row.ended_ns, (long long)row.longest_slice_ns,
        PyBool_FromLong(greenlet->alive), PyBool_FromLong(greenlet->running), greenlet->row);
}

static PyObject *
greenlets_list(const struct recording_copy *copy)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = 0; list_owned != NULL && index < copy->greenlet_count; index++) {
        if (append_steal(list_owned, greenlet_tuple(copy, &copy->greenlets[index])) < 0) {
            Py_CLEAR(list_owned);
        }
        let_others_run(index);
    }
    return list_owned;
}

static PyObject *
places_list(const struct note *note)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = 0; list_owned != NULL && index < note->place_count; index++) {
        const struct note_place *place = &note->places[index];
        if (append_steal(list_owned, Py_BuildValue("(ii)", index_of(place->function), place->line)) < 0) {
            Py_CLEAR(list_owned);
        }
    }
    return list_owned;
}

static PyObject *
notes_list(const struct recording_copy *copy)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = 0; list_owned != NULL && index < copy->notes.count; index++) {
        const struct note *note = &copy->notes.notes[index];
        PyObject *tuple =
            Py_BuildValue("(KNN)", note->greenlet_id, text_to_str(&note->name), places_list(note));
        if (append_steal(list_owned, tuple) < 0) {
            Py_CLEAR(list_owned);
        }
        let_others_run(index);
    }
    return list_owned;
}

static PyObject *
lengths_tuple(const struct slice_kind *kind)
{
    PyObject *tuple_owned = PyTuple_New(SLICE_LENGTHS);
    for (Py_ssize_t length = 0; tuple_owned != NULL && length < SLICE_LENGTHS; length++) {
        PyObject *count_owned = PyLong_FromUnsignedLongLong(kind->lengths[length]);
        if (count_owned == NULL) {
            Py_CLEAR(tuple_owned);
        } else {
            PyTuple_SET_ITEM(tuple_owned, length, count_owned);
        }
    }
    return tuple_owned;
}

static PyObject *
slice_kinds_list(const struct recording_copy *copy)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = 0; list_owned != NULL && index < copy->slices.kind_count; index++) {
        const struct slice_kind *kind = &copy->slices.kinds[index];
        PyObject *tuple = Py_BuildValue(
            "(iiKKKLLN)", index_of(kind->class_function), index_of(kind->first), kind->unrecorded_greenlets,
            kind->unrecorded_switches, kind->count, (long long)snapshot_ns(copy, kind->ticks),
            (long long)snapshot_ns(copy, kind->longest_ticks), lengths_tuple(kind));
        if (append_steal(list_owned, tuple) < 0) {
            Py_CLEAR(list_owned);
        }
        let_others_run(index);
    }
    return list_owned;
}

/* They add up to the slice, to the nanosecond. */
static PyObject *
samples_list(const struct recording_copy *copy, const struct slice_copy *slice)
{
    const struct slice_samples *samples = &slice->slice.samples;
    PyObject *list_owned = PyList_New(0);
    uint64_t ticks = 0;
    for (size_t index = 0; list_owned != NULL && index < samples->count; index++) {
        int64_t before_ns = snapshot_ns(copy, ticks);
        ticks += samples->entries[index].ticks;
        PyObject *tuple = Py_BuildValue("(iL)", slice->sample_rows[index],
                                        (long long)(snapshot_ns(copy, ticks) - before_ns));
        if (append_steal(list_owned, tuple) < 0) {
            Py_CLEAR(list_owned);
        }
    }
    return list_owned;
}

static PyObject *
blocking_slice_tuple(const struct recording_copy *copy, const struct slice_copy *row)
{
    const struct blocking_slice *slice = &row->slice;
    uint64_t cpu_ticks = slice->ticks > slice->off_cpu_ticks ? slice->ticks - slice->off_cpu_ticks : 0;
    return Py_BuildValue("(KKiiLLLKNNiN)", slice->thread_id, slice->greenlet_id,
                         index_of(slice->class_function), index_of(slice->first),
                         (long long)slice->began_monotonic_ns, (long long)snapshot_ns(copy, slice->ticks),
                         (long long)snapshot_ns(copy, cpu_ticks), slice->suspended,
                         PyBool_FromLong(slice->is_over), PyBool_FromLong(row->goes_on), row->culprit_row,
                         samples_list(copy, row));
}

static PyObject *
blocking_slices_list(const struct recording_copy *copy)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = 0; list_owned != NULL && index < copy->slices.blocking_count; index++) {
        if (append_steal(list_owned, blocking_slice_tuple(copy, &copy->slices.blocking[index])) < 0) {
            Py_CLEAR(list_owned);
        }
    }
    return list_owned;
}

static PyObject *
culprits_list(const struct recording_copy *copy)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = 0; list_owned != NULL && index < copy->slices.culprit_count; index++) {
        const struct culprit_copy *row = &copy->slices.culprits[index];
        PyObject *tuple = Py_BuildValue("(iKLL)", row->row, row->culprit.count,
                                        (long long)snapshot_ns(copy, row->culprit.ticks),
                                        (long long)snapshot_ns(copy, row->culprit.longest_ticks));
        if (append_steal(list_owned, tuple) < 0) {
            Py_CLEAR(list_owned);
        }
    }
    return list_owned;
}

/* Once the rows are known: see rows_fill(). NULL and an exception. */
static PyObject *
slices_dict(const struct recording_copy *copy)
{
    PyObject *dict_owned = Py_BuildValue("{sLsK}", "blocking_ns", (long long)copy->slices.blocking_ns,
                                         "blocking_count", copy->slices.all_blocking);
    if (dict_owned == NULL || set_item_steal(dict_owned, "kinds", slice_kinds_list(copy)) < 0 ||
        set_item_steal(dict_owned, "blocking", blocking_slices_list(copy)) < 0 ||
        set_item_steal(dict_owned, "culprits", culprits_list(copy)) < 0) {
        Py_XDECREF(dict_owned);
        return NULL;
    }
    return dict_owned;
}

static const char *const end_names[TIMELINE_ENDS] = {
    [TIMELINE_UNRECORDED] = "unrecorded",
    [TIMELINE_SWITCH] = "switch",
    [TIMELINE_POLL] = "poll",
    [TIMELINE_IDLE] = "idle",
    [TIMELINE_STOP] = "stop",
};

/* In the order of the numbers in the column `end`. */
static PyObject *
ends_tuple(const struct timeline_copy *timeline)
{
    PyObject *tuple_owned = PyTuple_New(TIMELINE_ENDS);
    for (Py_ssize_t end = 0; tuple_owned != NULL && end < TIMELINE_ENDS; end++) {
        PyObject *pair_owned = Py_BuildValue("(sK)", end_names[end], timeline->gone[end]);
        if (pair_owned == NULL) {
            Py_CLEAR(tuple_owned);
        } else {
            PyTuple_SET_ITEM(tuple_owned, end, pair_owned);
        }
    }
    return tuple_owned;
}

/* False and an exception. */
static bool
new_timeline_columns(struct timeline_columns *columns, PyObject *dict, size_t count)
{
    return (columns->ended_ns = new_column(dict, "ended_ns", count, sizeof *columns->ended_ns)) != NULL &&
           (columns->greenlets = new_column(dict, "greenlet", count, sizeof *columns->greenlets)) != NULL &&
           (columns->threads = new_column(dict, "thread", count, sizeof *columns->threads)) != NULL &&
           (columns->ends = new_column(dict, "end", count, sizeof *columns->ends)) != NULL &&
           (columns->blocked = new_column(dict, "blocked", count, sizeof *columns->blocked)) != NULL;
}

/* None where it was not asked for. NULL and an exception. */
static PyObject *
timeline_dict(const struct recording_copy *copy)
{
    const struct timeline_copy *timeline = &copy->timeline;
    struct timeline_columns columns;
    if (!timeline->is_kept) {
        return Py_NewRef(Py_None);
    }
    PyObject *dict_owned =
        Py_BuildValue("{sKsN}", "entered", timeline->entered, "ends", ends_tuple(timeline));
    if (dict_owned == NULL || !new_timeline_columns(&columns, dict_owned, timeline->count)) {
        Py_XDECREF(dict_owned);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    timeline_columns_fill(&columns, copy);
    Py_END_ALLOW_THREADS;
    return dict_owned;
}

static PyObject *
counters_dict(const struct recording_copy *copy)
{
    return Py_BuildValue(
        "{sKsKsKsKsKsKsKsKsKsKsKsKsKsKsKsKsKsKsKsKsL}", "unnoted_greenlets", copy->notes.unkept,
        "truncated_calls", copy->counters.truncated_calls, "lost_leaves", copy->counters.lost_leaves,
        "unmatched_leaves", copy->counters.unmatched_leaves, "unrecorded_greenlets",
        copy->counters.unrecorded_greenlets, "unrecorded_threads", copy->tracer_counters.unrecorded_threads,
        "folded_threads", copy->counters.folded_threads, "unopened_tags", copy->counters.unopened_tags,
        "missed_switches", copy->tracer_counters.missed_switches, "unnamed_calls",
        copy->tracer_counters.unnamed_calls, "unplaced_greenlets", copy->tracer_counters.unplaced_greenlets,
        "unreached_greenlets", copy->tracer_counters.unreached_greenlets, "unmet_greenlets",
        copy->tracer_counters.unmet_greenlets, "cut_off_threads", copy->tracer_counters.cut_off_threads,
        "replaced_profile_functions", copy->tracer_counters.replaced_profile_functions, "frozen_objects",
        copy->tracer_counters.frozen_objects, "cpu_clock_reads", copy->cpu_reads, "cpu_clock_unknown",
        copy->cpu_unknown, "unkept_slices", copy->slices.unkept, "dropped_intervals", copy->dropped_intervals,
        "dropped_ns", (long long)snapshot_ns(copy, copy->dropped_ticks));
}

static PyObject *
recording_dict(const struct tracer *tracer, struct recording_copy *copy, struct thread_row *threads)
{
    PyObject *dict_owned = Py_BuildValue(
        "{sssLsLsLsN}", "clock", copy->clock.counts_ticks ? "tsc" : "monotonic", "started_at_ns",
        (long long)tracer->started_at_ns, "started_monotonic_ns", (long long)tracer->started_monotonic_ns,
        "recorded_ns", (long long)snapshot_ns(copy, copy->recorded_ticks), "builtins",
        PyBool_FromLong(tracer->records_builtins));
    if (dict_owned == NULL || set_item_steal(dict_owned, "functions", functions_list(tracer, copy)) < 0 ||
        set_item_steal(dict_owned, "nodes", nodes_dict(copy, threads)) < 0 ||
        set_item_steal(dict_owned, "threads", threads_list(copy, threads)) < 0 ||
        set_item_steal(dict_owned, "greenlets", greenlets_list(copy)) < 0 ||
        set_item_steal(dict_owned, "notes", notes_list(copy)) < 0 ||
        set_item_steal(dict_owned, "slices", slices_dict(copy)) < 0 ||
        set_item_steal(dict_owned, "timeline", timeline_dict(copy)) < 0 ||
        set_item_steal(dict_owned, "counters", counters_dict(copy)) < 0) {
        Py_XDECREF(dict_owned);
        return NULL;
    }
    return dict_owned;
}

static PyObject *
dict_of_copy(const struct tracer *tracer, struct recording_copy *copy)
{
    size_t size = (copy->thread_count + 1) * sizeof(struct thread_row);
    struct thread_row *threads = memory_get(&copy->memory, size);
    PyObject *dict_owned = threads != NULL ? recording_dict(tracer, copy, threads) : PyErr_NoMemory();
    memory_free(&copy->memory, threads, size);
    return dict_owned;
}

/* -- the moment ---------------------------------------------------------------------------------- */

/* Whom the time since the last event is charged to: the function that runs, or the profiler. */
static void
charge(struct tracer *tracer, void (*charge_thread)(struct thread *, uint64_t))
{
    PyThreadState *tstate = compat_thread_state();
    struct thread *thread = tracer->running ? tracer_thread(tracer, tstate, NULL) : NULL;
    if (thread != NULL) {
        charge_thread(thread, clock_ticks(&tracer->recorder.clock));
    }
}

/* False when there is no memory. */
static bool
prepare(struct recording_copy *copy, const struct tracer *tracer)
{
    if (!recording_copy_prepare(copy, tracer)) {
        return false;
    }
    Py_BEGIN_ALLOW_THREADS;
    recording_copy_touch(copy);
    Py_END_ALLOW_THREADS;
    return true;
}

static bool
take(struct recording_copy *copy, struct tracer *tracer)
{
    greenlets_check_running(tracer);
    switch_hook_notice_cut_offs(tracer);
    source_notice_replacement(tracer);
    return recording_copy_take(copy, tracer);
}

PyObject *
snapshot_take(struct tracer *tracer)
{
    struct recording_copy copy;
    charge(tracer, thread_charge);
    bool copied = prepare(&copy, tracer);
    charge(tracer, thread_charge_own);
    copied = copied && take(&copy, tracer);
    charge(tracer, thread_charge_own);
    PyObject *snapshot_owned = copied ? dict_of_copy(tracer, &copy) : PyErr_NoMemory();
    recording_copy_free(&copy);
    return snapshot_owned;
}
