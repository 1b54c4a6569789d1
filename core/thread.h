/* thread.h -- one thread's account of time: every tick since it began is charged exactly once.
 *
 *      recorded = running + idle + own + dropped          (sums over the thread's nodes)
 *
 * One reading of the tick counter an event: the time since the last event goes to the node on top.
 * CPU time costs no more, nearly always: between two events the thread either ran or was off the CPU,
 * and an interval of a few microseconds is taken for CPU time. After a longer one, and at least once a
 * millisecond, the CPU clock is read, and the node on top is charged with what was off the CPU. Where
 * the estimate ran ahead of the clock the difference is carried on as a debt, so totals stay right.
 *
 * Invariant: `position` is the greenlet that runs; the thread's other positions wait.
 *
 * Ownership: a thread owns its tree and its positions (through the recorder's map). */
#ifndef GP_THREAD_H
#define GP_THREAD_H

#include "clock.h"
#include "position.h"
#include "tree.h"

struct thread {
    struct position *position; /* the running greenlet's; NULL when the thread is not recorded now */
    uint64_t last_ticks;       /* all time before this is charged */
    uint64_t cpu_due_ticks;    /* read the CPU clock at the first event after this */
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

    uint64_t began_ticks;    /* of this recording; moved on by what was dropped */
    uint64_t recorded_ticks; /* of earlier recordings */
    uint64_t own_ticks;      /* spent by the profiler, where it knows */
    uint64_t off_cpu_ticks;
    uint64_t idle_ticks;
    uint64_t switches;
    uint64_t slice_began_ticks; /* slice = from a switch into a greenlet to the next one out of it */
    uint64_t slice_own_ticks;   /* the four sums above, when the slice began */
    uint64_t slice_off_cpu_ticks;
    uint64_t slice_idle_ticks;

    uint64_t cpu_reads;
    uint64_t cpu_unknown; /* intervals whose CPU time could not be read */
    uint64_t dropped_intervals;
    uint64_t dropped_ticks;

    struct position *positions; /* all of them, the running one too */
    struct position *unnamed;   /* waits, and whose it is was never told; NULL: none */
    struct position *stray;     /* stands for greenlets that found no room; not among the others */
    size_t unnamed_record; /* of the greenlet that ran through a session in which nobody named it; 0: none */
    struct thread *next;
    uint64_t id;
    bool alive;
};

/* What an interval must exceed before the CPU clock is asked, and how long the CPU clock may go unread.
 * 10 us is a tenth of what was seen to go wrong beside a competing process, and 1 ms keeps the cost of
 * the system call below 0.1 %. */
#define THREAD_LONG_NS INT64_C(10000)
#define THREAD_CPU_PERIOD_NS INT64_C(1000000)

/* Starts the account at this moment, not at one that was read before: whatever came between, all clocks must
 * agree on when it was. */
void thread_begin(struct thread *thread);

/* Ends it: nothing more is charged until thread_begin(). */
void thread_finish(struct thread *thread);

/* The cold half of thread_charge(): `delta` ticks up to `now_ticks` were charged to the node on top; finds
 * out how much of them was off the CPU, and drops them if the clocks disagree. */
void thread_compare_cpu(struct thread *thread, uint64_t delta_ticks, uint64_t now_ticks);

/* Charges the profiler with the time since the last charge. */
void thread_charge_own(struct thread *thread, uint64_t now_ticks);

/* The running greenlet is `target` from now on. Everything up to now must have been charged. The wait
 * that is over is not charged yet: thread_wait_until() does that, once the target's open calls are known. */
void thread_switch(struct thread *thread, struct position *target, uint64_t now_ticks);

/* The CPU clock that the thread began with was its creator's: the thread itself says which is its own, at
 * its first event. Up to now it cannot have used more CPU time than its own clock shows. */
void thread_correct_cpu_clock(struct thread *thread, clock_of_thread cpu_clock, bool is_shared,
                              uint64_t now_ticks);

/* Charges a waiting position with its wait up to now. */
void thread_wait_until(struct position *position, uint64_t now_ticks);

/* Takes what the slice so far was charged with from one node to another: nothing was entered or left in it. */
void thread_move_slice(struct thread *thread, struct node *from, struct node *to);

/* Adds the slice so far to the running position, and begins another. */
void thread_settle_slice(struct thread *thread, uint64_t now_ticks);

/* Charges the time up to now to the node on top. */
static inline void
thread_charge(struct thread *thread, uint64_t now_ticks)
{
    uint64_t delta_ticks = now_ticks - thread->last_ticks;
    thread->position->top->node->running_ticks += delta_ticks;
    thread->last_ticks = now_ticks;
    if (__builtin_expect(delta_ticks > thread->long_ticks || now_ticks >= thread->cpu_due_ticks, 0)) {
        thread_compare_cpu(thread, delta_ticks, now_ticks);
    }
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
