/* thread.h -- one thread's account of time: every tick since it began is charged exactly once.
 *
 *      recorded = running + idle + own + dropped          (sums over the thread's nodes)
 *
 * One reading of the tick counter an event: the time since the last event goes to the node on top.
 * CPU time costs no more, nearly always: between two events the thread either ran or was off the CPU,
 * and an interval of a few microseconds is taken for CPU time. After a longer one, and at least once a
 * millisecond, the CPU clock is read, and the node on top is charged with what was off the CPU: unless
 * that is the same each time (see habits.h). Where the estimate ran ahead of the clock the difference is
 * carried on as a debt, so totals stay right.
 *
 * Invariant: `position` is the greenlet that runs; the thread's other positions wait.
 *
 * Ownership: a thread owns its tree and its positions (through the recorder's map). */
#ifndef GP_THREAD_H
#define GP_THREAD_H

#include "clock.h"
#include "habits.h"
#include "position.h"
#include "slices.h"
#include "timeline.h"
#include "tree.h"

/* Of the running greenlet, from the switch into it, or a poll, on. */
struct slice {
    uint64_t began_ticks; /* moved on by what was dropped */
    uint64_t own_ticks;   /* the thread's sums when it began */
    uint64_t off_cpu_ticks;
    uint64_t idle_ticks;
    bool is_straight; /* the thread has only run since then: its sums are the same, all before is settled */
    struct slice_samples samples;
};

/* A time, and how busy the thread had been: see thread_moment(). */
struct moment {
    uint64_t ticks;
    uint64_t busy_ticks;
};

struct thread {
    struct position *position; /* the running greenlet's; NULL when the thread is not recorded now */
    uint64_t last_ticks;       /* all time before this is charged */
    uint64_t cpu_due_ticks;    /* read the CPU clock at the first event after this */
    uint64_t least_poll_ticks; /* a hub that polls is off the CPU for longer */
    uint64_t long_ticks;       /* an interval longer than this needs the CPU clock too */

    struct tree tree;
    struct node *root;
    struct node *spill; /* [truncated] below the root: for calls that found no room anywhere else */

    struct clock *clock;
    clock_of_thread cpu_clock;
    bool cpu_clock_is_shared; /* other threads can read it too */
    int64_t cpu_read_ns;      /* the CPU clock when it was read last ... */
    int64_t cpu_read_monotonic_ns;
    uint64_t cpu_read_ticks; /* ... and when that was */
    int64_t cpu_debt_ticks;  /* off the CPU, but charged to no node yet; negative: charged too much */
    uint64_t habit_ticks;    /* off the CPU by habit since then: charged, but not read */

    uint64_t began_ticks;    /* of this recording; moved on by what was dropped */
    uint64_t recorded_ticks; /* of earlier recordings */
    uint64_t own_ticks;      /* spent by the profiler, where it knows */
    uint64_t off_cpu_ticks;
    uint64_t idle_ticks;
    uint64_t switches;
    uint64_t polls;             /* of its hub: they end a slice too */
    uint64_t settled_ticks;     /* up to here its times are in the running position ... */
    uint64_t settled_own_ticks; /* ... and these are the sums above, at that moment */
    uint64_t settled_off_cpu_ticks;
    uint64_t settled_idle_ticks;
    struct moment waits_settled; /* up to here the waits that go on are charged */
    const struct position *hub;  /* who polled last; an identity; NULL: nobody */
    struct moment hub_left;      /* when it was switched out last */
    struct moment hub_looked;    /* when it can have noticed last that a greenlet can go on, but for now */
    struct slice slice;
    struct slices *slices;     /* the recorder's: of all threads */
    struct timeline *timeline; /* the same */

    struct node **hidden; /* nodes of the profiler's own functions: their time is no greenlet's */
    size_t hidden_count;
    size_t hidden_capacity;
    bool hidden_ran;               /* one was entered since the last settling */
    bool has_doors;                /* one has called the program, and goes on when that is done */
    uint64_t settled_hidden_ticks; /* what they had at the last settling ... */
    uint64_t settled_hidden_off_cpu_ticks;

    uint64_t cpu_reads;
    uint64_t cpu_unknown; /* intervals whose CPU time could not be read */
    uint64_t dropped_intervals;
    uint64_t dropped_ticks;

    struct position *positions; /* all of them, the running one too */
    size_t position_count;
    struct position *unnamed; /* waits, and whose it is was never told; NULL: none */
    struct position *stray;   /* stands for greenlets that found no room; not among the others */
    size_t unnamed_record; /* of the greenlet that ran through a session in which nobody named it; 0: none */
    const struct function *unnamed_kind; /* that greenlet's */
    struct thread *next;
    uint64_t id;
    bool alive;
    struct habits habits; /* of its nodes; last, for it is long, and a switch touches all that is before */
};

/* What an interval must exceed before the CPU clock is asked, and how long the CPU clock may go unread.
 * 20 us is a fifth of what was seen to go wrong beside a competing process, and 1 ms keeps the cost of
 * the system call below 0.1 %. */
#define THREAD_LONG_NS INT64_C(20000)
#define THREAD_CPU_PERIOD_NS INT64_C(1000000)

/* Starts the account at this moment, not at one that was read before: whatever came between, all clocks must
 * agree on when it was. */
void thread_begin(struct thread *thread);

/* Ends it: nothing more is charged until thread_begin(). */
void thread_finish(struct thread *thread);

/* The cold half of thread_charge(): `delta` ticks up to `now_ticks` were charged to the node on top; finds
 * out, or knows by habit, how much of them was off the CPU, and drops them if the clocks disagree. */
__attribute__((cold)) void thread_compare_cpu(struct thread *thread, uint64_t delta_ticks,
                                              uint64_t now_ticks);

/* Charges the profiler with the time since the last charge, be it on the CPU or off. */
void thread_charge_own(struct thread *thread, uint64_t now_ticks);

/* The running greenlet is `target` from now on, whose open calls are known, and whose wait is over. Everything up
 * to now must have been charged. */
void thread_switch(struct thread *thread, struct position *target, uint64_t now_ticks);

/* The CPU clock that the thread began with was its creator's: the thread itself says which is its own, at
 * its first event. Up to now it cannot have used more CPU time than its own clock shows. */
void thread_correct_cpu_clock(struct thread *thread, clock_of_thread cpu_clock, bool is_shared,
                              uint64_t now_ticks);

/* Now, up to which everything is charged: busy is all that the thread has done, not idle, nor the profiler's. */
static inline struct moment
thread_moment(const struct thread *thread, uint64_t now_ticks)
{
    uint64_t other_ticks = thread->idle_ticks + thread->own_ticks + thread->dropped_ticks;
    return (struct moment){now_ticks, now_ticks - other_ticks};
}

/* The position waits from now on. */
static inline void
position_begin_wait(struct position *position, struct moment now)
{
    position->waiting_since_ticks = now.ticks;
    position->busy_since_ticks = now.busy_ticks;
}

/* Charges all positions that wait with their waits up to now, which go on. */
void thread_settle_waits(struct thread *thread, uint64_t now_ticks);

/* What was charged to a node since the last settling. */
struct unsettled {
    struct node *node;
    uint64_t running_ticks;
    uint64_t off_cpu_ticks;
};

/* Of the node on top: nothing was entered or left since then. */
struct unsettled thread_unsettled(const struct thread *thread);

/* It is another node's from now on; whatever was charged since it was looked up stays where it is. */
void thread_move_unsettled(struct thread *thread, const struct unsettled *unsettled, struct node *to);

/* For one more node of the profiler's own functions. False when there is no memory. */
bool thread_has_room_for_hidden(struct thread *thread);

/* Adds what was charged since the last settling to the running position, but for what the profiler's own functions
 * took. */
void thread_settle(struct thread *thread, uint64_t now_ticks);

/* How long the slice has been so far: without the profiler's own time, and without polls. */
static inline uint64_t
thread_slice_ticks(const struct thread *thread)
{
    const struct slice *slice = &thread->slice;
    uint64_t own_ticks = thread->own_ticks - slice->own_ticks;
    uint64_t idle_ticks = thread->idle_ticks - slice->idle_ticks;
    return thread->last_ticks - slice->began_ticks - own_ticks - idle_ticks;
}

/* Whether the slice so far blocks: it is long, and other greenlets of the thread are suspended beside the one that
 * ran before, for which it is no more than a call. */
bool thread_is_blocked(const struct thread *thread);

/* The slice so far, with what it was spent on. */
struct blocking_slice thread_blocking_slice(const struct thread *thread);

/* The running greenlet's stretch, as it is entered in a timeline when it ends. */
static inline struct timeline_entry
thread_stretch(const struct thread *thread, uint64_t ended_ticks, bool blocked, enum timeline_end end)
{
    return (struct timeline_entry){ended_ticks,
                                   timeline_pack(thread->position->id, thread->id, blocked, end)};
}

/* Whether an interval of that length up to now may have been off the CPU. */
static inline bool
thread_must_compare(const struct thread *thread, uint64_t delta_ticks, uint64_t now_ticks)
{
    return __builtin_expect(delta_ticks > thread->long_ticks || now_ticks >= thread->cpu_due_ticks, 0);
}

/* Charges the time up to now to `top`, which is the node on top: an event has it at hand. */
static inline void
thread_charge_to(struct thread *thread, struct node *top, uint64_t now_ticks)
{
    uint64_t delta_ticks = now_ticks - thread->last_ticks;
    top->running_ticks += delta_ticks;
    thread->last_ticks = now_ticks;
    if (thread_must_compare(thread, delta_ticks, now_ticks)) {
        thread_compare_cpu(thread, delta_ticks, now_ticks);
    }
}

/* The same, where the CPU clock is not due; else false, and nothing is charged. */
static inline bool
thread_try_charge_to(struct thread *thread, struct node *top, uint64_t now_ticks)
{
    uint64_t delta_ticks = now_ticks - thread->last_ticks;
    if (thread_must_compare(thread, delta_ticks, now_ticks)) {
        return false;
    }
    top->running_ticks += delta_ticks;
    thread->last_ticks = now_ticks;
    return true;
}

static inline void
thread_charge(struct thread *thread, uint64_t now_ticks)
{
    thread_charge_to(thread, thread->position->top->node, now_ticks);
}

/* The same, done by another thread: where that cannot read this one's CPU clock, the next reading that
 * can covers the time. */
static inline void
thread_charge_from_outside(struct thread *thread, uint64_t now_ticks)
{
    if (thread->cpu_clock_is_shared) {
        thread->cpu_due_ticks = 0;
        thread_charge(thread, now_ticks);
    } else {
        thread->position->top->node->running_ticks += now_ticks - thread->last_ticks;
        thread->last_ticks = now_ticks;
    }
}

/* How long the thread has been recorded, up to the last charge. */
static inline uint64_t
thread_recorded_ticks(const struct thread *thread)
{
    uint64_t now_recording = thread->position != NULL ? thread->last_ticks - thread->began_ticks : 0;
    return thread->recorded_ticks + now_recording;
}

#endif
