/* snapshot.c -- the recording, as plain Python values.
 *
 * Two steps. First everything is settled and copied into a buffer of our own: no Python runs meanwhile, so
 * all numbers are of one moment. Then objects are made of the copy: that may run the collector, and with
 * it any code, which the recorder goes on recording.
 *
 * Ticks become nanoseconds by their running sum, not one by one: each value is off by at most one, and the
 * sum of all is exactly the thread's recorded time.
 *
 * The profiler's own functions are folded out here: their time goes to the thread's own cost, what they
 * called hangs below whoever called them. */
#include "greenlets.h"
#include "mid_flight.h"
#include "switch_hook.h"
#include "tracer.h"

#include <math.h>
#include <string.h>

enum { CALLS, RESUMES, PASSED_OVER, RUNNING_NS, CPU_NS, WAITING_NS, IDLE_NS, COLUMNS };
static const char *const column_names[COLUMNS] = {
    [CALLS] = "calls",           [RESUMES] = "resumes", [PASSED_OVER] = "passed_over",
    [RUNNING_NS] = "running_ns", [CPU_NS] = "cpu_ns",   [WAITING_NS] = "waiting_ns",
    [IDLE_NS] = "idle_ns",
};

struct thread_row {
    uint64_t id, ident, native_id, switches;
    int32_t root;
    int64_t lifetime_ns, own_ns;
    bool alive;
    struct text name, class_name;
};

struct greenlet_row {
    uint64_t id, thread_id, switches;
    int32_t class_function, kind_function;
    int64_t running_ns, cpu_ns, waiting_ns, idle_ns;
    bool alive;
};

struct copy {
    struct memory memory;
    double ns_per_tick;
    size_t row_count, row_capacity;
    int32_t *parents;
    int32_t *functions;
    int64_t *columns[COLUMNS];
    size_t thread_count, thread_capacity;
    struct thread_row *threads;
    size_t greenlet_count, greenlet_capacity;
    struct greenlet_row *greenlets;
    struct recorder_counters counters;
    struct tracer_counters tracer_counters;
    uint64_t cpu_reads, cpu_unknown, dropped_intervals, dropped_ticks;
    uint64_t recorded_ticks;
    size_t function_count;
};

/* -- ticks to nanoseconds ------------------------------------------------------------------------ */

/* Converts a sequence of durations so that the results add up to the converted sum. */
struct converter {
    long double ns_per_tick;
    uint64_t ticks;
    int64_t ns;
};

static int64_t
convert(struct converter *converter, uint64_t ticks)
{
    converter->ticks += ticks;
    int64_t before_ns = converter->ns;
    converter->ns = llroundl((long double)converter->ticks * converter->ns_per_tick);
    return converter->ns - before_ns;
}

static int64_t
convert_one(const struct copy *copy, uint64_t ticks)
{
    struct converter converter = {.ns_per_tick = copy->ns_per_tick};
    return convert(&converter, ticks);
}

/* -- first step: copying ------------------------------------------------------------------------- */

/* What becomes of a node. */
enum fate {
    FATE_EMPTY,  /* nothing happened there, nor below: left out */
    FATE_HIDDEN, /* the profiler's own: its time is, and what it called hangs below its caller */
    FATE_SHOWN,
};

static bool
is_hidden(const struct node *node, enum fate parent)
{
    uint32_t flags = node->function->flags;
    return (flags & FUNCTION_IS_HIDDEN) != 0 || (parent == FATE_HIDDEN && (flags & FUNCTION_IS_C) != 0);
}

static bool
has_content(const struct node *node)
{
    return (node->calls | node->resumes | node->running_ticks | node->waiting_ticks) != 0;
}

/* Children first, for who has a child with content is not empty; then parents first, for what the profiler
 * calls in C is the profiler's too. */
static void
decide_fates(const struct tree *tree, enum fate *fates)
{
    for (size_t index = tree->node_count; index-- > 0;) {
        const struct node *node = tree_node(tree, index);
        if (node->parent == NULL || has_content(node)) {
            fates[index] = FATE_SHOWN;
        }
        if (fates[index] == FATE_SHOWN && node->parent != NULL) {
            fates[tree_index(tree, node->parent)] = FATE_SHOWN;
        }
    }
    for (size_t index = 1; index < tree->node_count; index++) {
        const struct node *node = tree_node(tree, index);
        if (fates[index] == FATE_SHOWN && is_hidden(node, fates[tree_index(tree, node->parent)])) {
            fates[index] = FATE_HIDDEN;
        }
    }
}

/* Converters of one thread: running, idle and own time share one, for their sum is what must hold. */
struct thread_converters {
    struct converter wall;
    struct converter off_cpu;
    struct converter waiting;
};

static void
copy_node(struct copy *copy, struct thread_converters *converters, const struct node *node, int32_t parent)
{
    size_t row = copy->row_count++;
    uint64_t idle_ticks = node_polls(node) ? node->off_cpu_ticks : 0;
    int64_t running_ns = convert(&converters->wall, node->running_ticks - idle_ticks);
    int64_t cpu_ns = running_ns - convert(&converters->off_cpu, node->off_cpu_ticks - idle_ticks);
    copy->parents[row] = parent;
    copy->functions[row] = (int32_t)node->function->index;
    copy->columns[CALLS][row] = (int64_t)node->calls;
    copy->columns[RESUMES][row] = (int64_t)node->resumes;
    copy->columns[PASSED_OVER][row] = (int64_t)node->passed_over;
    copy->columns[RUNNING_NS][row] = running_ns;
    copy->columns[CPU_NS][row] = cpu_ns < 0 ? 0 : cpu_ns; /* two roundings may differ by one */
    copy->columns[IDLE_NS][row] = convert(&converters->wall, idle_ticks);
    copy->columns[WAITING_NS][row] = convert(&converters->waiting, node->waiting_ticks);
}

/* Copies a thread's tree; returns the ticks of the hidden nodes. `rows` is room for one number a node. */
static uint64_t
copy_tree(struct copy *copy, struct thread_converters *converters, const struct tree *tree,
          const enum fate *fates, int32_t *rows)
{
    uint64_t hidden_ticks = 0;
    for (size_t index = 0; index < tree->node_count; index++) {
        const struct node *node = tree_node(tree, index);
        int32_t parent = node->parent != NULL ? rows[tree_index(tree, node->parent)] : -1;
        rows[index] = parent;
        if (fates[index] == FATE_HIDDEN) {
            hidden_ticks += node->running_ticks;
        } else if (fates[index] == FATE_SHOWN) {
            rows[index] = (int32_t)copy->row_count;
            copy_node(copy, converters, node, parent);
        }
    }
    return hidden_ticks;
}

/* What stands for all ended threads is no thread of the interpreter's: it goes by its root's name. */
static bool
copy_thread_names(struct copy *copy, struct thread_row *row, const struct thread *thread,
                  const struct traced_thread *traced)
{
    if (traced == NULL) {
        const struct function_record *root = (const struct function_record *)thread->root->function;
        return text_copy(&copy->memory, &row->name, &root->name);
    }
    row->ident = traced->ident;
    row->native_id = traced->native_id;
    return text_copy(&copy->memory, &row->name, &traced->name) &&
           text_copy(&copy->memory, &row->class_name, &traced->class_name);
}

static const struct traced_thread *
traced_thread_of(const struct tracer *tracer, const struct thread *thread)
{
    for (size_t bucket = 0; bucket < TRACER_THREAD_BUCKETS; bucket++) {
        for (struct traced_thread *each = tracer->threads[bucket]; each != NULL; each = each->next) {
            if (each->thread == thread) {
                return each;
            }
        }
    }
    return NULL;
}

static bool
copy_thread(struct copy *copy, const struct tracer *tracer, const struct thread *thread)
{
    size_t nodes = thread->tree.node_count;
    int32_t *rows = memory_get(&copy->memory, nodes * sizeof *rows);
    enum fate *fates = memory_get(&copy->memory, nodes * sizeof *fates);
    struct thread_row *row = &copy->threads[copy->thread_count++];
    *row = (struct thread_row){.id = thread->id, .switches = thread->switches, .alive = thread->alive};
    row->root = (int32_t)copy->row_count;
    bool copied = rows != NULL && fates != NULL &&
                  copy_thread_names(copy, row, thread, traced_thread_of(tracer, thread));
    if (copied) {
        long double rate = copy->ns_per_tick;
        struct thread_converters converters = {
            {.ns_per_tick = rate}, {.ns_per_tick = rate}, {.ns_per_tick = rate}};
        decide_fates(&thread->tree, fates);
        uint64_t hidden_ticks = copy_tree(copy, &converters, &thread->tree, fates, rows);
        row->own_ns = convert(&converters.wall, hidden_ticks + thread->own_ticks);
        row->lifetime_ns = convert_one(copy, thread_recorded_ticks(thread));
    }
    memory_free(&copy->memory, rows, nodes * sizeof *rows);
    memory_free(&copy->memory, fates, nodes * sizeof *fates);
    copy->cpu_reads += thread->cpu_reads;
    copy->cpu_unknown += thread->cpu_unknown;
    copy->dropped_intervals += thread->dropped_intervals;
    copy->dropped_ticks += thread->dropped_ticks;
    return copied;
}

static void
copy_greenlet(struct copy *copy, const struct greenlet_record *record, bool alive)
{
    uint64_t running_ticks = record->running_ticks - record->idle_ticks;
    uint64_t off_cpu_ticks = record->off_cpu_ticks - record->idle_ticks;
    uint64_t cpu_ticks = running_ticks > off_cpu_ticks ? running_ticks - off_cpu_ticks : 0;
    copy->greenlets[copy->greenlet_count++] = (struct greenlet_row){
        .id = record->id,
        .thread_id = record->thread_id,
        .switches = record->switches,
        .class_function = (int32_t)record->class_function->index,
        .kind_function = record->kind != NULL ? (int32_t)record->kind->index : -1,
        .running_ns = convert_one(copy, running_ticks),
        .cpu_ns = convert_one(copy, cpu_ticks),
        .waiting_ns = convert_one(copy, record->waiting_ticks),
        .idle_ns = convert_one(copy, record->idle_ticks),
        .alive = alive,
    };
}

static void
copy_greenlets(struct copy *copy, const struct recorder *recorder)
{
    for (size_t index = 0; index < recorder->ended_greenlet_count; index++) {
        const struct greenlet_record *record = &recorder->ended_greenlets[index];
        if (!record->continued) {
            copy_greenlet(copy, record, recorder_record_is_alive(recorder, record));
        }
    }
    for (const struct thread *thread = recorder->threads; thread != NULL; thread = thread->next) {
        for (const struct position *each = thread->positions; each != NULL; each = each->next) {
            struct greenlet_record record = recorder_record_of(thread, each);
            if (each->bottom->node != thread->root) { /* what runs is known */
                copy_greenlet(copy, &record, true);
            }
        }
    }
}

static void
count_rows(struct copy *copy, const struct recorder *recorder)
{
    copy->greenlet_capacity = recorder->ended_greenlet_count;
    for (const struct thread *thread = recorder->threads; thread != NULL; thread = thread->next) {
        copy->thread_capacity++;
        copy->row_capacity += thread->tree.node_count;
        for (const struct position *each = thread->positions; each != NULL; each = each->next) {
            copy->greenlet_capacity++;
        }
    }
}

static bool
get_room(struct copy *copy)
{
    struct memory *memory = &copy->memory;
    size_t rows = copy->row_capacity + 1; /* no block is empty, so none is NULL but for lack of memory */
    copy->parents = memory_get(memory, rows * sizeof *copy->parents);
    copy->functions = memory_get(memory, rows * sizeof *copy->functions);
    copy->threads = memory_get(memory, (copy->thread_capacity + 1) * sizeof *copy->threads);
    copy->greenlets = memory_get(memory, (copy->greenlet_capacity + 1) * sizeof *copy->greenlets);
    bool got = copy->parents && copy->functions && copy->threads && copy->greenlets;
    for (int column = 0; column < COLUMNS; column++) {
        copy->columns[column] = memory_get(memory, rows * sizeof(int64_t));
        got = got && copy->columns[column] != NULL;
    }
    return got;
}

static void
free_copy(struct copy *copy)
{
    struct memory *memory = &copy->memory;
    size_t rows = copy->row_capacity + 1;
    for (size_t index = 0; index < copy->thread_count; index++) {
        text_free(memory, &copy->threads[index].name);
        text_free(memory, &copy->threads[index].class_name);
    }
    memory_free(memory, copy->parents, rows * sizeof *copy->parents);
    memory_free(memory, copy->functions, rows * sizeof *copy->functions);
    memory_free(memory, copy->threads, (copy->thread_capacity + 1) * sizeof *copy->threads);
    memory_free(memory, copy->greenlets, (copy->greenlet_capacity + 1) * sizeof *copy->greenlets);
    for (int column = 0; column < COLUMNS; column++) {
        memory_free(memory, copy->columns[column], rows * sizeof(int64_t));
    }
}

static bool
copy_recording(struct copy *copy, const struct tracer *tracer)
{
    const struct recorder *recorder = &tracer->recorder;
    count_rows(copy, recorder);
    if (!get_room(copy)) {
        return false;
    }
    copy->counters = recorder->counters;
    copy->tracer_counters = tracer->counters;
    copy->tracer_counters.unmet_greenlets += mid_flight_unmet(tracer);
    copy->function_count = tracer->functions.count;
    for (const struct thread *thread = recorder->threads; thread != NULL; thread = thread->next) {
        if (!copy_thread(copy, tracer, thread)) {
            return false;
        }
    }
    copy_greenlets(copy, recorder);
    return true;
}

/* Everything up to now, and what it took to say so as our own cost. */
static bool
settle_and_copy(struct copy *copy, struct tracer *tracer)
{
    const struct clock *clock = &tracer->recorder.clock;
    threads_notice_ends(tracer);
    copy->recorded_ticks = tracer->recorded_ticks;
    if (tracer->running) {
        recorder_settle(&tracer->recorder, clock_ticks(clock));
        copy->recorded_ticks += clock_ticks(clock) - tracer->session_began_ticks;
        clock_refine(&tracer->recorder.clock);
    }
    copy->memory = tracer->recorder.memory;
    copy->memory.bytes = 0;
    copy->ns_per_tick = tracer->recorder.clock.counts_ticks ? 1.0 / tracer->recorder.clock.ticks_per_ns : 1.0;
    return copy_recording(copy, tracer);
}

/* -- second step: objects ------------------------------------------------------------------------ */

static const char *const kind_names[] = {
    [KIND_PYTHON] = "python",           [KIND_FUNCTION] = "function",   [KIND_METHOD] = "method",
    [KIND_CLASSMETHOD] = "classmethod", [KIND_SLOT] = "slot",           [KIND_TYPE] = "type",
    [KIND_CYTHON] = "cython",           [KIND_CALLABLE] = "callable",   [KIND_THREAD] = "thread",
    [KIND_GREENLET] = "greenlet",       [KIND_TRUNCATED] = "truncated",
};

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
    return Py_BuildValue("(sNNNi)", kind_names[record->kind], text_to_str(&record->name),
                         text_to_str(&record->owner), text_to_str(&record->filename), record->line);
}

static PyObject *
functions_list(const struct tracer *tracer, const struct copy *copy)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = 0; list_owned != NULL && index < copy->function_count; index++) {
        if (append_steal(list_owned, function_tuple(tracer->functions.records[index])) < 0) {
            Py_CLEAR(list_owned);
        }
    }
    return list_owned;
}

static PyObject *
bytes_of(const void *data, size_t count, size_t size)
{
    return PyBytes_FromStringAndSize(data, (Py_ssize_t)(count * size));
}

static PyObject *
nodes_dict(const struct copy *copy)
{
    PyObject *dict_owned = PyDict_New();
    size_t rows = copy->row_count;
    if (dict_owned == NULL ||
        set_item_steal(dict_owned, "parent", bytes_of(copy->parents, rows, sizeof(int32_t))) < 0 ||
        set_item_steal(dict_owned, "function", bytes_of(copy->functions, rows, sizeof(int32_t))) < 0) {
        Py_XDECREF(dict_owned);
        return NULL;
    }
    for (int column = 0; column < COLUMNS; column++) {
        PyObject *bytes = bytes_of(copy->columns[column], rows, sizeof(int64_t));
        if (set_item_steal(dict_owned, column_names[column], bytes) < 0) {
            Py_DECREF(dict_owned);
            return NULL;
        }
    }
    return dict_owned;
}

static PyObject *
thread_tuple(const struct thread_row *row)
{
    return Py_BuildValue("(KKKNNiNLLK)", row->id, row->ident, row->native_id, text_to_str(&row->name),
                         text_to_str(&row->class_name), row->root, PyBool_FromLong(row->alive),
                         (long long)row->lifetime_ns, (long long)row->own_ns, row->switches);
}

static PyObject *
threads_list(const struct copy *copy)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = copy->thread_count; list_owned != NULL && index-- > 0;) {
        if (append_steal(list_owned, thread_tuple(&copy->threads[index])) < 0) {
            Py_CLEAR(list_owned);
        }
    }
    return list_owned;
}

static PyObject *
greenlet_tuple(const struct greenlet_row *row)
{
    return Py_BuildValue("(KKiiLLLLKN)", row->id, row->thread_id, row->class_function, row->kind_function,
                         (long long)row->running_ns, (long long)row->cpu_ns, (long long)row->waiting_ns,
                         (long long)row->idle_ns, row->switches, PyBool_FromLong(row->alive));
}

static PyObject *
greenlets_list(const struct copy *copy)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t index = 0; list_owned != NULL && index < copy->greenlet_count; index++) {
        if (append_steal(list_owned, greenlet_tuple(&copy->greenlets[index])) < 0) {
            Py_CLEAR(list_owned);
        }
    }
    return list_owned;
}

static PyObject *
counters_dict(const struct copy *copy)
{
    return Py_BuildValue(
        "{sKsKsKsKsKsKsKsKsKsKsKsKsKsKsKsKsKsL}", "truncated_calls", copy->counters.truncated_calls,
        "lost_leaves", copy->counters.lost_leaves, "unmatched_leaves", copy->counters.unmatched_leaves,
        "unrecorded_greenlets", copy->counters.unrecorded_greenlets, "unrecorded_threads",
        copy->tracer_counters.unrecorded_threads, "folded_threads", copy->counters.folded_threads,
        "missed_switches", copy->tracer_counters.missed_switches, "unnamed_calls",
        copy->tracer_counters.unnamed_calls, "unplaced_greenlets", copy->tracer_counters.unplaced_greenlets,
        "unreached_greenlets", copy->tracer_counters.unreached_greenlets, "unmet_greenlets",
        copy->tracer_counters.unmet_greenlets, "cut_off_threads", copy->tracer_counters.cut_off_threads,
        "replaced_profile_functions", copy->tracer_counters.replaced_profile_functions, "frozen_objects",
        copy->tracer_counters.frozen_objects, "cpu_clock_reads", copy->cpu_reads, "cpu_clock_unknown",
        copy->cpu_unknown, "dropped_intervals", copy->dropped_intervals, "dropped_ns",
        (long long)convert_one(copy, copy->dropped_ticks));
}

static PyObject *
recording_dict(const struct tracer *tracer, const struct copy *copy)
{
    PyObject *dict_owned = Py_BuildValue(
        "{sssLsLsLsN}", "clock", tracer->recorder.clock.counts_ticks ? "tsc" : "monotonic", "started_at_ns",
        (long long)tracer->started_at_ns, "started_monotonic_ns", (long long)tracer->started_monotonic_ns,
        "recorded_ns", (long long)convert_one(copy, copy->recorded_ticks), "builtins",
        PyBool_FromLong(tracer->records_builtins));
    if (dict_owned == NULL || set_item_steal(dict_owned, "functions", functions_list(tracer, copy)) < 0 ||
        set_item_steal(dict_owned, "nodes", nodes_dict(copy)) < 0 ||
        set_item_steal(dict_owned, "threads", threads_list(copy)) < 0 ||
        set_item_steal(dict_owned, "greenlets", greenlets_list(copy)) < 0 ||
        set_item_steal(dict_owned, "counters", counters_dict(copy)) < 0) {
        Py_XDECREF(dict_owned);
        return NULL;
    }
    return dict_owned;
}

static void
charge_own(struct tracer *tracer)
{
    PyThreadState *tstate = compat_thread_state();
    struct thread *thread = tracer->running ? tracer_thread(tracer, tstate, NULL) : NULL;
    if (thread != NULL) {
        thread_charge_own(thread, clock_ticks(&tracer->recorder.clock));
    }
}

PyObject *
snapshot_take(struct tracer *tracer)
{
    struct copy copy = {0};
    PyObject *snapshot = NULL;
    greenlets_check_running(tracer);
    switch_hook_notice_cut_offs(tracer);
    source_notice_replacement(tracer);
    bool copied = settle_and_copy(&copy, tracer);
    charge_own(tracer);
    if (copied) {
        snapshot = recording_dict(tracer, &copy);
    } else {
        PyErr_NoMemory();
    }
    free_copy(&copy);
    return snapshot;
}
