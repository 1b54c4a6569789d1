/* snapshot_rows.c -- from copied nodes to rows. */
#include "snapshot_rows.h"

#include <math.h>

/* -- ticks to nanoseconds ------------------------------------------------------------------------ */

/* Converts a sequence of durations so that the results add up to the converted sum. */
struct converter {
    long double ns_per_tick;
    uint64_t ticks;
    int64_t ns;
};

static struct converter
new_converter(const struct recording_copy *copy)
{
    double ns_per_tick = copy->clock.counts_ticks ? 1.0 / copy->clock.ticks_per_ns : 1.0;
    return (struct converter){.ns_per_tick = ns_per_tick};
}

static int64_t
convert(struct converter *converter, uint64_t ticks)
{
    if (ticks == 0) {
        return 0;
    }
    converter->ticks += ticks;
    int64_t before_ns = converter->ns;
    converter->ns = llroundl((long double)converter->ticks * converter->ns_per_tick);
    return converter->ns - before_ns;
}

int64_t
snapshot_ns(const struct recording_copy *copy, uint64_t ticks)
{
    struct converter converter = new_converter(copy);
    return convert(&converter, ticks);
}

/* -- fates --------------------------------------------------------------------------------------- */

enum fate {
    FATE_EMPTY,  /* nothing happened there, nor below: left out */
    FATE_HIDDEN, /* the profiler's own: its time is, and what it called hangs below its caller */
    FATE_SHOWN,
};

static bool
is_hidden(const struct node *node, unsigned char parent)
{
    uint32_t flags = node->function->flags;
    return (flags & FUNCTION_IS_HIDDEN) != 0 || (parent == FATE_HIDDEN && (flags & FUNCTION_IS_C) != 0);
}

static bool
has_content(const struct node *node)
{
    return (node->calls | node->resumes | node->running_ticks) != 0 || node->waits != NULL;
}

/* Children first, for who has a child with content is not empty. */
static void
show_what_has_content(const struct tree_copy *tree, unsigned char *fates)
{
    for (size_t index = tree->node_count; index-- > 0;) {
        size_t parent = tree_copy_parent(tree, index);
        if (parent == TREE_NO_PARENT || has_content(&tree->nodes[index])) {
            fates[index] = FATE_SHOWN;
        }
        if (fates[index] == FATE_SHOWN && parent != TREE_NO_PARENT) {
            fates[parent] = FATE_SHOWN;
        }
    }
}

/* Parents first, for what the profiler calls in C is the profiler's too. Returns how many nodes are shown. */
static size_t
hide_our_own(const struct tree_copy *tree, unsigned char *fates)
{
    size_t shown = 1;
    for (size_t index = 1; index < tree->node_count; index++) {
        if (fates[index] == FATE_SHOWN &&
            is_hidden(&tree->nodes[index], fates[tree_copy_parent(tree, index)])) {
            fates[index] = FATE_HIDDEN;
        }
        shown += fates[index] == FATE_SHOWN;
    }
    return shown;
}

static unsigned char *
fates_of(const struct fates *fates, const struct recording_copy *copy, const struct thread_copy *thread)
{
    return fates->of_nodes + (thread->tree.nodes - copy->nodes);
}

bool
fates_decide(struct fates *fates, struct recording_copy *copy)
{
    size_t room = copy->node_count + 1; /* no block is empty, so none is NULL but for lack of memory */
    fates->row_count = 0;
    fates->of_nodes = memory_get(&copy->memory, room);
    fates->rows = memory_get(&copy->memory, room * sizeof *fates->rows);
    if (fates->of_nodes == NULL || fates->rows == NULL) {
        return false;
    }
    for (size_t index = 0; index < copy->thread_count; index++) {
        const struct thread_copy *thread = &copy->threads[index];
        unsigned char *of_thread = fates_of(fates, copy, thread);
        show_what_has_content(&thread->tree, of_thread);
        fates->row_count += hide_our_own(&thread->tree, of_thread);
    }
    return true;
}

void
fates_free(struct fates *fates, struct recording_copy *copy)
{
    size_t room = copy->node_count + 1;
    memory_free(&copy->memory, fates->of_nodes, room);
    memory_free(&copy->memory, fates->rows, room * sizeof *fates->rows);
}

/* -- rows ---------------------------------------------------------------------------------------- */

/* Converters of one thread: running, idle and own time share one, for their sum is what must hold. */
struct thread_converters {
    struct converter wall;
    struct converter off_cpu;
    struct converter waiting;
    struct converter contended;
    struct converter lag;
};

static void
fill_row(struct rows *rows, size_t row, struct thread_converters *converters, const struct node *node,
         bool polls)
{
    uint64_t idle_ticks = polls ? node->off_cpu_ticks : 0;
    int64_t running_ns = convert(&converters->wall, node->running_ticks - idle_ticks);
    int64_t cpu_ns = running_ns - convert(&converters->off_cpu, node->off_cpu_ticks - idle_ticks);
    rows->functions[row] = (int32_t)node->function->index;
    rows->columns[CALLS][row] = (int64_t)node->calls;
    rows->columns[RESUMES][row] = (int64_t)node->resumes;
    rows->columns[PASSED_OVER][row] = (int64_t)node->passed_over;
    rows->columns[RUNNING_NS][row] = running_ns;
    rows->columns[CPU_NS][row] = cpu_ns < 0 ? 0 : cpu_ns; /* two roundings may differ by one */
    rows->columns[IDLE_NS][row] = convert(&converters->wall, idle_ticks);
    rows->columns[WAITING_NS][row] = 0; /* see add_waits() */
    rows->columns[CONTENDED_NS][row] = rows->columns[LAG_NS][row] = 0;
}

static bool
is_poll(const struct tree_copy *tree, size_t index, size_t parent)
{
    const struct function *caller = parent == TREE_NO_PARENT ? NULL : tree->nodes[parent].function;
    return function_polls(tree->nodes[index].function, caller);
}

/* Fills in a thread's rows from number `next` on; returns the ticks of the hidden nodes. */
static uint64_t
fill_tree(struct rows *rows, int32_t *next, struct thread_converters *converters,
          const struct tree_copy *tree, const unsigned char *fates, int32_t *row_of)
{
    uint64_t hidden_ticks = 0;
    for (size_t index = 0; index < tree->node_count; index++) {
        size_t parent = tree_copy_parent(tree, index);
        row_of[index] = parent == TREE_NO_PARENT ? -1 : row_of[parent];
        if (fates[index] == FATE_HIDDEN) {
            hidden_ticks += tree->nodes[index].running_ticks;
        } else if (fates[index] == FATE_SHOWN) {
            rows->parents[*next] = row_of[index];
            row_of[index] = (*next)++;
            fill_row(rows, (size_t)row_of[index], converters, &tree->nodes[index],
                     is_poll(tree, index, parent));
        }
    }
    return hidden_ticks;
}

/* Two roundings may differ by one. */
static int64_t
least(int64_t ns, int64_t most_ns)
{
    return ns < most_ns ? ns : most_ns;
}

/* A wait in the profiler's own functions is that of who called them. */
static void
add_waits(struct rows *rows, struct thread_converters *converters, const struct thread_copy *thread,
          const int32_t *row_of)
{
    for (size_t index = 0; index < thread->waits_count; index++) {
        const struct waits_copy *waits = &thread->waits[index];
        int32_t row = row_of[tree_copy_index(&thread->tree, waits->node)];
        int64_t waiting_ns = convert(&converters->waiting, waits->waiting_ticks);
        int64_t contended_ns = least(convert(&converters->contended, waits->contended_ticks), waiting_ns);
        int64_t lag_ns = least(convert(&converters->lag, waits->lag_ticks), contended_ns);
        rows->columns[WAITING_NS][row] += waiting_ns;
        rows->columns[CONTENDED_NS][row] += contended_ns;
        rows->columns[LAG_NS][row] += lag_ns;
    }
}

static void
set_rows_of_greenlets(struct greenlet_copy *greenlets, const struct thread_copy *thread,
                      const int32_t *row_of)
{
    for (size_t index = 0; index < thread->greenlet_count; index++) {
        struct greenlet_copy *greenlet = &greenlets[thread->first_greenlet + index];
        greenlet->row = row_of[tree_copy_index(&thread->tree, greenlet->top)];
    }
}

static void
set_rows_of_slice(struct slice_copy *slice, const struct tree_copy *tree, const int32_t *row_of)
{
    const struct slice_samples *samples = &slice->slice.samples;
    slice->culprit_row = row_of[tree_copy_index(tree, slice->slice.culprit)];
    for (size_t index = 0; index < samples->count; index++) {
        slice->sample_rows[index] = row_of[tree_copy_index(tree, samples->entries[index].node)];
    }
}

/* Of those in that thread. A node without a row of its own is the nearest caller's that has one. */
static void
set_rows_of_slices(struct slices_copy *slices, const struct thread_copy *thread, const int32_t *row_of)
{
    for (size_t index = 0; index < slices->blocking_count; index++) {
        if (slices->blocking[index].slice.thread_id == thread->id) {
            set_rows_of_slice(&slices->blocking[index], &thread->tree, row_of);
        }
    }
    for (size_t index = 0; index < slices->culprit_count; index++) {
        struct culprit_copy *copy = &slices->culprits[index];
        if (copy->culprit.thread_id == thread->id) {
            copy->row = row_of[tree_copy_index(&thread->tree, copy->culprit.node)];
        }
    }
}

void
rows_fill(struct rows *rows, struct thread_row *threads, const struct fates *fates,
          struct recording_copy *copy)
{
    int32_t next = 0;
    for (size_t index = 0; index < copy->thread_count; index++) {
        const struct thread_copy *thread = &copy->threads[index];
        struct converter new = new_converter(copy);
        struct thread_converters converters = {new, new, new, new, new};
        threads[index].root = next;
        uint64_t hidden_ticks =
            fill_tree(rows, &next, &converters, &thread->tree, fates_of(fates, copy, thread), fates->rows);
        add_waits(rows, &converters, thread, fates->rows);
        set_rows_of_greenlets(copy->greenlets, thread, fates->rows);
        set_rows_of_slices(&copy->slices, thread, fates->rows);
        threads[index].own_ns = convert(&converters.wall, hidden_ticks + thread->own_ticks);
        threads[index].lifetime_ns = snapshot_ns(copy, thread->recorded_ticks);
    }
}

static int64_t
ns_since_start(const struct recording_copy *copy, uint64_t ticks)
{
    const struct clock *clock = &copy->clock;
    if (!clock->counts_ticks) {
        return (int64_t)ticks - copy->started_monotonic_ns;
    }
    long double since_ticks = (long double)(int64_t)(ticks - clock->rate_ticks);
    return clock->rate_ns + llroundl(since_ticks / clock->ticks_per_ns) - copy->started_monotonic_ns;
}

struct greenlet_row
greenlet_row_of(const struct recording_copy *copy, const struct greenlet_record *record)
{
    uint64_t running_ticks = record->running_ticks - record->idle_ticks;
    uint64_t off_cpu_ticks = record->off_cpu_ticks - record->idle_ticks;
    uint64_t cpu_ticks = running_ticks > off_cpu_ticks ? running_ticks - off_cpu_ticks : 0;
    return (struct greenlet_row){
        .running_ns = snapshot_ns(copy, running_ticks),
        .cpu_ns = snapshot_ns(copy, cpu_ticks),
        .waiting_ns = snapshot_ns(copy, record->waiting_ticks),
        .idle_ns = snapshot_ns(copy, record->idle_ticks),
        .contended_ns = snapshot_ns(copy, record->contended_ticks),
        .lag_ns = snapshot_ns(copy, record->lag_ticks),
        .began_ns = ns_since_start(copy, record->began_ticks),
        .ended_ns = ns_since_start(copy, record->ended_ticks),
        .longest_slice_ns = snapshot_ns(copy, record->longest_slice_ticks),
    };
}

/* -- timeline ------------------------------------------------------------------------------------ */

void
timeline_columns_fill(struct timeline_columns *columns, const struct recording_copy *copy)
{
    for (size_t index = 0; index < copy->timeline.count; index++) {
        const struct timeline_entry *entry = &copy->timeline.entries[index];
        columns->ended_ns[index] = ns_since_start(copy, entry->ended_ticks);
        columns->greenlets[index] = (int64_t)timeline_greenlet_of(entry->packed);
        columns->threads[index] = (int32_t)timeline_thread_of(entry->packed);
        columns->ends[index] = (signed char)timeline_end_of(entry->packed);
        columns->blocked[index] = (signed char)timeline_has_blocked(entry->packed);
    }
}
