/* snapshot_copy.c -- copying a recording at one moment. */
#include "snapshot_copy.h"

#include "mid_flight.h"

#include <string.h>

/* -- room ---------------------------------------------------------------------------------------- */

#define SPARE_BYTES 8192

/* What there may be of it in a moment: the recording goes on until the copying begins. */
static size_t
with_some_more(size_t count, size_t size)
{
    return count + count / 8 + SPARE_BYTES / size;
}

struct counts {
    size_t nodes, waits, threads, greenlets;
};

static struct counts
count_all(const struct recorder *recorder)
{
    struct counts counts = {.greenlets = recorder->ended_greenlet_count};
    for (const struct thread *thread = recorder->threads; thread != NULL; thread = thread->next) {
        counts.threads += 1;
        counts.nodes += thread->tree.node_count;
        counts.waits += thread->tree.waits_count;
        counts.greenlets += thread->position_count;
    }
    return counts;
}

/* Nothing of the old content is kept: there is none yet. */
static bool
have_room(struct memory *memory, void **block, size_t *capacity, size_t wanted, size_t size)
{
    if (*block != NULL && wanted <= *capacity) {
        return true;
    }
    memory_free(memory, *block, *capacity * size);
    *capacity = with_some_more(wanted, size);
    *block = memory_resize(memory, NULL, 0, *capacity * size);
    return *block != NULL;
}

static bool
get_room_for_slices(struct recording_copy *copy, const struct slices *slices, size_t threads)
{
    struct memory *memory = &copy->memory;
    struct slices_copy *room = &copy->slices;
    return have_room(memory, (void **)&room->kinds, &room->kind_capacity, slices->kind_count,
                     sizeof *room->kinds) &&
           have_room(memory, (void **)&room->blocking, &room->blocking_capacity,
                     slices->longest_count + threads, sizeof *room->blocking) &&
           have_room(memory, (void **)&room->culprits, &room->culprit_capacity, slices->culprit_count,
                     sizeof *room->culprits);
}

static bool
get_room_for_timeline(struct recording_copy *copy, const struct timeline *timeline, size_t threads)
{
    struct timeline_copy *room = &copy->timeline;
    return !timeline_keeps(timeline) || have_room(&copy->memory, (void **)&room->entries, &room->capacity,
                                                  timeline_count(timeline) + threads, sizeof *room->entries);
}

static bool
get_room(struct recording_copy *copy, const struct recorder *recorder)
{
    struct counts counts = count_all(recorder);
    struct memory *memory = &copy->memory;
    return have_room(memory, (void **)&copy->nodes, &copy->node_capacity, counts.nodes,
                     sizeof *copy->nodes) &&
           have_room(memory, (void **)&copy->waits, &copy->waits_capacity, counts.waits,
                     sizeof *copy->waits) &&
           have_room(memory, (void **)&copy->threads, &copy->thread_capacity, counts.threads,
                     sizeof *copy->threads) &&
           have_room(memory, (void **)&copy->greenlets, &copy->greenlet_capacity, counts.greenlets,
                     sizeof *copy->greenlets) &&
           get_room_for_slices(copy, &recorder->slices, counts.threads) &&
           get_room_for_timeline(copy, &recorder->timeline, counts.threads);
}

bool
recording_copy_prepare(struct recording_copy *copy, const struct tracer *tracer)
{
    *copy = (struct recording_copy){.memory = tracer->recorder.memory};
    copy->memory.bytes = 0;
    return get_room(copy, &tracer->recorder);
}

void
recording_copy_touch(struct recording_copy *copy)
{
    memset(copy->nodes, 0, copy->node_capacity * sizeof *copy->nodes);
    memset(copy->waits, 0, copy->waits_capacity * sizeof *copy->waits);
    memset(copy->greenlets, 0, copy->greenlet_capacity * sizeof *copy->greenlets);
    if (copy->timeline.entries != NULL) {
        memset(copy->timeline.entries, 0, copy->timeline.capacity * sizeof *copy->timeline.entries);
    }
}

void
recording_copy_free(struct recording_copy *copy)
{
    struct memory *memory = &copy->memory;
    for (size_t index = 0; index < copy->thread_count; index++) {
        text_free(memory, &copy->threads[index].name);
        text_free(memory, &copy->threads[index].class_name);
    }
    memory_free(memory, copy->nodes, copy->node_capacity * sizeof *copy->nodes);
    memory_free(memory, copy->waits, copy->waits_capacity * sizeof *copy->waits);
    memory_free(memory, copy->threads, copy->thread_capacity * sizeof *copy->threads);
    memory_free(memory, copy->greenlets, copy->greenlet_capacity * sizeof *copy->greenlets);
    memory_free(memory, copy->slices.kinds, copy->slices.kind_capacity * sizeof *copy->slices.kinds);
    memory_free(memory, copy->slices.blocking,
                copy->slices.blocking_capacity * sizeof *copy->slices.blocking);
    memory_free(memory, copy->slices.culprits, copy->slices.culprit_capacity * sizeof *copy->slices.culprits);
    memory_free(memory, copy->timeline.entries, copy->timeline.capacity * sizeof *copy->timeline.entries);
    notes_dispose(&copy->notes, memory);
}

/* -- copying ------------------------------------------------------------------------------------- */

/* What stands for all ended threads is no thread of the interpreter's: it goes by its root's name. */
static bool
copy_thread_names(struct recording_copy *copy, struct thread_copy *row, const struct thread *thread,
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

static void
copy_waits(struct recording_copy *copy, const struct tree *tree)
{
    for (const struct waits *each = tree->waits; each != NULL; each = each->next) {
        copy->waits[copy->waits_count++] =
            (struct waits_copy){each->node, each->waiting_ticks, each->contended_ticks, each->lag_ticks};
    }
}

static bool
copy_thread(struct recording_copy *copy, const struct tracer *tracer, const struct thread *thread)
{
    struct thread_copy *row = &copy->threads[copy->thread_count++];
    *row = (struct thread_copy){
        .tree = tree_copy_into(copy->nodes + copy->node_count, &thread->tree),
        .waits = copy->waits + copy->waits_count,
        .waits_count = thread->tree.waits_count,
        .id = thread->id,
        .switches = thread->switches,
        .polls = thread->polls,
        .own_ticks = thread->own_ticks,
        .recorded_ticks = thread_recorded_ticks(thread),
        .alive = thread->alive,
    };
    copy_waits(copy, &thread->tree);
    copy->node_count += thread->tree.node_count;
    copy->cpu_reads += thread->cpu_reads;
    copy->cpu_unknown += thread->cpu_unknown;
    copy->dropped_intervals += thread->dropped_intervals;
    copy->dropped_ticks += thread->dropped_ticks;
    return copy_thread_names(copy, row, thread, traced_thread_of(tracer, thread));
}

static void
copy_positions(struct recording_copy *copy, struct thread_copy *row, const struct thread *thread)
{
    row->first_greenlet = copy->greenlet_count;
    for (const struct position *each = thread->positions; each != NULL; each = each->next) {
        if (position_base_node(each) != thread->root) { /* what runs is known */
            copy->greenlets[copy->greenlet_count++] = (struct greenlet_copy){
                .record = recorder_record_of(thread, each, thread->last_ticks),
                .alive = true,
                .running = each == thread->position,
                .top = each->top->node,
                .row = -1,
            };
        }
    }
    row->greenlet_count = copy->greenlet_count - row->first_greenlet;
}

static void
copy_greenlets(struct recording_copy *copy, const struct recorder *recorder)
{
    for (size_t index = 0; index < recorder->ended_greenlet_count; index++) {
        const struct greenlet_record *record = &recorder->ended_greenlets[index];
        if (!record->continued) {
            bool alive = recorder_record_is_alive(recorder, record);
            copy->greenlets[copy->greenlet_count++] =
                (struct greenlet_copy){.record = *record, .alive = alive, .row = -1};
        }
    }
    struct thread_copy *row = copy->threads;
    for (const struct thread *thread = recorder->threads; thread != NULL; thread = thread->next) {
        copy_positions(copy, row++, thread);
    }
}

static void
copy_kinds(struct slices_copy *copy, const struct slices *slices)
{
    for (size_t bucket = 0; bucket < SLICE_KIND_BUCKETS; bucket++) {
        for (const struct slice_kind *kind = slices->kinds[bucket]; kind != NULL; kind = kind->chain) {
            copy->kinds[copy->kind_count++] = *kind;
        }
    }
}

static void
copy_blocking(struct slices_copy *copy, const struct recorder *recorder)
{
    for (size_t index = 0; index < recorder->slices.longest_count; index++) {
        copy->blocking[copy->blocking_count].goes_on = false;
        copy->blocking[copy->blocking_count++].slice = recorder->slices.longest[index];
    }
    for (const struct thread *thread = recorder->threads; thread != NULL; thread = thread->next) {
        if (thread->position != NULL && thread_is_blocked(thread)) {
            copy->blocking[copy->blocking_count].goes_on = true;
            copy->blocking[copy->blocking_count++].slice = thread_blocking_slice(thread);
        }
    }
}

static void
copy_slices(struct slices_copy *copy, const struct recorder *recorder)
{
    const struct slices *slices = &recorder->slices;
    copy_kinds(copy, slices);
    copy_blocking(copy, recorder);
    for (size_t index = 0; index < slices->culprit_count; index++) {
        copy->culprits[copy->culprit_count++].culprit = slices->culprits[index];
    }
    copy->blocking_ns = slices->blocking_ns;
    copy->all_blocking = slices->blocking_count;
    copy->unkept = slices->unkept;
}

static void
copy_timeline(struct timeline_copy *copy, const struct recorder *recorder)
{
    const struct timeline *timeline = &recorder->timeline;
    copy->is_kept = timeline_keeps(timeline);
    if (!copy->is_kept) {
        return;
    }
    timeline_copy(timeline, copy->entries);
    copy->count = timeline_count(timeline);
    copy->entered = timeline->entered;
    memcpy(copy->gone, timeline->gone, sizeof copy->gone);
    for (const struct thread *thread = recorder->threads; thread != NULL; thread = thread->next) {
        if (thread->position != NULL) {
            copy->entries[copy->count++] =
                thread_stretch(thread, thread->last_ticks, thread_is_blocked(thread), TIMELINE_STOP);
        }
    }
}

static bool
copy_recording(struct recording_copy *copy, const struct tracer *tracer)
{
    const struct recorder *recorder = &tracer->recorder;
    if (!get_room(copy, recorder)) {
        return false;
    }
    copy->clock = recorder->clock;
    copy->counters = recorder->counters;
    copy->tracer_counters = tracer->counters;
    copy->tracer_counters.unmet_greenlets += mid_flight_unmet(tracer);
    copy->function_count = tracer->functions.count;
    copy->started_monotonic_ns = tracer->started_monotonic_ns;
    for (const struct thread *thread = recorder->threads; thread != NULL; thread = thread->next) {
        if (!copy_thread(copy, tracer, thread)) {
            return false;
        }
    }
    copy_greenlets(copy, recorder);
    copy_slices(&copy->slices, recorder);
    copy_timeline(&copy->timeline, recorder);
    return notes_copy(&copy->notes, &copy->memory, &tracer->notes);
}

/* Everything up to now, and what it took to say so as our own cost. */
bool
recording_copy_take(struct recording_copy *copy, struct tracer *tracer)
{
    const struct clock *clock = &tracer->recorder.clock;
    threads_notice_ends(tracer);
    copy->recorded_ticks = tracer->recorded_ticks;
    if (tracer->running) {
        recorder_settle(&tracer->recorder, clock_ticks(clock));
        copy->recorded_ticks += clock_ticks(clock) - tracer->session_began_ticks;
        clock_refine(&tracer->recorder.clock);
    }
    return copy_recording(copy, tracer);
}
