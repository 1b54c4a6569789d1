/* test_clock.c -- choosing a clock, its rate, and leaving intervals out of the measuring. */
#include "check.h"

static void
a_clock_that_is_not_the_systems_counts_nanoseconds(void)
{
    struct clock clock;
    fake_clock_init(&clock);
    CHECK(!clock.counts_ticks);
    CHECK(clock_ticks(&clock) == 1000000);
    CHECK(clock_ns_from_ticks(&clock, 12345) == 12345);
    CHECK(clock_ticks_from_ns(&clock, 12345) == 12345);
}

static void
the_system_clock_agrees_with_clock_monotonic(void)
{
    struct clock clock;
    clock_init(&clock, &clock_system_readings);
    int64_t began_ns = clock.readings->monotonic_ns();
    uint64_t began_ticks = clock_ticks(&clock);
    while (clock.readings->monotonic_ns() - began_ns < 50000000) {
    }
    clock_refine(&clock);
    int64_t by_ticks_ns = clock_ns_from_ticks(&clock, (int64_t)(clock_ticks(&clock) - began_ticks));
    int64_t by_monotonic_ns = clock.readings->monotonic_ns() - began_ns;
    CHECK(by_ticks_ns > by_monotonic_ns * 9 / 10);
    CHECK(by_ticks_ns < by_monotonic_ns * 11 / 10);
}

static void
ticks_and_nanoseconds_convert_both_ways(void)
{
    struct clock clock = {.counts_ticks = true, .ticks_per_ns = 2.5, .ns_per_tick = 0.4};
    CHECK(clock_ns_from_ticks(&clock, 2500) == 1000);
    CHECK(clock_ticks_from_ns(&clock, 1000) == 2500);
}

static void
an_excluded_interval_does_not_change_the_rate(void)
{
    struct clock clock;
    clock_init(&clock, &clock_system_readings);
    double before = clock.ticks_per_ns;
    uint64_t rate_ticks = clock.rate_ticks;
    int64_t rate_ns = clock.rate_ns;
    clock_exclude(&clock, 7000000, 3);
    CHECK(clock.ticks_per_ns >= before && clock.ticks_per_ns <= before);
    CHECK(clock.rate_ticks == rate_ticks + 7000000);
    CHECK(clock.rate_ns == rate_ns + 3);
}

static void
the_cpu_clock_of_a_living_thread_can_be_read(void)
{
    clock_of_thread clock;
    int64_t cpu_ns = -1;
    bool shared = clock_of_pthread(pthread_self(), &clock);
    CHECK(clock_system_readings.cpu_ns(clock, &cpu_ns));
    CHECK(cpu_ns >= 0);
#if defined(__linux__)
    CHECK(shared);
#else
    (void)shared;
#endif
}

static void *
say_cpu_clock(void *argument)
{
    (void)clock_of_pthread(pthread_self(), argument);
    return NULL;
}

static void
the_cpu_clock_of_a_dead_thread_is_gone_without_an_error(void)
{
#if defined(__linux__)
    clock_of_thread clock;
    pthread_t thread;
    int64_t cpu_ns = 0;
    CHECK(pthread_create(&thread, NULL, say_cpu_clock, &clock) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    /* A joined thread may be on its way out of the kernel still. */
    int64_t deadline_ns = clock_system_readings.monotonic_ns() + 5000000000;
    while (clock_system_readings.cpu_ns(clock, &cpu_ns)) {
        CHECK(clock_system_readings.monotonic_ns() < deadline_ns);
    }
#else
    (void)say_cpu_clock;
#endif
}

const struct test clock_tests[] = {
    {"a clock that is not the system's counts nanoseconds",
     a_clock_that_is_not_the_systems_counts_nanoseconds},
    {"the system clock agrees with CLOCK_MONOTONIC", the_system_clock_agrees_with_clock_monotonic},
    {"ticks and nanoseconds convert both ways", ticks_and_nanoseconds_convert_both_ways},
    {"an excluded interval does not change the rate", an_excluded_interval_does_not_change_the_rate},
    {"the CPU clock of a living thread can be read", the_cpu_clock_of_a_living_thread_can_be_read},
    {"the CPU clock of a dead thread is gone without an error",
     the_cpu_clock_of_a_dead_thread_is_gone_without_an_error},
    {NULL, NULL},
};
