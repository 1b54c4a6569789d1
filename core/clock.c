/* clock.c -- choosing and calibrating the clock that stamps events. */
#include "clock.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#define NS_PER_SECOND INT64_C(1000000000)
#define FIRST_CALIBRATION_NS INT64_C(500000)
#define CALIBRATION_ATTEMPTS 5

static int64_t
ns_from_timespec(const struct timespec *time)
{
    return (int64_t)time->tv_sec * NS_PER_SECOND + (int64_t)time->tv_nsec;
}

static int64_t
system_monotonic_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return ns_from_timespec(&time);
}

static bool
system_cpu_ns(clock_of_thread thread, int64_t *cpu_ns)
{
    struct timespec time;
    if (clock_gettime(thread, &time) != 0) {
        return false;
    }
    *cpu_ns = ns_from_timespec(&time);
    return true;
}

const struct clock_readings clock_system_readings = {system_monotonic_ns, system_cpu_ns};

/* Only a counter that keeps its rate in every power state can stand for time. */
static bool
counter_is_invariant(void)
{
#if defined(__x86_64__) || defined(__i386__)
    unsigned int eax, ebx, ecx, edx;
    return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1U << 8)) != 0;
#else
    return CLOCK_HAS_COUNTER != 0;
#endif
}

/* Reads both clocks at one moment: again, a few times, where something came between the readings. */
static void
read_both(const struct clock *clock, uint64_t *ticks, int64_t *ns)
{
    uint64_t closest = UINT64_MAX;
    for (int attempt = 0; attempt < CALIBRATION_ATTEMPTS; attempt++) {
        uint64_t before = clock_ticks(clock);
        int64_t between_ns = clock->readings->monotonic_ns();
        uint64_t gap = clock_ticks(clock) - before;
        if (gap < closest) {
            closest = gap;
            *ticks = before + gap / 2;
            *ns = between_ns;
        }
    }
}

void
clock_init(struct clock *clock, const struct clock_readings *readings)
{
    clock->readings = readings;
    clock->ticks_per_ns = clock->ns_per_tick = 1.0;
    clock->counts_ticks = readings == &clock_system_readings && counter_is_invariant();
    read_both(clock, &clock->rate_ticks, &clock->rate_ns);
    while (clock->counts_ticks && readings->monotonic_ns() - clock->rate_ns < FIRST_CALIBRATION_NS) {
    }
    clock_refine(clock);
}

void
clock_refine(struct clock *clock)
{
    uint64_t now_ticks = 0;
    int64_t now_ns = 0;
    read_both(clock, &now_ticks, &now_ns);
    int64_t ns = now_ns - clock->rate_ns;
    int64_t ticks = (int64_t)(now_ticks - clock->rate_ticks);
    if (clock->counts_ticks && ns >= FIRST_CALIBRATION_NS && ticks > 0) {
        clock->ticks_per_ns = (double)ticks / (double)ns;
        clock->ns_per_tick = (double)ns / (double)ticks;
    }
}

void
clock_exclude(struct clock *clock, uint64_t ticks, int64_t ns)
{
    clock->rate_ticks += ticks;
    clock->rate_ns += ns;
}

int64_t
clock_ticks_from_ns(const struct clock *clock, int64_t ns)
{
    return clock->counts_ticks ? (int64_t)((double)ns * clock->ticks_per_ns) : ns;
}

bool
clock_of_pthread(pthread_t pthread, clock_of_thread *clock)
{
#if defined(__linux__)
    return pthread_getcpuclockid(pthread, clock) == 0;
#else
    (void)pthread;
    *clock = CLOCK_THREAD_CPUTIME_ID; /* of whichever thread reads it */
    return false;
#endif
}
