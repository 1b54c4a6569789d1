/* habits.c -- learning what is usual of a node, and noticing when it is so no more. */
#include "habits.h"

#include <stddef.h>

/* So much trust makes a habit, and more does not count: what has changed is to be noticed soon. */
#define TRUST_OF_A_HABIT 8
#define MOST_TRUST 16

/* One interval in so many is looked at all the same. */
#define LOOK_EVERY 8

/* What is usual moves towards the interval by this share of the difference. */
#define MOVE_SHARE 8

/* Nodes lie side by side, 96 bytes each: that is three times 32, so neighbours have places of their own. */
static struct habit *
place_of(struct habits *habits, const struct node *node)
{
    return &habits->entries[((uintptr_t)node >> 5) % HABITS_KEPT];
}

static bool
is_near(int64_t one, int64_t other, int64_t most)
{
    return one - other <= most && other - one <= most;
}

/* Right: more trust. An interval of another length says little about those of this one; one that was wrong says that
 * it is no habit. */
static int64_t
trust_after(const struct habits *habits, const struct habit *habit, int64_t ticks, int64_t off_cpu_ticks)
{
    if (!is_near(habit->ticks, ticks, habits->near_ticks)) {
        return habit->trust - 1;
    }
    if (!is_near(habit->off_cpu_ticks, off_cpu_ticks, habits->near_ticks)) {
        return 0;
    }
    return habit->trust < MOST_TRUST ? habit->trust + 1 : MOST_TRUST;
}

void
habits_learn(struct habits *habits, const struct node *node, int64_t ticks, int64_t off_cpu_ticks)
{
    struct habit *habit = place_of(habits, node);
    int64_t trust = habit->node == node ? trust_after(habits, habit, ticks, off_cpu_ticks) : 0;
    if (trust <= 0) {
        *habit = (struct habit){.node = node, .ticks = ticks, .off_cpu_ticks = off_cpu_ticks, .trust = 1};
        return;
    }
    if (trust >= habit->trust) {
        habit->ticks += (ticks - habit->ticks) / MOVE_SHARE;
        habit->off_cpu_ticks += (off_cpu_ticks - habit->off_cpu_ticks) / MOVE_SHARE;
    }
    habit->trust = trust;
}

bool
habits_know(struct habits *habits, const struct node *node, int64_t ticks, int64_t *off_cpu_ticks)
{
    struct habit *habit = place_of(habits, node);
    if (habit->node != node || habit->trust < TRUST_OF_A_HABIT ||
        !is_near(habit->ticks, ticks, habits->near_ticks) || ++habit->taken % LOOK_EVERY == 0) {
        return false;
    }
    *off_cpu_ticks = habit->off_cpu_ticks;
    return true;
}
