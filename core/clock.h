/* clock.h -- what time is it, in ticks; how much CPU time has a thread used.
 *
 *   ticks   the processor's time-stamp counter where it runs at one rate on all cores and never stops,
 *           else CLOCK_MONOTONIC in nanoseconds. Read at every event: it must be cheap.
 *   CPU     the thread's CPU clock. A system call: read only when it can tell something new.
 *
 * The counter's rate is not documented anywhere we could read it: it is measured against
 * CLOCK_MONOTONIC, for a moment at first and then over the whole recording.
 *
 * Tests replace the slow readings (`struct clock_readings`); ticks are handed to the rest of the core
 * as arguments, so there they need no clock at all. */
#ifndef GP_CLOCK_H
#define GP_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>
#define CLOCK_HAS_COUNTER 1
#elif defined(__aarch64__)
#define CLOCK_HAS_COUNTER 1
#else
#define CLOCK_HAS_COUNTER 0
#endif

/* Names one thread's CPU clock, from any thread. */
typedef clockid_t clock_of_thread;

struct clock_readings {
    int64_t (*monotonic_ns)(void);
    bool (*cpu_ns)(clock_of_thread thread, int64_t *cpu_ns); /* false: that clock is gone */
};

struct clock {
    const struct clock_readings *readings;
    bool counts_ticks;   /* false: ticks are nanoseconds */
    uint64_t rate_ticks; /* where the measuring of the rate began ... */
    int64_t rate_ns;     /* ... on both clocks */
    double ticks_per_ns; /* best estimate so far ... */
    double ns_per_tick;  /* ... and what to multiply by instead of dividing */
};

extern const struct clock_readings clock_system_readings;

/* Takes about half a millisecond where the counter's rate has to be measured. */
void clock_init(struct clock *clock, const struct clock_readings *readings);

/* Measures the rate anew, over all the time since clock_init(). */
void clock_refine(struct clock *clock);

/* Leaves an interval in which the two clocks disagreed out of the measuring. */
void clock_exclude(struct clock *clock, uint64_t ticks, int64_t ns);

static inline int64_t
clock_ns_from_ticks(const struct clock *clock, int64_t ticks)
{
    return clock->counts_ticks ? (int64_t)((double)ticks * clock->ns_per_tick) : ticks;
}

int64_t clock_ticks_from_ns(const struct clock *clock, int64_t ns);

/* The CPU clock of a living thread. False: only that thread itself can read it (macOS). */
bool clock_of_pthread(pthread_t pthread, clock_of_thread *clock);

static inline uint64_t
clock_read_counter(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return 0;
#endif
}

/* Now, in ticks. */
static inline uint64_t
clock_ticks(const struct clock *clock)
{
    if (__builtin_expect(clock->counts_ticks, 1)) {
        return clock_read_counter();
    }
    return (uint64_t)clock->readings->monotonic_ns();
}

#endif
