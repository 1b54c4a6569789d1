/* test_thread.c -- running, CPU, idle, own and dropped time: each tick exactly once. */
#include "check.h"

#define US 1000
#define MS 1000000

static void
time_goes_to_the_node_on_top(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(3 * US);
    enter(&recorder, thread, &bar, 0x20);
    run_for(5 * US);
    leave(&recorder, thread, 0x20);
    run_for(2 * US);
    leave(&recorder, thread, 0x10);
    CHECK(node_at(thread, &foo, NULL)->running_ticks == 5 * US);
    CHECK(node_at(thread, &foo, &bar)->running_ticks == 5 * US);
    CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    recorder_dispose(&recorder);
}

static void
a_long_interval_off_the_cpu_is_not_cpu_time(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(2 * MS);
    sleep_for(30 * MS);
    leave(&recorder, thread, 0x10);
    CHECK(node_at(thread, &foo, NULL)->running_ticks == 32 * MS);
    CHECK(node_at(thread, &foo, NULL)->off_cpu_ticks == 30 * MS);
    CHECK(thread->idle_ticks == 0);
    recorder_dispose(&recorder);
}

static void
short_intervals_are_taken_for_cpu_time_and_ask_no_clock(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    for (int call = 0; call < 50; call++) {
        enter(&recorder, thread, &foo, 0x10);
        run_for(9 * US);
        leave(&recorder, thread, 0x10);
    }
    CHECK(thread->cpu_reads == 0);
    CHECK(node_at(thread, &foo, NULL)->off_cpu_ticks == 0);
    recorder_dispose(&recorder);
}

static void
the_cpu_clock_is_read_at_least_once_a_millisecond(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    for (int call = 0; call < 1000; call++) {
        enter(&recorder, thread, &foo, 0x10);
        run_for(5 * US);
        leave(&recorder, thread, 0x10);
        run_for(5 * US);
    }
    CHECK(thread->cpu_reads == 9); /* after 1 ms, 2 ms ... of 9.995 */
    recorder_dispose(&recorder);
}

/* 5 us off the CPU in each of 1,000 calls of foo: no interval is long, yet half of them is not CPU. What
 * a reading finds beyond the last interval is owed, and paid by the intervals to come. */
static void
what_short_intervals_hide_is_owed_and_paid_later(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    for (int call = 0; call < 1000; call++) {
        enter(&recorder, thread, &foo, 0x10);
        run_for(2 * US);
        sleep_for(2 * US);
        leave(&recorder, thread, 0x10);
    }
    enter(&recorder, thread, &bar, 0x20);
    run_for(10 * MS);
    leave(&recorder, thread, 0x20);
    CHECK(thread->off_cpu_ticks == 2 * MS);
    CHECK(thread->cpu_debt_ticks == 0);
    recorder_dispose(&recorder);
}

static void
an_estimate_that_ran_ahead_is_paid_back(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(MS);
    fake.cpu_ns += 40 * US; /* the CPU clock was read a little late */
    leave(&recorder, thread, 0x10);
    CHECK(thread->cpu_debt_ticks == -40 * US);
    enter(&recorder, thread, &bar, 0x20);
    sleep_for(MS);
    leave(&recorder, thread, 0x20);
    CHECK(node_at(thread, &bar, NULL)->off_cpu_ticks == MS - 40 * US);
    CHECK(thread->cpu_debt_ticks == 0);
    recorder_dispose(&recorder);
}

static void
a_hub_off_the_cpu_in_its_poll_is_idle(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &hub_run, 0x10);
    run_for(MS);
    sleep_for(20 * MS);
    enter(&recorder, thread, &poll_c, frame_of_c_call(0x10));
    sleep_for(5 * MS);
    leave(&recorder, thread, frame_of_c_call(0x10));
    CHECK(thread->idle_ticks == 25 * MS);
    CHECK(node_polls(node_at(thread, &hub_run, &poll_c)));
    enter(&recorder, thread, &foo, 0x20);
    sleep_for(7 * MS);
    leave(&recorder, thread, 0x20);
    CHECK(thread->idle_ticks == 25 * MS);
    CHECK(thread->off_cpu_ticks == 32 * MS);
    recorder_dispose(&recorder);
}

static void
the_python_function_that_a_poll_calls_is_not_idle(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &hub_run, 0x10);
    enter(&recorder, thread, &foo, 0x20);
    enter(&recorder, thread, &sleep_c, frame_of_c_call(0x20));
    sleep_for(MS);
    leave(&recorder, thread, frame_of_c_call(0x20));
    CHECK(thread->idle_ticks == 0);
    recorder_dispose(&recorder);
}

static void
a_jump_of_the_clock_is_dropped_and_said(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(MS);
    uint64_t ticks = now() + 3600 * (uint64_t)1000 * MS; /* the counter jumped, CLOCK_MONOTONIC did not */
    recorder_leave(&recorder, thread, 0x10, ticks);
    CHECK(thread->dropped_intervals == 1);
    CHECK(thread->dropped_ticks == 3600 * (uint64_t)1000 * MS + MS);
    CHECK(node_at(thread, &foo, NULL)->running_ticks == 0);
    CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    recorder_dispose(&recorder);
}

/* A call of foo: `cpu_ns` on the CPU, then `off_cpu_ns` off it. */
static void
call_foo(struct recorder *recorder, struct thread *thread, int64_t cpu_ns, int64_t off_cpu_ns)
{
    enter(recorder, thread, &foo, 0x10);
    run_for(cpu_ns);
    sleep_for(off_cpu_ns);
    leave(recorder, thread, 0x10);
}

/* 30 of 40 us, 800 times: read 8 times, then once in eight times, and when a millisecond is over. */
static void
what_is_always_off_the_cpu_is_charged_with_few_readings(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    for (int call = 0; call < 800; call++) {
        call_foo(&recorder, thread, 10 * US, 30 * US);
        CHECK(node_at(thread, &foo, NULL)->off_cpu_ticks == (uint64_t)(call + 1) * 30 * US);
    }
    CHECK(thread->cpu_reads < 120);
    CHECK(thread->off_cpu_ticks == 24 * MS);
    CHECK(thread->cpu_debt_ticks == 0);
    recorder_dispose(&recorder);
}

/* Off the CPU for all of 30 us, where it was on it 100 times. What was not read until then is owed. */
static void
a_habit_that_ends_is_noticed_within_a_millisecond(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    for (int call = 0; call < 100; call++) {
        call_foo(&recorder, thread, 30 * US, 0);
    }
    for (int call = 0; call < 100; call++) {
        call_foo(&recorder, thread, 0, 30 * US);
    }
    CHECK(thread->off_cpu_ticks + (uint64_t)thread->cpu_debt_ticks == 3 * MS);
    CHECK(thread->cpu_debt_ticks < MS);
    call_foo(&recorder, thread, 10 * MS, 0);
    CHECK(thread->off_cpu_ticks == 3 * MS);
    CHECK(thread->cpu_debt_ticks == 0);
    recorder_dispose(&recorder);
}

/* A debt is no habit: 210 us were owed when the new one was learned, of which 30 us are off the CPU. */
static void
what_is_owed_is_not_learned(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    for (int call = 0; call < 200; call++) {
        call_foo(&recorder, thread, call < 96 ? 30 * US : 0, call < 96 ? 0 : 30 * US);
    }
    CHECK(thread->cpu_debt_ticks > 100 * US);
    uint64_t before_ticks = thread->off_cpu_ticks;
    for (int call = 0; call < 7; call++) {
        call_foo(&recorder, thread, 8 * US, 30 * US);
    }
    CHECK(thread->off_cpu_ticks - before_ticks < 7 * 38 * US);
    recorder_dispose(&recorder);
}

static void
a_habit_does_not_put_off_the_reading_that_is_due(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    for (int call = 0; call < 100; call++) {
        call_foo(&recorder, thread, 200 * US, 0);
        CHECK(thread->last_ticks - thread->cpu_read_ticks < MS);
    }
    recorder_dispose(&recorder);
}

static void
short_intervals_end_no_habit(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    for (int call = 0; call < 200; call++) {
        call_foo(&recorder, thread, 10 * US, 30 * US);
    }
    for (int call = 0; call < 4000; call++) {
        call_foo(&recorder, thread, 5 * US, 0);
    }
    uint64_t reads = thread->cpu_reads;
    for (int call = 0; call < 3; call++) {
        call_foo(&recorder, thread, 10 * US, 30 * US);
    }
    CHECK(thread->cpu_reads <= reads + 1);
    recorder_dispose(&recorder);
}

static void
a_poll_has_no_habits(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &hub_run, 0x10);
    for (int poll = 0; poll < 100; poll++) {
        enter(&recorder, thread, &poll_c, frame_of_c_call(0x10));
        sleep_for(30 * US);
        leave(&recorder, thread, frame_of_c_call(0x10));
    }
    CHECK(thread->polls == 100);
    CHECK(thread->cpu_reads == 100);
    CHECK(thread->idle_ticks == 3 * MS);
    recorder_dispose(&recorder);
}

/* What was charged by habit since the last reading is part of what is dropped: nobody has to pay it back. */
static void
a_jump_of_the_clock_drops_what_was_charged_by_habit(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    for (int call = 0; call < 100; call++) {
        call_foo(&recorder, thread, 10 * US, 30 * US);
    }
    CHECK(thread->habit_ticks > 0);
    enter(&recorder, thread, &bar, 0x20);
    recorder_leave(&recorder, thread, 0x20, now() + 3600 * (uint64_t)1000 * MS);
    CHECK(thread->dropped_intervals == 1);
    CHECK(thread->habit_ticks == 0 && thread->cpu_debt_ticks == 0);
    recorder_dispose(&recorder);
}

static void
losing_the_processor_between_two_readings_is_no_jump(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(3 * MS);
    uint64_t ticks = now();
    sleep_for(50 * MS); /* before the other clocks can be read */
    recorder_leave(&recorder, thread, 0x10, ticks);
    CHECK(thread->dropped_intervals == 0);
    CHECK(node_at(thread, &foo, NULL)->running_ticks == 53 * MS);
    CHECK(node_at(thread, &foo, NULL)->off_cpu_ticks == 50 * MS);
    CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    recorder_dispose(&recorder);
}

static void
losing_the_processor_while_the_profiler_works_is_the_programs_wall_time(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(2 * MS);
    fake.lost_when_read_ns = 4 * MS;
    leave(&recorder, thread, 0x10);
    enter(&recorder, thread, &bar, 0x20);
    run_for(3 * MS);
    leave(&recorder, thread, 0x20);
    CHECK(thread->own_ticks == 0);
    CHECK(thread->off_cpu_ticks == 4 * MS);
    CHECK(thread->cpu_debt_ticks == 0);
    CHECK(node_at(thread, &foo, NULL)->running_ticks == 6 * MS);
    CHECK(node_at(thread, &foo, NULL)->off_cpu_ticks == 4 * MS);
    CHECK(node_at(thread, &bar, NULL)->running_ticks == 3 * MS);
    CHECK(node_at(thread, &bar, NULL)->off_cpu_ticks == 0);
    CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    recorder_dispose(&recorder);
}

static void
long_work_of_the_profiler_pays_no_debt_of_the_program(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    sleep_for(7 * US); /* too short to be noticed */
    thread_charge(thread, now());
    run_for(20 * US);
    sleep_for(MS);
    fake.lost_when_read_ns = 4 * MS;
    thread_charge_own(thread, now());
    CHECK(thread->own_ticks == 20 * US + 5 * MS);
    run_for(2 * MS);
    leave(&recorder, thread, 0x10);
    CHECK(node_at(thread, &foo, NULL)->running_ticks == 7 * US + 2 * MS);
    CHECK(thread->off_cpu_ticks <= 7 * US);
    CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    recorder_dispose(&recorder);
}

static void
a_counter_that_is_set_back_is_dropped_too(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    recorder_leave(&recorder, thread, 0x10, now() - 500);
    CHECK(thread->dropped_intervals == 1);
    CHECK(node_at(thread, &foo, NULL)->running_ticks == 0);
    CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    recorder_dispose(&recorder);
}

static void
a_cpu_clock_that_is_gone_does_no_harm(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    fake.cpu_is_gone = true;
    sleep_for(MS);
    leave(&recorder, thread, 0x10);
    CHECK(thread->cpu_unknown == 1);
    CHECK(node_at(thread, &foo, NULL)->off_cpu_ticks == 0);
    fake.cpu_is_gone = false;
    enter(&recorder, thread, &bar, 0x20);
    sleep_for(3 * MS);
    leave(&recorder, thread, 0x20);
    CHECK(thread->off_cpu_ticks + (uint64_t)thread->cpu_debt_ticks == 4 * MS);
    recorder_dispose(&recorder);
}

static void
waiting_goes_to_the_node_that_was_on_top(void)
{
    struct recorder recorder;
    int main_greenlet, other;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &main_greenlet);
    enter(&recorder, thread, &foo, 0x10);
    run_for(US);
    switch_to(&recorder, thread, &other);
    enter(&recorder, thread, &bar, 0x20);
    run_for(8 * US);
    switch_to(&recorder, thread, &main_greenlet);
    run_for(US);
    CHECK(node_at(thread, &foo, NULL)->waits->waiting_ticks == 8 * US);
    CHECK(node_at(thread, &bar, NULL)->waits == NULL);
    recorder_settle(&recorder, now());
    CHECK(node_at(thread, &bar, NULL)->waits->waiting_ticks == US);
    CHECK(thread->switches == 2);
    CHECK(node_at(thread, &foo, &bar) == NULL);
    recorder_dispose(&recorder);
}

/* A worker waits, first for 30 ms in which its hub polls, then while another greenlet works. */
static void
a_wait_is_contended_as_long_as_its_thread_is_busy(void)
{
    struct recorder recorder;
    int worker, hub;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &worker);
    enter(&recorder, thread, &foo, 0x10);
    switch_to(&recorder, thread, &hub);
    enter(&recorder, thread, &hub_run, 0x20);
    sleep_for(30 * MS);
    enter(&recorder, thread, &bar, 0x30);
    run_for(5 * MS);
    sleep_for(2 * MS);
    leave(&recorder, thread, 0x30);
    sleep_for(4 * MS);
    thread_charge_own(thread, now());
    switch_to(&recorder, thread, &worker);
    const struct waits *waits = node_at(thread, &foo, NULL)->waits;
    CHECK(waits->waiting_ticks == 41 * MS && waits->contended_ticks == 7 * MS);
    CHECK(thread->position->waiting_ticks == 41 * MS && thread->position->contended_ticks == 7 * MS);
    recorder_dispose(&recorder);
}

/* A worker waits while its hub polls for 50 ms and works a little; then a hog takes 300 ms, and the hub goes on
 * with the worker at once. A snapshot comes while the hog works, and another poll beforehand. */
static void
what_a_hog_takes_before_the_hub_looks_again_is_lag(void)
{
    struct recorder recorder;
    int worker, hub, hog;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &hub);
    switch_to(&recorder, thread, &hog);
    switch_to(&recorder, thread, &worker);
    enter(&recorder, thread, &foo, 0x10);
    switch_to(&recorder, thread, &hub);
    enter(&recorder, thread, &hub_run, 0x20);
    sleep_for(20 * MS);
    enter(&recorder, thread, &bar, 0x30);
    run_for(MS);
    leave(&recorder, thread, 0x30);
    sleep_for(30 * MS);
    run_for(2 * MS); /* after the poll */
    switch_to(&recorder, thread, &hog);
    sleep_for(100 * MS);
    recorder_settle(&recorder, now());
    sleep_for(200 * MS);
    switch_to(&recorder, thread, &hub);
    run_for(3 * US);
    switch_to(&recorder, thread, &worker);
    const struct waits *waits = node_at(thread, &foo, NULL)->waits;
    CHECK(waits->waiting_ticks == 353 * MS + 3 * US && waits->contended_ticks == 303 * MS + 3 * US);
    CHECK(waits->lag_ticks == 300 * MS + 3 * US);
    CHECK(thread->position->lag_ticks == waits->lag_ticks);
    CHECK(node_at(thread, &hub_run, NULL)->waits->lag_ticks == 0);
    recorder_dispose(&recorder);
}

/* The hub gives way to a polite greenlet each millisecond, and polls without our notice. */
static void
a_hub_that_gets_a_look_in_has_little_lag(void)
{
    struct recorder recorder;
    int worker, hub, polite;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &hub);
    enter(&recorder, thread, &hub_run, 0x20);
    sleep_for(20 * MS);
    switch_to(&recorder, thread, &worker);
    enter(&recorder, thread, &foo, 0x10);
    for (int turn = 0; turn < 100; turn++) {
        switch_to(&recorder, thread, &hub);
        run_for(4 * US);
        switch_to(&recorder, thread, &polite);
        run_for(MS);
    }
    switch_to(&recorder, thread, &hub);
    run_for(4 * US);
    switch_to(&recorder, thread, &worker);
    const struct waits *waits = node_at(thread, &foo, NULL)->waits;
    CHECK(waits->contended_ticks == waits->waiting_ticks && waits->waiting_ticks > 100 * MS);
    CHECK(waits->lag_ticks == MS + 4 * US);
    recorder_dispose(&recorder);
}

static void
a_hub_that_ended_looks_no_more(void)
{
    struct recorder recorder;
    int worker, hub;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &hub);
    enter(&recorder, thread, &hub_run, 0x20);
    sleep_for(20 * MS);
    switch_to(&recorder, thread, &worker);
    CHECK(thread->hub != NULL);
    recorder_end_greenlet(&recorder, thread, position_map_find(&recorder.greenlets, &hub));
    CHECK(thread->hub == NULL);
    recorder_dispose(&recorder);
}

/* What two clocks that are not read at one moment differ by. */
static void
a_hub_off_the_cpu_for_next_to_nothing_did_not_poll(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &hub_run, 0x10);
    run_for(50 * US);
    sleep_for(4 * US);
    enter(&recorder, thread, &foo, 0x20);
    CHECK(thread->idle_ticks == 4 * US && thread->polls == 0 && thread->hub == NULL);
    leave(&recorder, thread, 0x20);
    run_for(50 * US);
    sleep_for(6 * US);
    leave(&recorder, thread, 0x10);
    CHECK(thread->idle_ticks == 10 * US && thread->polls == 1 && thread->hub == thread->position);
    recorder_dispose(&recorder);
}

static void
a_wait_that_begins_after_the_last_poll_has_no_lag(void)
{
    struct recorder recorder;
    int worker, hub, other;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &hub);
    enter(&recorder, thread, &hub_run, 0x20);
    sleep_for(50 * MS);
    switch_to(&recorder, thread, &worker);
    enter(&recorder, thread, &foo, 0x10);
    run_for(MS);
    switch_to(&recorder, thread, &other);
    run_for(70 * MS);
    switch_to(&recorder, thread, &worker);
    const struct waits *waits = node_at(thread, &foo, NULL)->waits;
    CHECK(waits->waiting_ticks == 70 * MS && waits->contended_ticks == 70 * MS && waits->lag_ticks == 0);
    recorder_dispose(&recorder);
}

static void
a_snapshot_within_a_wait_changes_nothing_of_what_is_contended(void)
{
    struct recorder recorder;
    int worker, other;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &worker);
    enter(&recorder, thread, &foo, 0x10);
    switch_to(&recorder, thread, &other);
    run_for(3 * MS);
    recorder_settle(&recorder, now());
    run_for(4 * MS);
    recorder_settle(&recorder, now());
    switch_to(&recorder, thread, &worker);
    const struct waits *waits = node_at(thread, &foo, NULL)->waits;
    CHECK(waits->waiting_ticks == 7 * MS && waits->contended_ticks == 7 * MS);
    CHECK(thread->tree.waits_count == 2); /* the root's, and foo's */
    recorder_dispose(&recorder);
}

static void
a_dropped_interval_is_not_contended(void)
{
    struct recorder recorder;
    int worker, other;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &worker);
    switch_to(&recorder, thread, &other);
    enter(&recorder, thread, &bar, 0x20);
    uint64_t ticks = now() + 3600 * (uint64_t)1000 * MS;
    recorder_leave(&recorder, thread, 0x20, ticks);
    CHECK(thread->dropped_intervals == 1);
    CHECK(thread_moment(thread, ticks).busy_ticks == now());
    recorder_dispose(&recorder);
}

static void
waits_without_memory_are_those_of_the_nearest_caller_with_some(void)
{
    struct recorder recorder;
    int main_greenlet, other;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &main_greenlet);
    switch_to(&recorder, thread, &other);
    run_for(US);
    switch_to(&recorder, thread, &main_greenlet);
    enter(&recorder, thread, &foo, 0x10);
    enter(&recorder, thread, &bar, 0x20);
    struct failing_memory failing = {.fail_at = 1};
    struct memory counting;
    failing_memory_init(&counting, &failing);
    recorder.memory.resize = counting.resize;
    recorder.memory.context = &failing;
    switch_to(&recorder, thread, &other);
    run_for(6 * US);
    switch_to(&recorder, thread, &main_greenlet);
    CHECK(node_at(thread, &foo, &bar)->waits == NULL && node_at(thread, &foo, NULL)->waits == NULL);
    CHECK(position_base_node(thread->position)->waits->waiting_ticks == 7 * US);
    CHECK(thread->position->waiting_ticks == 7 * US);
    recorder_dispose(&recorder);
}

static void
a_thread_that_began_with_anothers_cpu_clock_is_put_right(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    fake.cpu_ns = 900 * MS; /* the creator's */
    struct thread *thread = thread_for_test(&recorder);
    sleep_for(3 * MS);
    fake.cpu_ns = 1 * MS; /* its own: it ran for a third of the time */
    thread_correct_cpu_clock(thread, CLOCK_THREAD_CPUTIME_ID, true, now());
    enter(&recorder, thread, &foo, 0x10);
    run_for(5 * MS);
    sleep_for(4 * MS);
    leave(&recorder, thread, 0x10);
    CHECK(thread->off_cpu_ticks == 2 * MS + 4 * MS);
    CHECK(node_at(thread, &foo, NULL)->off_cpu_ticks == 4 * MS);
    CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    recorder_dispose(&recorder);
}

static void
a_slice_can_be_moved_to_the_node_that_it_belongs_to(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(MS);
    leave(&recorder, thread, 0x10);
    enter(&recorder, thread, &bar, 0x20);
    thread_settle(thread, now());
    run_for(2 * MS);
    sleep_for(3 * MS);
    thread_charge(thread, now());
    struct unsettled unsettled = thread_unsettled(thread);
    run_for(MS);
    thread_charge(thread, now()); /* while the node is looked for */
    thread_move_unsettled(thread, &unsettled, node_at(thread, &foo, NULL));
    CHECK(node_at(thread, &bar, NULL)->running_ticks == MS);
    CHECK(node_at(thread, &bar, NULL)->off_cpu_ticks == 0);
    CHECK(node_at(thread, &foo, NULL)->running_ticks == 6 * MS);
    CHECK(node_at(thread, &foo, NULL)->off_cpu_ticks == 3 * MS);
    CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    recorder_dispose(&recorder);
}

static void
an_account_begins_when_its_clocks_are_read_however_late_that_is(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    uint64_t early_ticks = now();
    sleep_for(50 * MS);
    struct thread *thread =
        recorder_add_thread(&recorder, &thread_root, CLOCK_THREAD_CPUTIME_ID, true, early_ticks);
    run_for(20 * MS);
    recorder_settle(&recorder, now());
    CHECK(thread->dropped_intervals == 0);
    CHECK(thread_recorded_ticks(thread) == 20 * MS);
    CHECK(charged_ticks(thread) == 20 * MS && thread->off_cpu_ticks == 0);
    CHECK(thread->position->running_ticks == 20 * MS);
    recorder_dispose(&recorder);
}

static const struct function of_the_profiler = {
    .key = &of_the_profiler, .index = 30, .flags = FUNCTION_IS_HIDDEN};

static void
call_of_the_profiler(struct recorder *recorder, struct thread *thread, int64_t ns)
{
    enter(recorder, thread, &of_the_profiler, 0x90);
    run_for(ns);
    leave(recorder, thread, 0x90);
}

static void
what_the_profilers_own_functions_take_is_no_greenlets(void)
{
    struct recorder recorder;
    int worker, home;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    struct position *main_position = thread->position;
    recorder_name_greenlet(&recorder, main_position, &home);
    enter(&recorder, thread, &foo, 0x10);
    for (int turn = 0; turn < 2; turn++) {
        run_for(3 * US);
        call_of_the_profiler(&recorder, thread, 5 * US);
        switch_to(&recorder, thread, &worker);
        run_for(7 * US);
        call_of_the_profiler(&recorder, thread, 11 * US);
        switch_to(&recorder, thread, &home);
    }
    run_for(1 * US);
    recorder_settle(&recorder, now());
    CHECK(main_position->running_ticks == 7 * US);
    CHECK(position_map_find(&recorder.greenlets, &worker)->running_ticks == 14 * US);
    CHECK(thread_recorded_ticks(thread) == 21 * US + 32 * US + thread->own_ticks);
    recorder_dispose(&recorder);
}

static void
the_profilers_function_that_calls_the_program_goes_on_after_that(void)
{
    struct recorder recorder;
    int worker, home;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    struct position *main_position = thread->position;
    recorder_name_greenlet(&recorder, main_position, &home);
    enter(&recorder, thread, &of_the_profiler, 0x90);
    enter(&recorder, thread, &foo, 0x10);
    run_for(3 * US);
    switch_to(&recorder, thread, &worker);
    switch_to(&recorder, thread, &home);
    leave(&recorder, thread, 0x10);
    run_for(5 * US);
    leave(&recorder, thread, 0x90);
    run_for(2 * US);
    recorder_settle(&recorder, now());
    CHECK(main_position->running_ticks == 5 * US);
    recorder_dispose(&recorder);
}

static void
a_snapshot_in_the_profilers_own_function_settles_a_part_of_it(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    enter(&recorder, thread, &of_the_profiler, 0x90);
    run_for(4 * US);
    recorder_settle(&recorder, now());
    run_for(6 * US);
    leave(&recorder, thread, 0x90);
    run_for(2 * US);
    recorder_settle(&recorder, now());
    CHECK(thread->position->running_ticks == 2 * US);
    recorder_dispose(&recorder);
}

const struct test thread_tests[] = {
    {"what the profiler's own functions take is no greenlet's",
     what_the_profilers_own_functions_take_is_no_greenlets},
    {"the profiler's function that calls the program goes on after that",
     the_profilers_function_that_calls_the_program_goes_on_after_that},
    {"a snapshot in the profiler's own function settles a part of it",
     a_snapshot_in_the_profilers_own_function_settles_a_part_of_it},
    {"an account begins when its clocks are read, however late that is",
     an_account_begins_when_its_clocks_are_read_however_late_that_is},
    {"a slice can be moved to the node that it belongs to",
     a_slice_can_be_moved_to_the_node_that_it_belongs_to},
    {"a thread that began with another's CPU clock is put right",
     a_thread_that_began_with_anothers_cpu_clock_is_put_right},
    {"time goes to the node on top", time_goes_to_the_node_on_top},
    {"a long interval off the CPU is not CPU time", a_long_interval_off_the_cpu_is_not_cpu_time},
    {"short intervals are taken for CPU time and ask no clock",
     short_intervals_are_taken_for_cpu_time_and_ask_no_clock},
    {"the CPU clock is read at least once a millisecond", the_cpu_clock_is_read_at_least_once_a_millisecond},
    {"what short intervals hide is owed and paid later", what_short_intervals_hide_is_owed_and_paid_later},
    {"an estimate that ran ahead is paid back", an_estimate_that_ran_ahead_is_paid_back},
    {"a hub off the CPU in its poll is idle", a_hub_off_the_cpu_in_its_poll_is_idle},
    {"the Python function that a poll calls is not idle", the_python_function_that_a_poll_calls_is_not_idle},
    {"a jump of the clock is dropped and said", a_jump_of_the_clock_is_dropped_and_said},
    {"what is always off the CPU is charged with few readings",
     what_is_always_off_the_cpu_is_charged_with_few_readings},
    {"a habit that ends is noticed within a millisecond", a_habit_that_ends_is_noticed_within_a_millisecond},
    {"what is owed is not learned", what_is_owed_is_not_learned},
    {"a habit does not put off the reading that is due", a_habit_does_not_put_off_the_reading_that_is_due},
    {"short intervals end no habit", short_intervals_end_no_habit},
    {"a poll has no habits", a_poll_has_no_habits},
    {"a jump of the clock drops what was charged by habit",
     a_jump_of_the_clock_drops_what_was_charged_by_habit},
    {"losing the processor between two readings is no jump",
     losing_the_processor_between_two_readings_is_no_jump},
    {"losing the processor while the profiler works is the program's wall time",
     losing_the_processor_while_the_profiler_works_is_the_programs_wall_time},
    {"long work of the profiler pays no debt of the program",
     long_work_of_the_profiler_pays_no_debt_of_the_program},
    {"a counter that is set back is dropped too", a_counter_that_is_set_back_is_dropped_too},
    {"a CPU clock that is gone does no harm", a_cpu_clock_that_is_gone_does_no_harm},
    {"a wait is contended as long as its thread is busy", a_wait_is_contended_as_long_as_its_thread_is_busy},
    {"what a hog takes before the hub looks again is lag",
     what_a_hog_takes_before_the_hub_looks_again_is_lag},
    {"a hub that gets a look in has little lag", a_hub_that_gets_a_look_in_has_little_lag},
    {"a hub that ended looks no more", a_hub_that_ended_looks_no_more},
    {"a hub off the CPU for next to nothing did not poll",
     a_hub_off_the_cpu_for_next_to_nothing_did_not_poll},
    {"a wait that begins after the last poll has no lag", a_wait_that_begins_after_the_last_poll_has_no_lag},
    {"a snapshot within a wait changes nothing of what is contended",
     a_snapshot_within_a_wait_changes_nothing_of_what_is_contended},
    {"a dropped interval is not contended", a_dropped_interval_is_not_contended},
    {"waits without memory are those of the nearest caller with some",
     waits_without_memory_are_those_of_the_nearest_caller_with_some},
    {"waiting goes to the node that was on top", waiting_goes_to_the_node_that_was_on_top},
    {NULL, NULL},
};
