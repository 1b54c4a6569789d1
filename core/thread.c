/* thread.c -- comparing the estimate of CPU time with the CPU clock; switches, and the slices between them. */
#include "thread.h"

/* The tick counter and CLOCK_MONOTONIC may drift apart by this much before we believe that the machine
 * was suspended or moved: a fixed part for slow readings, a share for a rate measured over a moment. */
#define JUMP_NS INT64_C(1000000)
#define JUMP_SHARE 1000

#define READINGS_AFTER_OWN 3
#define PAIR_ATTEMPTS 3

#define FIRST_HIDDEN ((size_t)8)

/* A hub that was off the CPU for less did not wait: two clocks are not read at one moment. */
#define LEAST_POLL_NS INT64_C(5000)

static void
remember_reading(struct thread *thread, uint64_t now_ticks, int64_t monotonic_ns, int64_t cpu_ns)
{
    thread->cpu_read_ticks = now_ticks;
    thread->cpu_read_monotonic_ns = monotonic_ns;
    thread->cpu_read_ns = cpu_ns;
    thread->habit_ticks = 0;
}

static void
read_again_in_a_while(struct thread *thread, uint64_t now_ticks)
{
    thread->cpu_due_ticks = now_ticks + (uint64_t)clock_ticks_from_ns(thread->clock, THREAD_CPU_PERIOD_NS);
}

/* CLOCK_MONOTONIC at the moment when the counter was read, which was before: the thread may have lost the
 * processor in between, and that is no jump of a clock. Where it loses it between the two readings made here, they
 * are made again. */
static int64_t
monotonic_ns_at(const struct thread *thread, uint64_t now_ticks)
{
    int64_t monotonic_ns = 0;
    uint64_t before_ticks, after_ticks = clock_ticks(thread->clock);
    int attempt = 0;
    do {
        before_ticks = after_ticks;
        monotonic_ns = thread->clock->readings->monotonic_ns();
        after_ticks = clock_ticks(thread->clock);
    } while (after_ticks - before_ticks > thread->long_ticks && ++attempt < PAIR_ATTEMPTS);
    int64_t since_ticks = (int64_t)(after_ticks - now_ticks);
    return since_ticks > 0 ? monotonic_ns - clock_ns_from_ticks(thread->clock, since_ticks) : monotonic_ns;
}

/* -- slices -------------------------------------------------------------------------------------- */

static void
begin_slice(struct thread *thread, uint64_t now_ticks)
{
    struct slice *slice = &thread->slice;
    slice->began_ticks = now_ticks;
    slice->own_ticks = thread->own_ticks;
    slice->off_cpu_ticks = thread->off_cpu_ticks;
    slice->idle_ticks = thread->idle_ticks;
    slice->samples.count = 0;
    slice->samples.ticks = 0;
}

/* What of the slice has no sample yet. */
static uint64_t
unsampled_ticks(const struct thread *thread)
{
    int64_t ticks = (int64_t)(thread_slice_ticks(thread) - thread->slice.samples.ticks);
    return ticks > 0 ? (uint64_t)ticks : 0;
}

/* The slice since the last sample goes to the node on top; where that is the profiler's own, out of the slice. */
static void
sample_slice(struct thread *thread)
{
    struct node *node = thread->position->top->node;
    uint64_t ticks = unsampled_ticks(thread);
    if (node_is_the_profilers(node)) {
        thread->slice.own_ticks -= ticks;
    } else if (ticks > 0) {
        slice_samples_add(&thread->slice.samples, &thread->tree, node, ticks);
    }
}

static uint64_t
suspended_greenlets(const struct thread *thread)
{
    return thread->position_count - (thread->position != thread->stray);
}

static bool
blocks(const struct thread *thread, int64_t slice_ns)
{
    return slice_ns >= thread->slices->blocking_ns && suspended_greenlets(thread) > 1;
}

bool
thread_is_blocked(const struct thread *thread)
{
    return blocks(thread, clock_ns_from_ticks(thread->clock, (int64_t)thread_slice_ticks(thread)));
}

static uint64_t
slice_off_cpu_ticks(const struct thread *thread)
{
    uint64_t off_cpu_ticks = thread->off_cpu_ticks - thread->slice.off_cpu_ticks;
    return off_cpu_ticks - (thread->idle_ticks - thread->slice.idle_ticks);
}

static int64_t
monotonic_ns_of(const struct thread *thread, uint64_t ticks)
{
    int64_t since_ticks = (int64_t)(thread->cpu_read_ticks - ticks);
    return thread->cpu_read_monotonic_ns - clock_ns_from_ticks(thread->clock, since_ticks);
}

struct blocking_slice
thread_blocking_slice(const struct thread *thread)
{
    const struct position *position = thread->position;
    struct blocking_slice slice = {
        .thread_id = thread->id,
        .greenlet_id = position->id,
        .class_function = position_class(position),
        .first = position_first(position),
        .began_monotonic_ns = monotonic_ns_of(thread, thread->slice.began_ticks),
        .ticks = thread_slice_ticks(thread),
        .off_cpu_ticks = slice_off_cpu_ticks(thread),
        .suspended = suspended_greenlets(thread),
        .samples = thread->slice.samples,
    };
    slice_samples_add(&slice.samples, &thread->tree, position->top->node, unsampled_ticks(thread));
    slice.culprit = slice_samples_culprit(&slice.samples, &thread->tree);
    return slice;
}

static void
keep_slice(struct thread *thread, bool is_over)
{
    struct blocking_slice slice = thread_blocking_slice(thread);
    slice.is_over = is_over;
    slices_keep(thread->slices, &slice);
}

static void
enter_stretch(struct thread *thread, uint64_t ended_ticks, bool blocked, enum timeline_end end)
{
    if (timeline_keeps(thread->timeline)) {
        timeline_enter(thread->timeline, thread_stretch(thread, ended_ticks, blocked, end));
    }
}

/* Where kinds are counted together, or before the first call, it is looked up each time. */
static struct slice_kind *
look_up_kind(struct thread *thread, struct position *position)
{
    const struct function *class_function = position_class(position);
    const struct function *first = position_first(position);
    struct slice_kind *kind = slices_kind(thread->slices, class_function, first);
    if (first != NULL && kind != NULL && kind->first == first) {
        position_set_counted(position, kind);
    }
    return kind;
}

static struct slice_kind *
kind_of_running(struct thread *thread)
{
    struct slice_kind *counted = position_counted(thread->position);
    return __builtin_expect(counted != NULL, 1) ? counted : look_up_kind(thread, thread->position);
}

/* Up to then it ran, for so long. */
static void
end_slice(struct thread *thread, uint64_t ticks, uint64_t ran_until_ticks, enum timeline_end end)
{
    struct position *position = thread->position;
    int64_t ns = clock_ns_from_ticks(thread->clock, (int64_t)ticks);
    struct slice_kind *kind = kind_of_running(thread);
    if (kind != NULL) {
        slice_kind_count(kind, ticks, ns);
    } else {
        thread->slices->unkept++;
    }
    if (ticks > position->longest_slice_ticks) {
        position->longest_slice_ticks = ticks;
    }
    bool blocked = blocks(thread, ns);
    if (blocked) {
        keep_slice(thread, true);
    }
    enter_stretch(thread, ran_until_ticks, blocked, end);
}

/* -- the account --------------------------------------------------------------------------------- */

static void
begin_unsettled(struct thread *thread, uint64_t now_ticks)
{
    thread->settled_ticks = now_ticks;
    thread->settled_own_ticks = thread->own_ticks;
    thread->settled_off_cpu_ticks = thread->off_cpu_ticks;
    thread->settled_idle_ticks = thread->idle_ticks;
}

void
thread_begin(struct thread *thread)
{
    int64_t cpu_ns = 0;
    bool known = thread->clock->readings->cpu_ns(thread->cpu_clock, &cpu_ns);
    uint64_t now_ticks = clock_ticks(thread->clock);
    thread->last_ticks = thread->began_ticks = now_ticks;
    thread->long_ticks = (uint64_t)clock_ticks_from_ns(thread->clock, THREAD_LONG_NS);
    thread->least_poll_ticks = (uint64_t)clock_ticks_from_ns(thread->clock, LEAST_POLL_NS);
    thread->cpu_debt_ticks = 0;
    thread->habits.near_ticks = (int64_t)thread->long_ticks / 2;
    thread->cpu_unknown += !known;
    remember_reading(thread, now_ticks, monotonic_ns_at(thread, now_ticks), cpu_ns);
    read_again_in_a_while(thread, now_ticks);
    begin_unsettled(thread, now_ticks);
    enter_stretch(thread, now_ticks, false, TIMELINE_UNRECORDED);
    begin_slice(thread, now_ticks);
}

void
thread_finish(struct thread *thread)
{
    bool blocked = thread_is_blocked(thread);
    if (blocked) {
        keep_slice(thread, false);
    }
    enter_stretch(thread, thread->last_ticks, blocked, TIMELINE_STOP);
    thread->recorded_ticks = thread_recorded_ticks(thread);
    thread->position = NULL;
}

/* Takes an interval out of the account again. It may be negative: the counter was set back. */
static void
drop_interval(struct thread *thread, uint64_t delta_ticks)
{
    thread->position->top->node->running_ticks -= delta_ticks;
    thread->began_ticks += delta_ticks;
    thread->settled_ticks += delta_ticks;
    thread->slice.began_ticks += delta_ticks;
    thread->dropped_intervals++;
    if ((int64_t)delta_ticks > 0) {
        thread->dropped_ticks += delta_ticks;
    }
}

static bool
clocks_disagree(const struct thread *thread, uint64_t now_ticks, int64_t monotonic_ns)
{
    int64_t by_ticks_ns = clock_ns_from_ticks(thread->clock, (int64_t)(now_ticks - thread->cpu_read_ticks));
    int64_t by_monotonic_ns = monotonic_ns - thread->cpu_read_monotonic_ns;
    int64_t difference_ns = by_ticks_ns - by_monotonic_ns;
    int64_t tolerance_ns = JUMP_NS + by_monotonic_ns / JUMP_SHARE;
    return difference_ns > tolerance_ns || difference_ns < -tolerance_ns;
}

/* It ended as long ago as the interval has CPU time; but what the hub did before the poll and after it is told
 * of as one, for it is one slice. */
static void
end_poll(struct thread *thread, uint64_t idle_ticks, uint64_t cpu_ticks)
{
    thread->polls++;
    thread->hub = thread->position;
    thread->hub_looked = thread_moment(thread, thread->last_ticks);
    thread->hub_looked.ticks -= cpu_ticks;
    thread->hub_looked.busy_ticks -= cpu_ticks;
    end_slice(thread, thread_slice_ticks(thread), thread->last_ticks - idle_ticks, TIMELINE_POLL);
    begin_slice(thread, thread->last_ticks);
    enter_stretch(thread, thread->last_ticks, false, TIMELINE_IDLE);
}

/* The nearest from 0 to `most`. */
static int64_t
within(int64_t ticks, uint64_t most)
{
    return ticks < 0 ? 0 : ticks > (int64_t)most ? (int64_t)most : ticks;
}

static void
add_off_cpu(struct thread *thread, uint64_t ticks)
{
    thread->position->top->node->off_cpu_ticks += ticks;
    thread->off_cpu_ticks += ticks;
}

static void
charge_off_cpu(struct thread *thread, int64_t off_cpu_ticks, uint64_t delta_ticks)
{
    int64_t charged_ticks = within(off_cpu_ticks, delta_ticks);
    add_off_cpu(thread, (uint64_t)charged_ticks);
    thread->cpu_debt_ticks = off_cpu_ticks - charged_ticks;
    if (node_polls(thread->position->top->node)) {
        thread->idle_ticks += (uint64_t)charged_ticks;
        if ((uint64_t)charged_ticks > thread->least_poll_ticks) {
            end_poll(thread, (uint64_t)charged_ticks, delta_ticks - (uint64_t)charged_ticks);
        }
    }
}

static uint64_t
charge_own_until(struct thread *thread, uint64_t now_ticks)
{
    uint64_t own_ticks = now_ticks > thread->last_ticks ? now_ticks - thread->last_ticks : 0;
    thread->own_ticks += own_ticks;
    thread->last_ticks += own_ticks;
    thread->slice.is_straight = false;
    return own_ticks;
}

static int64_t
off_cpu_since_reading(const struct thread *thread, uint64_t now_ticks, int64_t cpu_ns)
{
    int64_t wall_ticks = (int64_t)(now_ticks - thread->cpu_read_ticks);
    int64_t cpu_ticks = clock_ticks_from_ns(thread->clock, cpu_ns - thread->cpu_read_ns);
    return wall_ticks - cpu_ticks + thread->cpu_debt_ticks - (int64_t)thread->habit_ticks;
}

/* What the profiler was charged with as its own, but was off the CPU, is the program's. */
static void
give_back(struct thread *thread, uint64_t lost_ticks)
{
    thread->own_ticks -= lost_ticks;
    thread->position->top->node->running_ticks += lost_ticks;
    add_off_cpu(thread, lost_ticks);
}

/* After `own_ticks` of the profiler's; returns how many of them were off the CPU. What is off the CPU beyond them is
 * owed: an interval before hides it, for that was short. */
static uint64_t
read_anew(struct thread *thread, uint64_t own_ticks)
{
    uint64_t now_ticks = clock_ticks(thread->clock);
    int64_t monotonic_ns = monotonic_ns_at(thread, now_ticks);
    int64_t cpu_ns = 0;
    if (!thread->clock->readings->cpu_ns(thread->cpu_clock, &cpu_ns) || cpu_ns < thread->cpu_read_ns) {
        return 0;
    }
    int64_t off_cpu_ticks = off_cpu_since_reading(thread, now_ticks, cpu_ns);
    int64_t lost_ticks = within(off_cpu_ticks, own_ticks);
    thread->cpu_debt_ticks = off_cpu_ticks - lost_ticks;
    remember_reading(thread, now_ticks, monotonic_ns, cpu_ns);
    read_again_in_a_while(thread, now_ticks);
    return (uint64_t)lost_ticks;
}

/* To ask for the CPU clock is when the kernel likes to take the processor, so where it was lost another reading may
 * lose it again; more have not been seen. Returns how much of this time was off the CPU. */
static uint64_t
charge_own(struct thread *thread, uint64_t now_ticks)
{
    uint64_t lost_ticks = 0;
    uint64_t own_ticks = charge_own_until(thread, now_ticks);
    for (int reading = 0; own_ticks > thread->long_ticks && reading < READINGS_AFTER_OWN; reading++) {
        lost_ticks += read_anew(thread, own_ticks);
        own_ticks = charge_own_until(thread, clock_ticks(thread->clock));
    }
    return lost_ticks;
}

void
thread_charge_own(struct thread *thread, uint64_t now_ticks)
{
    (void)charge_own(thread, now_ticks);
}

/* Behind a reading of the CPU clock at an event. Whoever loses the processor here would have lost it anyway, a moment
 * later: in the node on top, unless that is where a hub polls, for a poll that is over must not go on. */
static void
charge_reading(struct thread *thread)
{
    uint64_t lost_ticks = charge_own(thread, clock_ticks(thread->clock));
    if (!node_polls(thread->position->top->node)) {
        give_back(thread, lost_ticks);
    }
}

/* From what was off the CPU since the last reading. Of a short interval, read because it was time, nothing is
 * learned. */
static void
learn_habit(struct thread *thread, int64_t off_cpu_ticks, uint64_t delta_ticks)
{
    if (delta_ticks > thread->long_ticks) {
        habits_learn(&thread->habits, thread->position->top->node, (int64_t)delta_ticks, off_cpu_ticks);
    }
}

static void
read_cpu(struct thread *thread, uint64_t delta_ticks, uint64_t now_ticks)
{
    int64_t monotonic_ns = monotonic_ns_at(thread, now_ticks);
    int64_t cpu_ns = thread->cpu_read_ns;
    bool known = thread->clock->readings->cpu_ns(thread->cpu_clock, &cpu_ns);
    thread->cpu_reads++;
    if ((int64_t)delta_ticks < 0 || clocks_disagree(thread, now_ticks, monotonic_ns)) {
        drop_interval(thread, delta_ticks);
        clock_exclude(thread->clock, now_ticks - thread->cpu_read_ticks,
                      monotonic_ns - thread->cpu_read_monotonic_ns);
        remember_reading(thread, now_ticks, monotonic_ns, cpu_ns);
    } else if (known && cpu_ns >= thread->cpu_read_ns) {
        int64_t off_cpu_ticks = off_cpu_since_reading(thread, now_ticks, cpu_ns);
        learn_habit(thread, off_cpu_ticks - thread->cpu_debt_ticks, delta_ticks);
        charge_off_cpu(thread, off_cpu_ticks, delta_ticks);
        remember_reading(thread, now_ticks, monotonic_ns, cpu_ns);
    } else {
        thread->cpu_unknown++;
    }
    read_again_in_a_while(thread, now_ticks);
    charge_reading(thread);
}

/* Without reading the CPU clock, where nothing new is to be expected. The end of a poll must be noticed, whatever is
 * usual. What is charged wrongly shows in the next reading. */
static bool
charge_habit(struct thread *thread, uint64_t delta_ticks, uint64_t now_ticks)
{
    const struct node *top = thread->position->top->node;
    int64_t off_cpu_ticks = 0;
    if (now_ticks >= thread->cpu_due_ticks || node_polls(top) ||
        !habits_know(&thread->habits, top, (int64_t)delta_ticks, &off_cpu_ticks)) {
        return false;
    }
    uint64_t charged_ticks = (uint64_t)within(off_cpu_ticks, delta_ticks);
    add_off_cpu(thread, charged_ticks);
    thread->habit_ticks += charged_ticks;
    return true;
}

void
thread_compare_cpu(struct thread *thread, uint64_t delta_ticks, uint64_t now_ticks)
{
    thread->slice.is_straight = false;
    if (!charge_habit(thread, delta_ticks, now_ticks)) {
        read_cpu(thread, delta_ticks, now_ticks);
    }
    sample_slice(thread);
}

void
thread_correct_cpu_clock(struct thread *thread, clock_of_thread cpu_clock, bool is_shared, uint64_t now_ticks)
{
    int64_t delta_ticks = (int64_t)(now_ticks - thread->last_ticks);
    int64_t cpu_ns = 0;
    thread->cpu_clock = cpu_clock;
    thread->cpu_clock_is_shared = is_shared;
    thread->slice.is_straight = false;
    thread->position->top->node->running_ticks += (uint64_t)delta_ticks;
    thread->last_ticks = now_ticks;
    if (thread->clock->readings->cpu_ns(cpu_clock, &cpu_ns)) {
        int64_t off_cpu_ticks = delta_ticks - clock_ticks_from_ns(thread->clock, cpu_ns);
        charge_off_cpu(thread, off_cpu_ticks > 0 ? off_cpu_ticks : 0,
                       delta_ticks > 0 ? (uint64_t)delta_ticks : 0);
    }
    remember_reading(thread, now_ticks, monotonic_ns_at(thread, now_ticks), cpu_ns);
    read_again_in_a_while(thread, now_ticks);
}

bool
thread_has_room_for_hidden(struct thread *thread)
{
    if (thread->hidden_count < thread->hidden_capacity) {
        return true;
    }
    struct node **hidden = memory_grow_list(thread->tree.memory, thread->hidden, &thread->hidden_capacity,
                                            sizeof *hidden, FIRST_HIDDEN, SIZE_MAX / sizeof *hidden);
    if (hidden == NULL) {
        return false;
    }
    thread->hidden = hidden;
    return true;
}

/* What the profiler's own functions took since the last settling. One may go on now. */
static void
settle_hidden(struct thread *thread, uint64_t *ticks, uint64_t *off_cpu_ticks)
{
    uint64_t all_ticks = 0, all_off_cpu_ticks = 0;
    for (size_t index = 0; index < thread->hidden_count; index++) {
        all_ticks += thread->hidden[index]->running_ticks;
        all_off_cpu_ticks += thread->hidden[index]->off_cpu_ticks;
    }
    *ticks = all_ticks - thread->settled_hidden_ticks;
    *off_cpu_ticks = all_off_cpu_ticks - thread->settled_hidden_off_cpu_ticks;
    thread->settled_hidden_ticks = all_ticks;
    thread->settled_hidden_off_cpu_ticks = all_off_cpu_ticks;
    thread->hidden_ran = node_is_the_profilers(thread->position->top->node);
}

void
thread_settle(struct thread *thread, uint64_t now_ticks)
{
    struct position *position = thread->position;
    uint64_t own_ticks = thread->own_ticks - thread->settled_own_ticks;
    uint64_t hidden_ticks = 0, hidden_off_cpu_ticks = 0;
    if (thread->hidden_ran || thread->has_doors) {
        settle_hidden(thread, &hidden_ticks, &hidden_off_cpu_ticks);
    }
    position->running_ticks += now_ticks - thread->settled_ticks - own_ticks - hidden_ticks;
    position->off_cpu_ticks += thread->off_cpu_ticks - thread->settled_off_cpu_ticks - hidden_off_cpu_ticks;
    position->idle_ticks += thread->idle_ticks - thread->settled_idle_ticks;
    thread->slice.is_straight = false;
    begin_unsettled(thread, now_ticks);
}

struct unsettled
thread_unsettled(const struct thread *thread)
{
    uint64_t own_ticks = thread->own_ticks - thread->settled_own_ticks;
    return (struct unsettled){
        .node = thread->position->top->node,
        .running_ticks = thread->last_ticks - thread->settled_ticks - own_ticks,
        .off_cpu_ticks = thread->off_cpu_ticks - thread->settled_off_cpu_ticks,
    };
}

static uint64_t
least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* Of what was charged while open calls were taken over one by one, some is not in the last one's node. */
void
thread_move_unsettled(struct thread *thread, const struct unsettled *unsettled, struct node *to)
{
    struct node *from = unsettled->node;
    uint64_t running_ticks = least(unsettled->running_ticks, from->running_ticks);
    uint64_t off_cpu_ticks = least(unsettled->off_cpu_ticks, from->off_cpu_ticks);
    from->running_ticks -= running_ticks;
    from->off_cpu_ticks -= off_cpu_ticks;
    to->running_ticks += running_ticks;
    to->off_cpu_ticks += off_cpu_ticks;
    slice_samples_move(&thread->slice.samples, from, to);
}

static bool
is_later(uint64_t one, uint64_t other)
{
    return (int64_t)(one - other) > 0;
}

/* None where time was set back. */
static uint64_t
ticks_between(uint64_t from_ticks, uint64_t to_ticks)
{
    return is_later(to_ticks, from_ticks) ? to_ticks - from_ticks : 0;
}

/* Of a wait, what no settling has charged yet. What the thread did meanwhile is contended. */
static void
charge_wait(struct thread *thread, struct position *position, struct moment now)
{
    struct moment from = {position->waiting_since_ticks, position->busy_since_ticks};
    if (is_later(thread->waits_settled.ticks, from.ticks)) {
        from = thread->waits_settled;
    }
    uint64_t waited_ticks = ticks_between(from.ticks, now.ticks);
    uint64_t busy_ticks = ticks_between(from.busy_ticks, now.busy_ticks);
    uint64_t contended_ticks = least(busy_ticks, waited_ticks);
    position->waiting_ticks += waited_ticks;
    position->contended_ticks += contended_ticks;
    if (waited_ticks > 0) {
        struct waits *waits = tree_waits(&thread->tree, position->top->node);
        waits->waiting_ticks += waited_ticks;
        waits->contended_ticks += contended_ticks;
    }
}

/* What the thread did since its hub looked last, if that was within the wait. */
static void
charge_lag(struct thread *thread, struct position *position, struct moment now)
{
    if (thread->hub_looked.ticks > position->waiting_since_ticks) {
        uint64_t lag_ticks = ticks_between(thread->hub_looked.busy_ticks, now.busy_ticks);
        position->lag_ticks += lag_ticks;
        tree_waits(&thread->tree, position->top->node)->lag_ticks += lag_ticks;
    }
}

void
thread_settle_waits(struct thread *thread, uint64_t now_ticks)
{
    struct moment now = thread_moment(thread, now_ticks);
    for (struct position *position = thread->positions; position != NULL; position = position->next) {
        if (position != thread->position) {
            charge_wait(thread, position, now);
        }
    }
    thread->waits_settled = now;
}

/* When the hub is back, it has looked last when it left: it may have polled until then, without our notice. */
static void
note_hub(struct thread *thread, const struct position *target, struct moment now)
{
    if (thread->position == thread->hub) {
        thread->hub_left = now;
    } else if (target == thread->hub) {
        thread->hub_looked = thread->hub_left;
    }
}

static bool
is_straight(const struct thread *thread)
{
    return thread->slice.is_straight && !thread->hidden_ran && !thread->has_doors;
}

static void
finish_straight_slice(struct thread *thread, uint64_t now_ticks)
{
    uint64_t ticks = now_ticks - thread->slice.began_ticks;
    thread->position->running_ticks += ticks;
    end_slice(thread, ticks, now_ticks, TIMELINE_SWITCH);
    thread->slice.began_ticks = thread->settled_ticks = now_ticks;
}

static void
finish_slice(struct thread *thread, uint64_t now_ticks)
{
    thread_settle(thread, now_ticks);
    end_slice(thread, thread_slice_ticks(thread), now_ticks, TIMELINE_SWITCH);
    begin_slice(thread, now_ticks);
    thread->slice.is_straight = true;
}

void
thread_switch(struct thread *thread, struct position *target, uint64_t now_ticks)
{
    struct moment now = thread_moment(thread, now_ticks);
    if (is_straight(thread)) {
        finish_straight_slice(thread, now_ticks);
    } else {
        finish_slice(thread, now_ticks);
    }
    position_begin_wait(thread->position, now);
    note_hub(thread, target, now);
    target->switches++;
    thread->switches++;
    thread->position = target;
    if (target != thread->stray) { /* which stands for many, and never waits */
        charge_wait(thread, target, now);
        charge_lag(thread, target, now);
    }
}
