/* check.h -- just enough of a test harness: named tests, a fake clock, an allocator that fails on demand.
 *
 * A test is a function without arguments that CHECKs; the first CHECK that does not hold ends it. */
#ifndef GP_CHECK_H
#define GP_CHECK_H

#include "recorder.h"

#include <stdbool.h>
#include <stdint.h>

struct test {
    const char *name;
    void (*run)(void);
};

/* Tables of tests, one a file, each ended by an entry without a name. */
extern const struct test clock_tests[];
extern const struct test tree_tests[];
extern const struct test position_tests[];
extern const struct test thread_tests[];
extern const struct test slices_tests[];
extern const struct test timeline_tests[];
extern const struct test tags_tests[];
extern const struct test habits_tests[];
extern const struct test recorder_tests[];
extern const struct test memory_tests[];
extern const struct test columns_tests[];

/* Says what did not hold, and leaves the test. */
_Noreturn void check_failed(const char *file, int line, const char *what);
#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            check_failed(__FILE__, __LINE__, #condition);                                                    \
        }                                                                                                    \
    } while (0)

/* -- a clock that stands still until it is told ---------------------------------------------------- */

struct fake_time {
    int64_t monotonic_ns;
    int64_t cpu_ns;
    int64_t lost_when_read_ns; /* off the CPU, right after the next reading of the CPU clock */
    bool cpu_is_gone;
};
extern struct fake_time fake;
extern const struct clock_readings fake_readings;

/* One tick is a nanosecond; all time at zero. */
void fake_clock_init(struct clock *clock);

/* Time goes on: on the CPU, or off it. */
void run_for(int64_t ns);
void sleep_for(int64_t ns);
uint64_t now(void);

/* -- an allocator whose n-th request fails --------------------------------------------------------- */

struct failing_memory {
    size_t requests;
    size_t fail_at; /* this request and all after it; 0: none */
};
void failing_memory_init(struct memory *memory, struct failing_memory *failing);

/* -- a recorder to test with ------------------------------------------------------------------------ */

extern const struct function thread_root, greenlet_class, truncated_mark, ended_mark, foo, bar, sleep_c,
    hub_run, poll_c;

void recorder_for_test(struct recorder *recorder, const struct recorder_limits *limits);
struct thread *thread_for_test(struct recorder *recorder);

/* What an event source does, in one call each. */
void enter(struct recorder *recorder, struct thread *thread, const struct function *function,
           uintptr_t frame);
void leave(struct recorder *recorder, struct thread *thread, uintptr_t frame);
void switch_to(struct recorder *recorder, struct thread *thread, const void *greenlet);

/* Sum of a thread's running (idle included) and own ticks: must be what it recorded. */
uint64_t charged_ticks(const struct thread *thread);

/* The node of a path of functions below the greenlets' base; NULL when it is not there. */
struct node *node_at(const struct thread *thread, const struct function *outer, const struct function *inner);

#endif
