/* recorder.c -- threads and greenlets come and go; calls that are not on the straight path. */
#include "recorder.h"

#include <string.h>

#define FIRST_GREENLET_RECORDS ((size_t)64)

/* One in eight. */
#define EXPECTATION_BITS 3

#define POSITION_IDS ((UINT64_C(1) << POSITION_ID_BITS) - 1)

bool
recorder_init(struct recorder *recorder, const struct memory *memory, const struct clock *clock,
              const struct recorder_limits *limits)
{
    memset(recorder, 0, sizeof *recorder);
    recorder->memory = *memory;
    recorder->clock = *clock;
    recorder->limits = *limits;
    recorder->next_thread_id = 1;
    recorder->next_greenlet_id = 1;
    slices_init(&recorder->slices, &recorder->memory, &recorder->clock, limits->blocking_ns);
    if (!timeline_init(&recorder->timeline, &recorder->memory, limits->timeline)) {
        return false;
    }
    if (!position_map_init(&recorder->greenlets, &recorder->memory)) {
        timeline_dispose(&recorder->timeline, &recorder->memory);
        return false;
    }
    return true;
}

void
recorder_set_marks(struct recorder *recorder, const struct function *truncated,
                   const struct function *ended_threads)
{
    recorder->truncated_borrowed = truncated;
    recorder->slices.other_borrowed = truncated;
    recorder->ended_borrowed = ended_threads;
}

static void
free_thread(struct recorder *recorder, struct thread *thread)
{
    if (thread->stray != NULL) {
        position_free(&recorder->memory, thread->stray);
    }
    tree_dispose(&thread->tree);
    memory_free(&recorder->memory, thread->hidden, thread->hidden_capacity * sizeof *thread->hidden);
    memory_free(&recorder->memory, thread, sizeof *thread);
}

static void
link_position(struct thread *thread, struct position *position)
{
    position->next = thread->positions;
    position->previous = NULL;
    if (thread->positions != NULL) {
        thread->positions->previous = position;
    }
    thread->positions = position;
    thread->position_count++;
}

static void
unlink_position(struct thread *thread, struct position *position)
{
    if (position->previous != NULL) {
        position->previous->next = position->next;
    } else {
        thread->positions = position->next;
    }
    if (position->next != NULL) {
        position->next->previous = position->previous;
    }
    thread->position_count--;
}

static void
free_positions(struct recorder *recorder, struct thread *thread)
{
    while (thread->positions != NULL) {
        struct position *position = thread->positions;
        unlink_position(thread, position);
        recorder_unname_greenlet(recorder, position);
        position_free(&recorder->memory, position);
    }
}

static void
free_greenlet_records(struct recorder *recorder)
{
    memory_free(&recorder->memory, recorder->ended_greenlets,
                recorder->ended_greenlet_capacity * sizeof *recorder->ended_greenlets);
    recorder->ended_greenlets = NULL;
    recorder->ended_greenlet_count = recorder->ended_greenlet_capacity = 0;
}

void
recorder_forget(struct recorder *recorder)
{
    while (recorder->threads != NULL) {
        struct thread *thread = recorder->threads;
        recorder->threads = thread->next;
        free_positions(recorder, thread);
        free_thread(recorder, thread);
    }
    free_greenlet_records(recorder);
    slices_forget(&recorder->slices);
    timeline_forget(&recorder->timeline);
    recorder->counters = (struct recorder_counters){0};
    recorder->ended = NULL;
    recorder->ended_thread_count = 0;
    recorder->node_count = 0;
    recorder->next_thread_id = recorder->next_greenlet_id = 1;
}

void
recorder_dispose(struct recorder *recorder)
{
    recorder_forget(recorder);
    timeline_dispose(&recorder->timeline, &recorder->memory);
    position_map_dispose(&recorder->greenlets, &recorder->memory);
}

/* -- nodes --------------------------------------------------------------------------------------- */

static struct node *
add_node(struct recorder *recorder, struct thread *thread, struct node *parent,
         const struct function *function, size_t limit)
{
    if (recorder->node_count >= limit) {
        return NULL;
    }
    struct node *node = tree_add(&thread->tree, parent, function);
    if (node != NULL) {
        recorder->node_count++;
    }
    return node;
}

/* Bases are few and must be there for anything to be counted: the budget is not for them. */
static struct node *
base_for(struct recorder *recorder, struct thread *thread, const struct function *greenlet_class)
{
    struct node *base = tree_find(&thread->tree, thread->root, greenlet_class->key);
    return base != NULL ? base : add_node(recorder, thread, thread->root, greenlet_class, SIZE_MAX);
}

/* Whether what came now is to be expected next time, where another child was. Some functions are called from two
 * places, and two others follow there: whoever always believed what came last would always be wrong. */
static bool
is_to_be_expected(const struct thread *thread)
{
    return thread->last_ticks * UINT64_C(0x9E3779B97F4A7C15) >> (64 - EXPECTATION_BITS) == 0;
}

static void
expect_next_time(const struct thread *thread, struct node *node)
{
    struct node *before = node->parent->recent;
    if (before != NULL && (before->successor == NULL || is_to_be_expected(thread))) {
        before->successor = node;
    }
    node->parent->recent = node;
}

/* Under a base every entry comes by here, not by the `recent` child: so a greenlet's kind is noticed. So does every
 * call by the program of the profiler's own functions. */
static void
remember(struct thread *thread, struct node *node)
{
    struct position *position = thread->position;
    struct node *parent = node->parent;
    bool is_hidden = node_is_the_profilers(node);
    thread->hidden_ran |= is_hidden;
    if (!node_is_base(parent) && (!is_hidden || node_is_the_profilers(parent))) {
        expect_next_time(thread, node);
    }
    if (position->kind == 0 && !node_is_base(node) && !is_hidden) {
        position_set_first(position, node->function);
    }
}

/* One that has a successor was remembered before, and will be again: what it is need not be asked. */
static void
remember_known(struct thread *thread, struct node *node)
{
    if (node->successor != NULL && thread->position->kind != 0) {
        expect_next_time(thread, node);
    } else {
        remember(thread, node);
    }
}

static void
note_new_child(struct thread *thread, struct node *node, bool is_hidden)
{
    if (is_hidden) {
        thread->hidden[thread->hidden_count++] = node;
    } else {
        thread->has_doors |= node_is_the_profilers(node->parent);
    }
}

struct node *
recorder_find_child(struct thread *thread, const void *key)
{
    struct node *node = tree_find(&thread->tree, thread->position->top->node, key);
    if (node != NULL) {
        remember_known(thread, node);
    }
    return node;
}

struct node *
recorder_child(struct recorder *recorder, struct thread *thread, const struct function *function)
{
    struct node *parent = thread->position->top->node;
    struct node *node = recorder_find_child(thread, function->key);
    bool is_own = function_is_the_profilers(function, parent->function); /* few, and not counted */
    if (node != NULL || ((parent->function->flags & FUNCTION_IS_TRUNCATED) != 0 && !is_own)) {
        return node;
    }
    if (is_own && !thread_has_room_for_hidden(thread)) {
        return NULL;
    }
    node = add_node(recorder, thread, parent, function, (is_own ? 2 : 1) * recorder->limits.nodes);
    if (node != NULL) {
        note_new_child(thread, node, is_own);
        remember(thread, node);
    }
    return node;
}

struct node *
recorder_truncated_child(struct recorder *recorder, struct thread *thread)
{
    struct node *parent = thread->position->top->node;
    recorder->counters.truncated_calls++;
    if ((parent->function->flags & FUNCTION_IS_TRUNCATED) != 0) {
        return parent;
    }
    struct node *node = tree_find(&thread->tree, parent, recorder->truncated_borrowed->key);
    if (node == NULL) {
        node = add_node(recorder, thread, parent, recorder->truncated_borrowed, 2 * recorder->limits.nodes);
    }
    return node != NULL ? node : thread->spill;
}

/* -- calls --------------------------------------------------------------------------------------- */

void
recorder_open_without_room(struct recorder *recorder, struct thread *thread, uintptr_t frame,
                           struct node *node)
{
    if (position_base(thread->position)->unstored_calls == 0 &&
        position_grow(&recorder->memory, thread->position)) {
        recorder_open(recorder, thread, frame, node);
        return;
    }
    position_base(thread->position)->unstored_calls++;
    recorder->counters.truncated_calls++;
}

/* Without tags, which end with their calls. */
static uint64_t
calls_above(const struct position *position, const struct open_call *call)
{
    uint64_t count = 0;
    for (const struct open_call *each = position->top; each > call; each--) {
        count += !frame_is_of_tag(each->frame);
    }
    return count;
}

void
recorder_leave_deeper(struct recorder *recorder, struct thread *thread, uintptr_t frame)
{
    struct position *position = thread->position;
    struct open_call *call = position_find_call(position, frame);
    struct base_call *base = position_base(position);
    if (call == NULL && base->unstored_calls > 0) {
        base->unstored_calls--;
    } else if (call == NULL) {
        recorder->counters.unmatched_leaves++;
    } else {
        recorder->counters.lost_leaves += calls_above(position, call);
        base->unstored_calls = 0;
        position->top = call - 1;
    }
}

void
recorder_clear_calls(struct position *position)
{
    position->top = position_bottom(position);
    position_base(position)->unstored_calls = 0;
}

void
recorder_close_from(struct position *position, const struct open_call *call)
{
    struct open_call *bottom = position_bottom(position);
    position->top = bottom + (call - bottom) - 1;
    bottom->base.unstored_calls = 0;
}

/* -- tags ---------------------------------------------------------------------------------------- */

/* The innermost call of the program's in Python, or a tag of it; the base if there is none. */
static struct open_call *
program_call(const struct position *position)
{
    struct open_call *call = position->top;
    while (call != position_bottom(position) && !frame_is_of_tag(call->frame) &&
           (!frame_is_of_python_call(call->frame) || node_is_the_profilers(call->node))) {
        call--;
    }
    return call;
}

static struct node *
tag_node(struct recorder *recorder, struct thread *thread, struct node *parent, const struct function *tag)
{
    if ((parent->function->flags & FUNCTION_IS_TRUNCATED) != 0) {
        return NULL;
    }
    struct node *node = tree_find(&thread->tree, parent, tag->key);
    return node != NULL ? node : add_node(recorder, thread, parent, tag, recorder->limits.nodes);
}

static bool
has_room_for_call(struct recorder *recorder, struct position *position)
{
    return position_base(position)->unstored_calls == 0 &&
           (position->top + 1 < position->limit || position_grow(&recorder->memory, position));
}

static void
insert_above(struct position *position, struct open_call *call, struct node *node)
{
    memmove(call + 2, call + 1, (size_t)(position->top - call) * sizeof *call);
    call[1].frame = frame_of_tag(call->frame);
    call[1].node = node;
    position->top++;
}

void
recorder_open_tag(struct recorder *recorder, struct thread *thread, const struct function *tag)
{
    struct position *position = thread->position;
    bool has_room = has_room_for_call(recorder, position);
    struct open_call *call = program_call(position);
    if (call == position_bottom(position)) {
        return;
    }
    struct node *node = has_room ? tag_node(recorder, thread, call->node, tag) : NULL;
    if (node == NULL) {
        recorder->counters.unopened_tags++;
        return;
    }
    node->calls++;
    insert_above(position, call, node);
}

void
recorder_close_tag(struct thread *thread, const struct function *tag)
{
    struct position *position = thread->position;
    struct open_call *call = position->top;
    while (call != position_bottom(position) &&
           !(frame_is_of_tag(call->frame) && call->node->function == tag)) {
        call--;
    }
    if (call != position_bottom(position)) {
        memmove(call, call + 1, (size_t)(position->top - call) * sizeof *call);
        position->top--;
    }
}

/* -- greenlets ----------------------------------------------------------------------------------- */

static struct position *
add_position(struct recorder *recorder, struct thread *thread, const void *greenlet, struct node *base,
             uint64_t now_ticks)
{
    struct position *position = position_new(&recorder->memory, greenlet, base);
    if (position == NULL) {
        return NULL;
    }
    position->id = recorder->next_greenlet_id++ & POSITION_IDS;
    position->began_ticks = now_ticks;
    position_begin_wait(position, thread_moment(thread, now_ticks));
    link_position(thread, position);
    if (greenlet != NULL) {
        position_map_add(&recorder->greenlets, &recorder->memory, position);
    }
    return position;
}

struct position *
recorder_add_greenlet(struct recorder *recorder, struct thread *thread, const void *greenlet,
                      const struct function *greenlet_class, uint64_t now_ticks)
{
    struct node *base = base_for(recorder, thread, greenlet_class);
    return base != NULL ? add_position(recorder, thread, greenlet, base, now_ticks) : NULL;
}

void
recorder_unname_greenlet(struct recorder *recorder, struct position *position)
{
    if (position->greenlet != NULL) {
        position_map_remove(&recorder->greenlets, position);
        position->greenlet = NULL;
    }
}

void
recorder_name_greenlet(struct recorder *recorder, struct position *position, const void *greenlet)
{
    recorder_unname_greenlet(recorder, position);
    position->greenlet = greenlet;
    position_map_add(&recorder->greenlets, &recorder->memory, position);
}

/* Opens the same calls again, from the base on. */
static void
move_running_calls(struct recorder *recorder, struct thread *thread, struct node *base)
{
    struct position *position = thread->position;
    struct open_call *last = position->top;
    position->top = position_bottom(position);
    position->top->node = base;
    /* Below another base its slices are of another kind. */
    position_set_first(position, position_first(position));
    while (position->top < last) {
        struct open_call *call = position->top + 1;
        struct node *node = recorder_child(recorder, thread, call->node->function);
        call->node = node != NULL ? node : recorder_truncated_child(recorder, thread);
        position->top = call;
    }
}

void
recorder_set_base(struct recorder *recorder, struct thread *thread, struct position *position,
                  const struct function *base_function)
{
    struct node *base = base_for(recorder, thread, base_function);
    struct position *running = thread->position;
    if (base != NULL && base != position_base_node(position)) {
        thread->position = position; /* calls are opened where the thread is */
        move_running_calls(recorder, thread, base);
        thread->position = running;
    }
}

struct greenlet_record
recorder_record_of(const struct thread *thread, const struct position *position, uint64_t now_ticks)
{
    const struct function *first = position_first(position);
    uint64_t kind_index = first != NULL ? first->index : RECORD_NO_KIND;
    return (struct greenlet_record){
        .id = position->id,
        .class_index = position_class(position)->index & RECORD_NO_KIND,
        .kind_index = kind_index & RECORD_NO_KIND,
        .thread_id = (uint32_t)thread->id,
        .began_ticks = position->began_ticks,
        .ended_ticks = now_ticks,
        .running_ticks = position->running_ticks,
        .off_cpu_ticks = position->off_cpu_ticks,
        .idle_ticks = position->idle_ticks,
        .waiting_ticks = position->waiting_ticks,
        .contended_ticks = position->contended_ticks,
        .lag_ticks = position->lag_ticks,
        .switches = position->switches,
        .longest_slice_ticks = position->longest_slice_ticks,
        .alive = true,
    };
}

static bool
grow_greenlet_records(struct recorder *recorder)
{
    struct greenlet_record *records =
        memory_grow_list(&recorder->memory, recorder->ended_greenlets, &recorder->ended_greenlet_capacity,
                         sizeof *records, FIRST_GREENLET_RECORDS, recorder->limits.ended_greenlets);
    if (records == NULL) {
        return false;
    }
    recorder->ended_greenlets = records;
    return true;
}

/* A blank record, or NULL. */
static struct greenlet_record *
add_record(struct recorder *recorder)
{
    size_t count = recorder->ended_greenlet_count;
    if (count >= recorder->limits.ended_greenlets ||
        (count == recorder->ended_greenlet_capacity && !grow_greenlet_records(recorder))) {
        return NULL;
    }
    return &recorder->ended_greenlets[recorder->ended_greenlet_count++];
}

size_t
recorder_reserve_record(struct recorder *recorder, struct position *position)
{
    struct base_call *base = position_base(position);
    struct greenlet_record *record = base->record == 0 ? add_record(recorder) : NULL;
    if (record != NULL) {
        *record = (struct greenlet_record){.continued = true};
        base->record = recorder->ended_greenlet_count & BASE_RECORDS;
    }
    return base->record;
}

void
recorder_continue_record(struct recorder *recorder, struct position *position, size_t record_number,
                         const struct function *kind)
{
    struct greenlet_record *record = &recorder->ended_greenlets[record_number - 1];
    position_base(position)->record = record_number & BASE_RECORDS;
    position->id = record->id;
    if (kind != NULL) {
        position_set_first(position, kind);
    }
    position->began_ticks = record->began_ticks;
    position->running_ticks += record->running_ticks;
    position->off_cpu_ticks += record->off_cpu_ticks;
    position->idle_ticks += record->idle_ticks;
    position->waiting_ticks += record->waiting_ticks;
    position->contended_ticks += record->contended_ticks;
    position->lag_ticks += record->lag_ticks;
    position->switches += record->switches;
    if (record->longest_slice_ticks > position->longest_slice_ticks) {
        position->longest_slice_ticks = record->longest_slice_ticks;
    }
    record->continued = true;
}

static struct thread *
find_thread(const struct recorder *recorder, uint64_t id)
{
    struct thread *thread = recorder->threads;
    while (thread != NULL && thread->id != id) {
        thread = thread->next;
    }
    return thread;
}

struct thread *
recorder_thread_of_record(const struct recorder *recorder, size_t record_number)
{
    return find_thread(recorder, recorder->ended_greenlets[record_number - 1].thread_id);
}

bool
recorder_record_is_alive(const struct recorder *recorder, const struct greenlet_record *record)
{
    const struct thread *thread = record->alive ? find_thread(recorder, record->thread_id) : NULL;
    return thread != NULL && thread->alive;
}

void
recorder_end_record(struct recorder *recorder, size_t record_number)
{
    recorder->ended_greenlets[record_number - 1].alive = false;
}

static void
count_unrecorded(struct recorder *recorder, const struct position *position)
{
    const struct function *class_function = position_class(position);
    struct slice_kind *kind = slices_kind(&recorder->slices, class_function, position_first(position));
    recorder->counters.unrecorded_greenlets++;
    if (kind != NULL) {
        kind->unrecorded_greenlets++;
        kind->unrecorded_switches += position->switches;
    }
}

static void
keep_record(struct recorder *recorder, const struct thread *thread, struct position *position, bool alive)
{
    size_t number = recorder_reserve_record(recorder, position);
    if (number == 0) {
        count_unrecorded(recorder, position);
        return;
    }
    struct greenlet_record *record = &recorder->ended_greenlets[number - 1];
    *record = recorder_record_of(thread, position, thread->last_ticks);
    record->alive = alive;
}

static void
forget_position(struct recorder *recorder, struct thread *thread, struct position *position, bool alive)
{
    if (position_base_node(position) != thread->root) {
        keep_record(recorder, thread, position, alive);
    }
    if (thread->unnamed == position) {
        thread->unnamed = NULL;
    }
    if (thread->hub == position) {
        thread->hub = NULL;
    }
    recorder_unname_greenlet(recorder, position);
    unlink_position(thread, position);
    position_free(&recorder->memory, position);
}

struct position *
recorder_stray(struct thread *thread)
{
    return thread->stray;
}

void
recorder_end_greenlet(struct recorder *recorder, struct thread *thread, struct position *position)
{
    forget_position(recorder, thread, position, false);
}

/* -- threads ------------------------------------------------------------------------------------- */

struct thread *
recorder_add_thread(struct recorder *recorder, const struct function *root, clock_of_thread cpu_clock,
                    bool cpu_clock_is_shared, uint64_t now_ticks)
{
    struct thread *thread = memory_get(&recorder->memory, sizeof *thread);
    if (thread == NULL || !tree_init(&thread->tree, &recorder->memory)) {
        memory_free(&recorder->memory, thread, sizeof *thread);
        return NULL;
    }
    thread->id = recorder->next_thread_id;
    thread->clock = &recorder->clock;
    thread->slices = &recorder->slices;
    thread->timeline = &recorder->timeline;
    thread->cpu_clock = cpu_clock;
    thread->cpu_clock_is_shared = cpu_clock_is_shared;
    thread->root = add_node(recorder, thread, NULL, root, SIZE_MAX);
    thread->spill = add_node(recorder, thread, thread->root, recorder->truncated_borrowed, SIZE_MAX);
    thread->stray = thread->spill != NULL ? position_new(&recorder->memory, NULL, thread->spill) : NULL;
    if (thread->root == NULL || tree_waits(&thread->tree, thread->root) == NULL || thread->stray == NULL ||
        !recorder_resume_thread(recorder, thread, now_ticks)) {
        recorder->node_count -= thread->tree.node_count;
        free_thread(recorder, thread);
        return NULL;
    }
    recorder->next_thread_id++;
    thread->alive = true;
    thread->next = recorder->threads;
    recorder->threads = thread;
    return thread;
}

bool
recorder_resume_thread(struct recorder *recorder, struct thread *thread, uint64_t now_ticks)
{
    struct position *position = add_position(recorder, thread, NULL, thread->root, now_ticks);
    if (position == NULL) {
        return false;
    }
    if (thread->unnamed_record != 0) {
        recorder_continue_record(recorder, position, thread->unnamed_record, thread->unnamed_kind);
    }
    thread->position = position;
    thread_begin(thread);
    return true;
}

static void
settle_thread(struct thread *thread, uint64_t now_ticks)
{
    thread_charge_from_outside(thread, now_ticks);
    thread_settle(thread, thread->last_ticks);
    thread_settle_waits(thread, now_ticks);
}

void
recorder_settle(struct recorder *recorder, uint64_t now_ticks)
{
    for (struct thread *thread = recorder->threads; thread != NULL; thread = thread->next) {
        if (thread->position != NULL) {
            settle_thread(thread, now_ticks);
        }
    }
}

static bool
is_unnamed(const struct thread *thread, const struct position *position)
{
    return position->greenlet == NULL && position_base_node(position) != thread->root &&
           position != thread->stray;
}

/* Ends a thread's account for now: every position is recorded and forgotten. */
static void
finish_thread(struct recorder *recorder, struct thread *thread, bool alive, uint64_t now_ticks)
{
    struct position *running = thread->position;
    settle_thread(thread, now_ticks);
    thread->unnamed_record = is_unnamed(thread, running) ? recorder_reserve_record(recorder, running) : 0;
    thread->unnamed_kind = position_first(running);
    thread_finish(thread);
    recorder_clear_calls(thread->stray);
    while (thread->positions != NULL) {
        forget_position(recorder, thread, thread->positions, alive);
    }
}

void
recorder_stop(struct recorder *recorder, uint64_t now_ticks)
{
    for (struct thread *thread = recorder->threads; thread != NULL; thread = thread->next) {
        if (thread->position != NULL) {
            finish_thread(recorder, thread, true, now_ticks);
        }
    }
}

static void
unlink_thread(struct recorder *recorder, struct thread *thread)
{
    struct thread **link = &recorder->threads;
    while (*link != thread) {
        link = &(*link)->next;
    }
    *link = thread->next;
}

/* The thread that stands for all that ended, made when the first of them has to be folded. */
static struct thread *
ended_threads(struct recorder *recorder)
{
    if (recorder->ended != NULL) {
        return recorder->ended;
    }
    struct thread *ended = memory_get(&recorder->memory, sizeof *ended);
    if (ended == NULL || !tree_init(&ended->tree, &recorder->memory)) {
        memory_free(&recorder->memory, ended, sizeof *ended);
        return NULL;
    }
    ended->clock = &recorder->clock;
    ended->root = add_node(recorder, ended, NULL, recorder->ended_borrowed, SIZE_MAX);
    if (ended->root == NULL || tree_waits(&ended->tree, ended->root) == NULL) {
        recorder->node_count -= ended->tree.node_count;
        free_thread(recorder, ended);
        return NULL;
    }
    ended->next = recorder->threads;
    recorder->threads = recorder->ended = ended;
    return ended;
}

static bool
fold_thread(struct recorder *recorder, struct thread *thread)
{
    struct thread *ended = ended_threads(recorder);
    if (ended == NULL) {
        return false;
    }
    size_t before = ended->tree.node_count;
    recorder->counters.truncated_calls += tree_fold(&ended->tree, ended->root, &thread->tree);
    recorder->node_count += ended->tree.node_count - before;
    recorder->node_count -= thread->tree.node_count;
    slices_fold(&recorder->slices, thread->id, ended->id);
    ended->recorded_ticks += thread->recorded_ticks;
    ended->own_ticks += thread->own_ticks;
    ended->switches += thread->switches;
    ended->polls += thread->polls;
    ended->cpu_reads += thread->cpu_reads;
    ended->cpu_unknown += thread->cpu_unknown;
    ended->dropped_intervals += thread->dropped_intervals;
    ended->dropped_ticks += thread->dropped_ticks;
    recorder->counters.folded_threads++;
    unlink_thread(recorder, thread);
    free_thread(recorder, thread);
    return true;
}

bool
recorder_end_thread(struct recorder *recorder, struct thread *thread, uint64_t now_ticks)
{
    if (thread->position != NULL) {
        finish_thread(recorder, thread, false, now_ticks);
    }
    thread->alive = false;
    recorder->ended_thread_count++;
    return recorder->ended_thread_count > recorder->limits.ended_threads && fold_thread(recorder, thread);
}
