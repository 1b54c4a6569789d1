/* check.c -- runs every test, prints what failed, and `N passed, N failed` last. */
#include "check.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf end_of_test;

_Noreturn void
check_failed(const char *file, int line, const char *what)
{
    printf("%s:%d: does not hold: %s\n", file, line, what);
    longjmp(end_of_test, 1);
}

/* -- fake time ----------------------------------------------------------------------------------- */

struct fake_time fake;

static int64_t
fake_monotonic_ns(void)
{
    return fake.monotonic_ns;
}

static bool
fake_cpu_ns(clock_of_thread thread, int64_t *cpu_ns)
{
    (void)thread;
    if (!fake.cpu_is_gone) {
        *cpu_ns = fake.cpu_ns;
    }
    sleep_for(fake.lost_when_read_ns);
    fake.lost_when_read_ns = 0;
    return !fake.cpu_is_gone;
}

const struct clock_readings fake_readings = {fake_monotonic_ns, fake_cpu_ns};

void
fake_clock_init(struct clock *clock)
{
    fake = (struct fake_time){.monotonic_ns = 1000000};
    clock_init(clock, &fake_readings);
}

void
run_for(int64_t ns)
{
    fake.monotonic_ns += ns;
    fake.cpu_ns += ns;
}

void
sleep_for(int64_t ns)
{
    fake.monotonic_ns += ns;
}

uint64_t
now(void)
{
    return (uint64_t)fake.monotonic_ns;
}

/* -- failing memory ------------------------------------------------------------------------------ */

static void *
resize_or_fail(void *context, void *block, size_t new_size)
{
    struct failing_memory *failing = context;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    failing->requests++;
    if (failing->fail_at != 0 && failing->requests >= failing->fail_at) {
        return NULL;
    }
    return realloc(block, new_size);
}

void
failing_memory_init(struct memory *memory, struct failing_memory *failing)
{
    *memory = (struct memory){.resize = resize_or_fail, .context = failing, .limit = SIZE_MAX};
}

/* -- a recorder ---------------------------------------------------------------------------------- */

const struct function thread_root = {.key = &thread_root, .index = 0, .flags = FUNCTION_IS_BASE};
const struct function greenlet_class = {.key = &greenlet_class, .index = 1, .flags = FUNCTION_IS_BASE};
const struct function truncated_mark = {.key = &truncated_mark, .index = 2, .flags = FUNCTION_IS_TRUNCATED};
const struct function ended_mark = {.key = &ended_mark, .index = 3, .flags = FUNCTION_IS_BASE};
const struct function foo = {.key = &foo, .index = 4};
const struct function bar = {.key = &bar, .index = 5};
const struct function sleep_c = {.key = &sleep_c, .index = 6, .flags = FUNCTION_IS_C};
const struct function hub_run = {.key = &hub_run, .index = 7, .flags = FUNCTION_POLLS};
const struct function poll_c = {.key = &poll_c, .index = 8, .flags = FUNCTION_IS_C};

void
recorder_for_test(struct recorder *recorder, const struct recorder_limits *limits)
{
    const struct recorder_limits roomy = {
        .nodes = 1000, .ended_threads = 10, .ended_greenlets = 1000, .blocking_ns = 100000000};
    struct memory memory;
    struct clock clock;
    memory_init(&memory);
    fake_clock_init(&clock);
    CHECK(recorder_init(recorder, &memory, &clock, limits != NULL ? limits : &roomy));
    recorder_set_marks(recorder, &truncated_mark, &ended_mark);
}

struct thread *
thread_for_test(struct recorder *recorder)
{
    struct thread *thread = recorder_add_thread(recorder, &thread_root, CLOCK_THREAD_CPUTIME_ID, true, now());
    if (thread != NULL) {
        recorder_set_base(recorder, thread, thread->position, &greenlet_class);
    }
    return thread;
}

void
enter(struct recorder *recorder, struct thread *thread, const struct function *function, uintptr_t frame)
{
    thread_charge(thread, now());
    struct node *node = recorder_recent_child(thread->position->top->node, function->key);
    if (node == NULL) {
        node = recorder_child(recorder, thread, function);
    }
    if (node == NULL) {
        node = recorder_truncated_child(recorder, thread);
    }
    node->calls++;
    recorder_open(recorder, thread, frame, node);
}

void
leave(struct recorder *recorder, struct thread *thread, uintptr_t frame)
{
    recorder_leave(recorder, thread, frame, now());
}

void
switch_to(struct recorder *recorder, struct thread *thread, const void *greenlet)
{
    thread_charge(thread, now());
    struct position *position = position_map_find(&recorder->greenlets, greenlet);
    if (position == NULL) {
        position = recorder_add_greenlet(recorder, thread, greenlet, &greenlet_class, now());
    }
    if (position != NULL) {
        thread_switch(thread, position, now());
    }
}

uint64_t
charged_ticks(const struct thread *thread)
{
    uint64_t ticks = thread->own_ticks;
    for (size_t index = 0; index < thread->tree.node_count; index++) {
        ticks += tree_node(&thread->tree, index)->running_ticks;
    }
    return ticks;
}

struct node *
node_at(const struct thread *thread, const struct function *outer, const struct function *inner)
{
    struct node *base = tree_find(&thread->tree, thread->root, greenlet_class.key);
    struct node *node = base != NULL ? tree_find(&thread->tree, base, outer->key) : NULL;
    return node != NULL && inner != NULL ? tree_find(&thread->tree, node, inner->key) : node;
}

/* -- running ------------------------------------------------------------------------------------- */

/* A jump out of the test comes back here, so what must survive it is not in registers. */
static bool
passes(const struct test *test)
{
    if (setjmp(end_of_test) != 0) {
        printf("FAILED %s\n", test->name);
        return false;
    }
    test->run();
    return true;
}

int
main(void)
{
    const struct test *const tables[] = {clock_tests,    tree_tests,     position_tests, thread_tests,
                                         slices_tests,   timeline_tests, tags_tests,     habits_tests,
                                         recorder_tests, memory_tests,   columns_tests};
    int passed = 0;
    int failed = 0;
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* what was said stays said when a sanitizer ends the program */
    for (size_t table = 0; table < sizeof tables / sizeof tables[0]; table++) {
        for (const struct test *test = tables[table]; test->name != NULL; test++) {
            if (passes(test)) {
                passed++;
            } else {
                failed++;
            }
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
