/* test_slices.c -- slices by length and kind; which of them blocked, and what by. */
#include "check.h"

#include <string.h>

#define US INT64_C(1000)
#define MS INT64_C(1000000)

static char hub, worker, other;
static const struct function own = {.key = &own, .flags = FUNCTION_IS_HIDDEN};

/* A thread whose hub is suspended, and another greenlet, and whose running greenlet is the worker. */
static struct thread *
thread_with_worker(struct recorder *recorder)
{
    recorder_for_test(recorder, NULL);
    struct thread *thread = thread_for_test(recorder);
    recorder_name_greenlet(recorder, thread->position, &hub);
    switch_to(recorder, thread, &other);
    switch_to(recorder, thread, &worker);
    return thread;
}

static void
call_for(struct recorder *recorder, struct thread *thread, const struct function *function, int64_t ns)
{
    enter(recorder, thread, function, 0x10);
    run_for(ns);
    leave(recorder, thread, 0x10);
}

static const struct slice_kind *
kind_of(struct recorder *recorder, const struct function *first)
{
    return slices_kind(&recorder->slices, &greenlet_class, first);
}

static uint64_t
count_of_all_kinds(const struct recorder *recorder)
{
    uint64_t count = 0;
    for (size_t bucket = 0; bucket < SLICE_KIND_BUCKETS; bucket++) {
        for (const struct slice_kind *kind = recorder->slices.kinds[bucket]; kind; kind = kind->chain) {
            uint64_t lengths = 0;
            for (int length = 0; length < SLICE_LENGTHS; length++) {
                lengths += kind->lengths[length];
            }
            CHECK(lengths == kind->count);
            count += kind->count;
        }
    }
    return count;
}

static void
a_slice_is_counted_by_its_length_and_its_greenlets_kind(void)
{
    const struct {
        int64_t ns;
        int length;
    } slices[] = {{0, 0},
                  {1023, 0},
                  {1024, 1},
                  {2047, 1},
                  {2048, 2},
                  {1048576, 11},
                  {1048575, 10},
                  {INT64_C(1) << 38, 29},
                  {MS * 1, 10},
                  {MS * 1000, 20},
                  {INT64_C(1) << 45, 29}};
    for (size_t index = 0; index < sizeof slices / sizeof *slices; index++) {
        struct recorder recorder;
        struct thread *thread = thread_with_worker(&recorder);
        enter(&recorder, thread, &foo, 0x10);
        run_for(slices[index].ns);
        switch_to(&recorder, thread, &hub);
        const struct slice_kind *kind = kind_of(&recorder, &foo);
        CHECK(kind->count == 1 && kind->lengths[slices[index].length] == 1);
        CHECK(kind->ticks == (uint64_t)slices[index].ns && kind->longest_ticks == kind->ticks);
        recorder_dispose(&recorder);
    }
}

static void
a_poll_ends_a_slice_and_is_none(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    run_for(3 * MS);
    switch_to(&recorder, thread, &hub);
    enter(&recorder, thread, &hub_run, 0x10);
    run_for(2 * MS);
    enter(&recorder, thread, &poll_c, 0x11);
    sleep_for(500 * MS);
    leave(&recorder, thread, 0x11);
    run_for(4 * MS);
    switch_to(&recorder, thread, &worker);
    const struct slice_kind *kind = kind_of(&recorder, &hub_run);
    CHECK(thread->polls == 1 && thread->switches == 4);
    CHECK(kind->count == 2 && kind->ticks == 6 * MS && kind->longest_ticks == 4 * MS);
    CHECK(count_of_all_kinds(&recorder) == thread->switches + thread->polls);
    CHECK(recorder.slices.blocking_count == 0);
    recorder_dispose(&recorder);
}

static void
a_long_slice_blocks_only_while_another_greenlet_is_suspended(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    call_for(&recorder, thread, &foo, 200 * MS);
    switch_to(&recorder, thread, &hub);
    CHECK(recorder.slices.blocking_count == 1);
    CHECK(recorder.slices.longest[0].suspended == 2);
    recorder_end_greenlet(&recorder, thread, position_map_find(&recorder.greenlets, &worker));
    call_for(&recorder, thread, &foo, 200 * MS);
    recorder_stop(&recorder, now());
    CHECK(recorder.slices.blocking_count == 1);
    recorder_dispose(&recorder);
}

static void
a_slice_just_below_the_threshold_does_not_block(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    call_for(&recorder, thread, &foo, 100 * MS - 1);
    switch_to(&recorder, thread, &hub);
    CHECK(recorder.slices.blocking_count == 0);
    switch_to(&recorder, thread, &worker);
    call_for(&recorder, thread, &foo, 100 * MS);
    switch_to(&recorder, thread, &hub);
    CHECK(recorder.slices.blocking_count == 1);
    recorder_dispose(&recorder);
}

static void
a_slice_that_blocks_says_when_where_and_how_much_of_it_was_cpu_time(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    int64_t began_ns = fake.monotonic_ns;
    enter(&recorder, thread, &foo, 0x10);
    run_for(30 * MS);
    enter(&recorder, thread, &sleep_c, 0x11);
    sleep_for(300 * MS);
    leave(&recorder, thread, 0x11);
    switch_to(&recorder, thread, &hub);
    const struct blocking_slice *slice = &recorder.slices.longest[0];
    CHECK(recorder.slices.longest_count == 1 && slice->is_over);
    CHECK(slice->ticks == 330 * MS && slice->off_cpu_ticks == 300 * MS);
    CHECK(slice->began_monotonic_ns == began_ns);
    CHECK(slice->first == &foo && slice->class_function == &greenlet_class);
    CHECK(slice->thread_id == thread->id && slice->greenlet_id == 3);
    CHECK(slice->culprit == node_at(thread, &foo, &sleep_c));
    recorder_dispose(&recorder);
}

static void
the_profilers_own_time_and_dropped_time_are_no_part_of_a_slice(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    call_for(&recorder, thread, &foo, 60 * MS);
    run_for(70 * MS);
    thread_charge_own(thread, now());
    fake.monotonic_ns += 5;
    run_for(20 * MS);
    switch_to(&recorder, thread, &hub);
    CHECK(recorder.slices.blocking_count == 0);
    CHECK(kind_of(&recorder, &foo)->ticks == 80 * MS + 5);
    recorder_dispose(&recorder);
}

static void
what_is_dropped_is_no_part_of_a_slice(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(60 * MS);
    enter(&recorder, thread, &bar, 0x20);
    thread->cpu_read_ticks -= 500 * MS; /* the counter jumped ahead of the clock */
    thread->last_ticks -= 500 * MS;
    thread->slice.began_ticks -= 500 * MS;
    thread->began_ticks -= 500 * MS;
    leave(&recorder, thread, 0x20);
    switch_to(&recorder, thread, &hub);
    CHECK(thread->dropped_intervals == 1);
    CHECK(recorder.slices.blocking_count == 0 && kind_of(&recorder, &foo)->ticks == 60 * MS);
    recorder_dispose(&recorder);
}

/* The hub waits for 400 ms, then works for 150 ms, of which it sleeps 50 ms where it does not poll. */
static void
a_poll_is_not_counted_as_time_off_the_cpu_of_the_slice_after_it(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    switch_to(&recorder, thread, &hub);
    enter(&recorder, thread, &hub_run, 0x10);
    enter(&recorder, thread, &poll_c, 0x11);
    sleep_for(400 * MS);
    run_for(100 * MS);
    leave(&recorder, thread, 0x11);
    enter(&recorder, thread, &foo, 0x20);
    sleep_for(110 * MS);
    leave(&recorder, thread, 0x20);
    switch_to(&recorder, thread, &worker);
    CHECK(thread->polls == 1 && recorder.slices.longest_count == 2);
    CHECK(recorder.slices.longest[0].ticks == 100 * MS && recorder.slices.longest[0].off_cpu_ticks == 0);
    CHECK(recorder.slices.longest[1].ticks == 110 * MS &&
          recorder.slices.longest[1].off_cpu_ticks == 110 * MS);
    recorder_dispose(&recorder);
}

static void
what_is_moved_to_another_node_is_spent_there(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    call_for(&recorder, thread, &foo, MS);
    call_for(&recorder, thread, &bar, MS);
    thread_settle(thread, now());
    struct node *to = node_at(thread, &bar, NULL);
    enter(&recorder, thread, &foo, 0x10);
    run_for(200 * MS);
    thread_charge(thread, now());
    struct unsettled unsettled = thread_unsettled(thread);
    thread_move_unsettled(thread, &unsettled, to);
    leave(&recorder, thread, 0x10);
    switch_to(&recorder, thread, &hub);
    CHECK(recorder.slices.culprits[0].node == to);
    recorder_dispose(&recorder);
}

static void
the_profilers_own_functions_are_no_part_of_a_slice(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    call_for(&recorder, thread, &foo, 60 * MS);
    enter(&recorder, thread, &own, 0x10);
    run_for(70 * MS);
    enter(&recorder, thread, &sleep_c, 0x11);
    sleep_for(70 * MS);
    leave(&recorder, thread, 0x11);
    leave(&recorder, thread, 0x10);
    switch_to(&recorder, thread, &hub);
    CHECK(recorder.slices.blocking_count == 0);
    CHECK(kind_of(&recorder, &foo)->ticks == 60 * MS);
    recorder_dispose(&recorder);
}

/* 4,000 calls of 0.1 ms of bar by foo, beside 100 ms of foo alone. */
static void
many_small_calls_are_a_culprit_like_one_long_one(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(100 * MS);
    for (int call = 0; call < 4000; call++) {
        enter(&recorder, thread, &bar, 0x20);
        run_for(100 * US);
        leave(&recorder, thread, 0x20);
    }
    switch_to(&recorder, thread, &hub);
    const struct slice_culprit *culprit = &recorder.slices.culprits[0];
    CHECK(culprit->node == node_at(thread, &foo, &bar));
    CHECK(culprit->count == 1 && culprit->ticks == 500 * MS && culprit->longest_ticks == 500 * MS);
    recorder_dispose(&recorder);
}

static void
where_no_callee_has_half_the_caller_is_the_culprit(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(60 * MS);
    enter(&recorder, thread, &bar, 0x20);
    run_for(70 * MS);
    leave(&recorder, thread, 0x20);
    enter(&recorder, thread, &sleep_c, 0x11);
    sleep_for(70 * MS);
    leave(&recorder, thread, 0x11);
    switch_to(&recorder, thread, &hub);
    CHECK(recorder.slices.culprits[0].node == node_at(thread, &foo, NULL));
    recorder_dispose(&recorder);
}

/* -- samples ------------------------------------------------------------------------------------- */

#define FUNCTIONS 3000

static const struct function *
function_number(size_t number)
{
    static struct function functions[FUNCTIONS];
    functions[number].key = &functions[number];
    return &functions[number];
}

static uint64_t
sum_of(const struct slice_samples *samples)
{
    uint64_t ticks = 0;
    for (size_t index = 0; index < samples->count; index++) {
        ticks += samples->entries[index].ticks;
    }
    return ticks;
}

static struct tree
tree_for_test(struct memory *memory)
{
    struct tree tree;
    memory_init(memory);
    CHECK(tree_init(&tree, memory));
    CHECK(tree_add(&tree, NULL, &thread_root) != NULL);
    return tree;
}

static void
samples_of_many_callees_lose_no_time_and_find_their_caller(void)
{
    struct memory memory;
    struct tree tree = tree_for_test(&memory);
    struct slice_samples samples = {.count = 0};
    struct node *caller = tree_add(&tree, tree_add(&tree, tree_node(&tree, 0), &foo), &bar);
    for (size_t number = 0; number < 1000; number++) {
        struct node *callee = tree_add(&tree, caller, function_number(number));
        slice_samples_add(&samples, &tree, callee, 10 + number % 7);
    }
    CHECK(sum_of(&samples) == samples.ticks);
    CHECK(slice_samples_culprit(&samples, &tree) == caller);
    tree_dispose(&tree);
}

/* The one with more than half is the youngest, which would go first. */
static void
a_large_sample_is_not_given_up_for_small_ones(void)
{
    struct memory memory;
    struct tree tree = tree_for_test(&memory);
    struct slice_samples samples = {.count = 0};
    struct node *root = tree_node(&tree, 0);
    for (size_t number = 0; number < 1000; number++) {
        CHECK(tree_add(&tree, root, function_number(number)) != NULL);
    }
    struct node *large = tree_add(&tree, tree_add(&tree, root, &foo), &bar);
    for (size_t number = 0; number < 1000; number++) {
        slice_samples_add(&samples, &tree, tree_node(&tree, 1 + number), 10);
        if (number % 10 == 0) {
            slice_samples_add(&samples, &tree, large, 150);
        }
    }
    CHECK(sum_of(&samples) == samples.ticks && samples.ticks == 25000);
    CHECK(slice_samples_culprit(&samples, &tree) == large);
    tree_dispose(&tree);
}

static void
samples_on_deep_stacks_that_part_at_the_root_lose_no_time(void)
{
    struct memory memory;
    struct tree tree = tree_for_test(&memory);
    struct slice_samples samples = {.count = 0};
    for (size_t number = 0; number < 3 * SLICE_SAMPLES; number++) {
        struct node *node = tree_add(&tree, tree_node(&tree, 0), function_number(number));
        for (int depth = 0; depth < 1000; depth++) {
            node = tree_add(&tree, node, &foo);
        }
        slice_samples_add(&samples, &tree, node, 1000);
        CHECK(sum_of(&samples) == 1000 * (number + 1) && samples.count <= SLICE_SAMPLES);
    }
    CHECK(slice_samples_culprit(&samples, &tree) == tree_node(&tree, 0));
    tree_dispose(&tree);
}

static uint64_t
ticks_below(const struct tree *tree, const uint64_t *ticks, size_t index)
{
    uint64_t sum = 0;
    for (size_t below = 0; below < tree->node_count; below++) {
        const struct node *node = tree_node(tree, below);
        while (node != NULL && node != tree_node(tree, index)) {
            node = node->parent;
        }
        sum += node != NULL ? ticks[below] : 0;
    }
    return sum;
}

static uint32_t
next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* The last of the nodes with half of all in and below them, in the order in which nodes are made: no node that
 * comes later is outside of it and has half too, but for two halves. */
static struct node *
culprit_by_brute_force(const struct tree *tree, const uint64_t *ticks)
{
    uint64_t all = ticks_below(tree, ticks, 0);
    size_t last = 0;
    for (size_t index = 0; index < tree->node_count; index++) {
        if (ticks_below(tree, ticks, index) >= all - all / 2) {
            last = index;
        }
    }
    return tree_node(tree, last);
}

static void
the_culprit_is_what_brute_force_finds(void)
{
    uint32_t random = 1;
    for (int program = 0; program < 300; program++) {
        struct memory memory;
        struct tree tree = tree_for_test(&memory);
        struct slice_samples samples = {.count = 0};
        uint64_t ticks[SLICE_SAMPLES] = {0};
        for (size_t index = 1; index < SLICE_SAMPLES; index++) {
            struct node *parent =
                tree_node(&tree, index - 1 - next_random(&random) % (index < 4 ? index : 4));
            CHECK(tree_add(&tree, parent, function_number(index)) != NULL);
        }
        for (int sample = 0; sample < 200; sample++) {
            size_t index = next_random(&random) % (program % 2 == 0 ? SLICE_SAMPLES : 7);
            uint64_t length = next_random(&random) % 1000 + 1;
            ticks[index] += length;
            slice_samples_add(&samples, &tree, tree_node(&tree, index), length);
        }
        CHECK(slice_samples_culprit(&samples, &tree) == culprit_by_brute_force(&tree, ticks));
        tree_dispose(&tree);
    }
}

/* -- the longest, and culprits ------------------------------------------------------------------- */

#define SLICES 400

static void
the_longest_slices_and_each_culprits_sums_are_those_of_a_list_of_all(void)
{
    static int64_t lengths[SLICES];
    uint64_t of_functions[7] = {0}, counts[7] = {0};
    uint32_t random = 7;
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    for (size_t number = 0; number < SLICES; number++) {
        size_t function = next_random(&random) % 7;
        lengths[number] = (100 + next_random(&random) % 5000) * MS + (int64_t)number;
        call_for(&recorder, thread, function_number(function), lengths[number]);
        switch_to(&recorder, thread, &hub);
        switch_to(&recorder, thread, &worker);
        of_functions[function] += (uint64_t)lengths[number];
        counts[function]++;
    }
    CHECK(recorder.slices.blocking_count == SLICES && recorder.slices.longest_count == SLICES_KEPT);
    for (size_t index = 0; index < SLICES_KEPT; index++) {
        size_t longer = 0;
        for (size_t number = 0; number < SLICES; number++) {
            longer += (uint64_t)lengths[number] > recorder.slices.longest[index].ticks;
        }
        CHECK(longer < SLICES_KEPT);
    }
    CHECK(recorder.slices.culprit_count == 7);
    for (size_t index = 0; index < 7; index++) {
        const struct slice_culprit *culprit = &recorder.slices.culprits[index];
        size_t function = (size_t)((const struct function *)culprit->node->key - function_number(0));
        CHECK(culprit->ticks == of_functions[function] && culprit->count == counts[function]);
    }
    recorder_dispose(&recorder);
}

static void
past_a_number_of_culprits_more_are_counted_as_unkept(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    recorder.limits.nodes = FUNCTIONS;
    for (size_t number = 0; number < SLICE_CULPRITS_KEPT + 30; number++) {
        call_for(&recorder, thread, function_number(number), 200 * MS);
        switch_to(&recorder, thread, &hub);
        switch_to(&recorder, thread, &worker);
    }
    CHECK(recorder.slices.culprit_count == SLICE_CULPRITS_KEPT);
    CHECK(recorder.slices.blocking_count == SLICE_CULPRITS_KEPT + 30);
    CHECK(recorder.slices.unkept == 30);
    recorder_dispose(&recorder);
}

static void
kinds_past_a_number_are_counted_together(void)
{
    static struct function functions[SLICE_KINDS_KEPT + 2];
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    for (size_t number = 0; number < SLICE_KINDS_KEPT; number++) {
        CHECK(slices_kind(&recorder.slices, &greenlet_class, &functions[number])->first ==
              &functions[number]);
    }
    for (size_t number = SLICE_KINDS_KEPT; number < SLICE_KINDS_KEPT + 2; number++) {
        CHECK(slices_kind(&recorder.slices, &greenlet_class, &functions[number])->first == &truncated_mark);
    }
    CHECK(recorder.slices.kind_count == SLICE_KINDS_KEPT + 1);
    recorder_dispose(&recorder);
}

static void
a_greenlet_whose_slices_are_counted_with_others_keeps_its_first_function(void)
{
    static struct function functions[SLICE_KINDS_KEPT];
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    for (size_t number = 0; number < SLICE_KINDS_KEPT; number++) {
        CHECK(slices_kind(&recorder.slices, &greenlet_class, &functions[number]) != NULL);
    }
    call_for(&recorder, thread, &foo, MS);
    switch_to(&recorder, thread, &hub);
    CHECK(slices_kind(&recorder.slices, &greenlet_class, &truncated_mark)->count > 0);
    struct position *position = position_map_find(&recorder.greenlets, &worker);
    CHECK(recorder_record_of(thread, position, now()).kind_index == foo.index);
    recorder_dispose(&recorder);
}

/* -- straight slices ------------------------------------------------------------------------------ */

static const void *const greenlets[] = {&hub, &other, &worker};
static const struct function *const firsts[] = {&foo, &bar, &hub_run};

#define GREENLETS (sizeof greenlets / sizeof *greenlets)

/* Something that a greenlet does in a slice, which leaves it straight or not. */
static void
do_something(struct recorder *recorder, struct thread *thread, uint32_t what, const struct function *first)
{
    enter(recorder, thread, what == 0 ? &own : first, 0x10);
    run_for((int64_t)what * US);
    switch (what) {
    case 1:
        thread_charge(thread, now());
        run_for(3 * US);
        thread_charge_own(thread, now());
        break;
    case 2:
        thread_charge(thread, now());
        thread_settle(thread, now());
        break;
    case 3: /* a poll, if that is the hub */
        enter(recorder, thread, &poll_c, 0x11);
        sleep_for(300 * US);
        leave(recorder, thread, 0x11);
        break;
    case 4:
        run_for(150 * MS);
        break;
    default:
        run_for(US);
    }
    leave(recorder, thread, 0x10);
}

/* 2,000 slices; returns how many of them were straight. Where they `may_be` none, each is taken for one that is
 * not. */
static size_t
switch_about(struct recorder *recorder, struct thread *thread, bool may_be)
{
    uint32_t random = 3;
    size_t running = 2, straight = 0;
    for (int slice = 0; slice < 2000; slice++) {
        do_something(recorder, thread, next_random(&random) % 12, firsts[running]);
        thread->slice.is_straight &= may_be;
        straight += thread->slice.is_straight;
        running = (running + 1 + next_random(&random) % 2) % GREENLETS;
        switch_to(recorder, thread, greenlets[running]);
    }
    return straight;
}

static bool
have_the_same_times(const struct position *one, const struct position *same)
{
    return one->running_ticks == same->running_ticks && one->off_cpu_ticks == same->off_cpu_ticks &&
           one->idle_ticks == same->idle_ticks && one->longest_slice_ticks == same->longest_slice_ticks &&
           one->waiting_ticks == same->waiting_ticks && one->contended_ticks == same->contended_ticks &&
           one->lag_ticks == same->lag_ticks && one->switches == same->switches;
}

static bool
are_the_same_kind(const struct slice_kind *one, const struct slice_kind *same)
{
    return one->count == same->count && one->ticks == same->ticks &&
           one->longest_ticks == same->longest_ticks &&
           memcmp(one->lengths, same->lengths, sizeof one->lengths) == 0;
}

static void
a_straight_slice_is_counted_as_any_other(void)
{
    struct recorder recorder, plain;
    struct thread *thread = thread_with_worker(&recorder);
    size_t straight = switch_about(&recorder, thread, true);
    struct thread *plain_thread = thread_with_worker(&plain);
    CHECK(switch_about(&plain, plain_thread, false) == 0);
    CHECK(straight > 500 && straight < 1500);
    for (size_t index = 0; index < GREENLETS; index++) {
        CHECK(have_the_same_times(position_map_find(&recorder.greenlets, greenlets[index]),
                                  position_map_find(&plain.greenlets, greenlets[index])));
        CHECK(are_the_same_kind(kind_of(&recorder, firsts[index]), kind_of(&plain, firsts[index])));
    }
    CHECK(count_of_all_kinds(&recorder) == thread->switches + thread->polls);
    CHECK(thread->polls == plain_thread->polls && thread->polls > 0);
    CHECK(recorder.slices.blocking_count == plain.slices.blocking_count);
    recorder_dispose(&recorder);
    recorder_dispose(&plain);
}

/* The program, called by a function of the profiler's, is left for it without an event that would tell. */
static void
a_slice_that_goes_on_in_the_profilers_own_function_is_not_straight(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    enter(&recorder, thread, &own, 0x10);
    enter(&recorder, thread, &foo, 0x20);
    switch_to(&recorder, thread, &hub);
    switch_to(&recorder, thread, &worker);
    leave(&recorder, thread, 0x20);
    run_for(7 * US);
    switch_to(&recorder, thread, &hub);
    CHECK(position_map_find(&recorder.greenlets, &worker)->running_ticks == 0);
    recorder_dispose(&recorder);
}

static void
a_slice_in_which_the_cpu_clock_was_corrected_is_not_straight(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    switch_to(&recorder, thread, &hub);
    switch_to(&recorder, thread, &worker);
    sleep_for(fake.cpu_ns + 50 * MS);
    thread_correct_cpu_clock(thread, thread->cpu_clock, true, now());
    switch_to(&recorder, thread, &hub);
    CHECK(position_map_find(&recorder.greenlets, &worker)->off_cpu_ticks == 50 * MS);
    recorder_dispose(&recorder);
}

static void
slices_below_another_base_are_of_another_kind(void)
{
    static const struct function late_class = {.key = &late_class, .flags = FUNCTION_IS_BASE};
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    call_for(&recorder, thread, &foo, MS);
    switch_to(&recorder, thread, &hub);
    switch_to(&recorder, thread, &worker);
    recorder_set_base(&recorder, thread, thread->position, &late_class);
    switch_to(&recorder, thread, &hub);
    CHECK(kind_of(&recorder, &foo)->count == 1);
    CHECK(slices_kind(&recorder.slices, &late_class, &foo)->count == 1);
    recorder_dispose(&recorder);
}

static void
slices_after_the_first_call_are_of_its_kind(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    switch_to(&recorder, thread, &hub);
    switch_to(&recorder, thread, &worker);
    uint64_t without_call = kind_of(&recorder, NULL)->count;
    call_for(&recorder, thread, &foo, MS);
    switch_to(&recorder, thread, &hub);
    CHECK(kind_of(&recorder, &foo)->count == 1 && kind_of(&recorder, NULL)->count == without_call);
    recorder_dispose(&recorder);
}

/* -- ends ---------------------------------------------------------------------------------------- */

static void
a_slice_that_a_stop_cuts_off_blocks_and_is_not_counted(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    call_for(&recorder, thread, &foo, 150 * MS);
    CHECK(thread_is_blocked(thread));
    CHECK(thread_blocking_slice(thread).ticks == 150 * MS && recorder.slices.blocking_count == 0);
    recorder_stop(&recorder, now());
    CHECK(recorder.slices.blocking_count == 1 && !recorder.slices.longest[0].is_over);
    CHECK(count_of_all_kinds(&recorder) == thread->switches);
    recorder_dispose(&recorder);
}

static void
a_snapshot_cuts_no_slice(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(60 * MS);
    recorder_settle(&recorder, now());
    run_for(60 * MS);
    switch_to(&recorder, thread, &hub);
    CHECK(recorder.slices.longest[0].ticks == 120 * MS);
    CHECK(kind_of(&recorder, &foo)->count == 1);
    recorder_dispose(&recorder);
}

static void
slices_of_folded_threads_are_found_among_the_ended_ones(void)
{
    const struct recorder_limits limits = {
        .nodes = 1000, .ended_threads = 0, .ended_greenlets = 10, .blocking_ns = 100 * MS};
    struct recorder recorder;
    recorder_for_test(&recorder, &limits);
    for (int number = 0; number < 3; number++) {
        struct thread *thread = thread_for_test(&recorder);
        recorder_name_greenlet(&recorder, thread->position, &hub);
        switch_to(&recorder, thread, &other);
        switch_to(&recorder, thread, &worker);
        call_for(&recorder, thread, &foo, 150 * MS);
        switch_to(&recorder, thread, &hub);
        enter(&recorder, thread, &hub_run, 0x10);
        sleep_for(MS);
        leave(&recorder, thread, 0x10);
        CHECK(recorder_end_thread(&recorder, thread, now()));
    }
    struct node *foo_of_ended = node_at(recorder.ended, &foo, NULL);
    CHECK(foo_of_ended->calls == 3);
    CHECK(recorder.slices.culprit_count == 1 && recorder.slices.culprits[0].node == foo_of_ended);
    CHECK(recorder.slices.culprits[0].count == 3 && recorder.slices.culprits[0].ticks == 450 * MS);
    for (size_t index = 0; index < 3; index++) {
        CHECK(recorder.slices.longest[index].culprit == foo_of_ended);
        CHECK(recorder.slices.longest[index].samples.entries[0].node == foo_of_ended);
        CHECK(recorder.slices.longest[index].thread_id == recorder.ended->id);
    }
    CHECK(recorder.ended->polls == 3);
    CHECK(count_of_all_kinds(&recorder) == recorder.ended->switches + recorder.ended->polls);
    recorder_dispose(&recorder);
}

static void
slices_without_memory_are_counted_as_unkept(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    switch_to(&recorder, thread, &hub);
    switch_to(&recorder, thread, &worker);
    call_for(&recorder, thread, &foo, 150 * MS);
    struct failing_memory failing = {.fail_at = 1};
    struct memory counting;
    failing_memory_init(&counting, &failing);
    recorder.memory.resize = counting.resize;
    recorder.memory.context = &failing;
    switch_to(&recorder, thread, &hub); /* no kind, no list, no culprit */
    CHECK(recorder.slices.unkept == 2 && recorder.slices.blocking_count == 1);
    CHECK(recorder.slices.longest == NULL && recorder.slices.culprit_count == 0);
    recorder_dispose(&recorder);
}

static void
what_was_forgotten_is_counted_anew(void)
{
    struct recorder recorder;
    struct thread *thread = thread_with_worker(&recorder);
    call_for(&recorder, thread, &foo, 150 * MS);
    switch_to(&recorder, thread, &hub);
    recorder_forget(&recorder);
    CHECK(recorder.slices.blocking_count == 0 && recorder.slices.longest_count == 0);
    CHECK(count_of_all_kinds(&recorder) == 0 && recorder.slices.blocking_ns == 100 * MS);
    recorder_dispose(&recorder);
}

const struct test slices_tests[] = {
    {"a slice is counted by its length and its greenlet's kind",
     a_slice_is_counted_by_its_length_and_its_greenlets_kind},
    {"a poll ends a slice and is none", a_poll_ends_a_slice_and_is_none},
    {"a long slice blocks only while another greenlet is suspended",
     a_long_slice_blocks_only_while_another_greenlet_is_suspended},
    {"a slice just below the threshold does not block", a_slice_just_below_the_threshold_does_not_block},
    {"a slice that blocks says when, where and how much of it was CPU time",
     a_slice_that_blocks_says_when_where_and_how_much_of_it_was_cpu_time},
    {"the profiler's own time and dropped time are no part of a slice",
     the_profilers_own_time_and_dropped_time_are_no_part_of_a_slice},
    {"what is dropped is no part of a slice", what_is_dropped_is_no_part_of_a_slice},
    {"a poll is not counted as time off the CPU of the slice after it",
     a_poll_is_not_counted_as_time_off_the_cpu_of_the_slice_after_it},
    {"what is moved to another node is spent there", what_is_moved_to_another_node_is_spent_there},
    {"the profiler's own functions are no part of a slice",
     the_profilers_own_functions_are_no_part_of_a_slice},
    {"many small calls are a culprit like one long one", many_small_calls_are_a_culprit_like_one_long_one},
    {"where no callee has half the caller is the culprit",
     where_no_callee_has_half_the_caller_is_the_culprit},
    {"samples of many callees lose no time and find their caller",
     samples_of_many_callees_lose_no_time_and_find_their_caller},
    {"a large sample is not given up for small ones", a_large_sample_is_not_given_up_for_small_ones},
    {"samples on deep stacks that part at the root lose no time",
     samples_on_deep_stacks_that_part_at_the_root_lose_no_time},
    {"the culprit is what brute force finds", the_culprit_is_what_brute_force_finds},
    {"the longest slices and each culprit's sums are those of a list of all",
     the_longest_slices_and_each_culprits_sums_are_those_of_a_list_of_all},
    {"past a number of culprits more are counted as unkept",
     past_a_number_of_culprits_more_are_counted_as_unkept},
    {"kinds past a number are counted together", kinds_past_a_number_are_counted_together},
    {"a greenlet whose slices are counted with others keeps its first function",
     a_greenlet_whose_slices_are_counted_with_others_keeps_its_first_function},
    {"a straight slice is counted as any other", a_straight_slice_is_counted_as_any_other},
    {"a slice that goes on in the profiler's own function is not straight",
     a_slice_that_goes_on_in_the_profilers_own_function_is_not_straight},
    {"a slice in which the CPU clock was corrected is not straight",
     a_slice_in_which_the_cpu_clock_was_corrected_is_not_straight},
    {"slices below another base are of another kind", slices_below_another_base_are_of_another_kind},
    {"slices after the first call are of its kind", slices_after_the_first_call_are_of_its_kind},
    {"a slice that a stop cuts off blocks and is not counted",
     a_slice_that_a_stop_cuts_off_blocks_and_is_not_counted},
    {"a snapshot cuts no slice", a_snapshot_cuts_no_slice},
    {"slices of folded threads are found among the ended ones",
     slices_of_folded_threads_are_found_among_the_ended_ones},
    {"slices without memory are counted as unkept", slices_without_memory_are_counted_as_unkept},
    {"what was forgotten is counted anew", what_was_forgotten_is_counted_anew},
    {NULL, NULL},
};
