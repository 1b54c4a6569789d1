/* snapshot.c -- the recording, as plain Python values.
 *
 *      recording --snapshot_copy.c--> copy --snapshot_rows.c----> rows, in bytes
 *                                      +-------snapshot_values.c--> lists and tuples
 *
 * All numbers are of the one moment at which the recording is copied. What takes long is done without the
 * GIL, before and after that; objects are made with it, some at a time. That may run the collector, and with
 * it any code, which the recorder goes on recording. */
#include "greenlets.h"
#include "snapshot_values.h"
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

/* Steals `value`. -1 and an exception; also when `value` is NULL. */
static int
set_item_steal(PyObject *dict, const char *name, PyObject *value)
{
    int failed = value == NULL ? -1 : PyDict_SetItemString(dict, name, value);
    Py_XDECREF(value);
    return failed;
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

/* Once the rows are known: see rows_fill(). NULL and an exception. */
static PyObject *
slices_dict(const struct snapshot_source *source)
{
    const struct slices_copy *slices = &source->copy->slices;
    PyObject *dict_owned = Py_BuildValue("{sLsK}", "blocking_ns", (long long)slices->blocking_ns,
                                         "blocking_count", slices->all_blocking);
    if (dict_owned == NULL || set_item_steal(dict_owned, "kinds", snapshot_slice_kinds(source)) < 0 ||
        set_item_steal(dict_owned, "blocking", snapshot_blocking_slices(source)) < 0 ||
        set_item_steal(dict_owned, "culprits", snapshot_culprits(source)) < 0) {
        Py_XDECREF(dict_owned);
        return NULL;
    }
    return dict_owned;
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
timeline_dict(const struct snapshot_source *source)
{
    const struct timeline_copy *timeline = &source->copy->timeline;
    struct timeline_columns columns;
    if (!timeline->is_kept) {
        return Py_NewRef(Py_None);
    }
    PyObject *dict_owned =
        Py_BuildValue("{sKsN}", "entered", timeline->entered, "ends", snapshot_ends(source));
    if (dict_owned == NULL || !new_timeline_columns(&columns, dict_owned, timeline->count)) {
        Py_XDECREF(dict_owned);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    timeline_columns_fill(&columns, source->copy);
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
    const struct snapshot_source source = {tracer, copy, threads};
    PyObject *dict_owned = Py_BuildValue(
        "{sssLsLsLsN}", "clock", copy->clock.counts_ticks ? "tsc" : "monotonic", "started_at_ns",
        (long long)tracer->started_at_ns, "started_monotonic_ns", (long long)tracer->started_monotonic_ns,
        "recorded_ns", (long long)snapshot_ns(copy, copy->recorded_ticks), "builtins",
        PyBool_FromLong(tracer->records_builtins));
    if (dict_owned == NULL || set_item_steal(dict_owned, "functions", snapshot_functions(&source)) < 0 ||
        set_item_steal(dict_owned, "nodes", nodes_dict(copy, threads)) < 0 ||
        set_item_steal(dict_owned, "threads", snapshot_threads(&source)) < 0 ||
        set_item_steal(dict_owned, "greenlets", snapshot_greenlets(&source)) < 0 ||
        set_item_steal(dict_owned, "notes", snapshot_notes(&source)) < 0 ||
        set_item_steal(dict_owned, "slices", slices_dict(&source)) < 0 ||
        set_item_steal(dict_owned, "timeline", timeline_dict(&source)) < 0 ||
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
