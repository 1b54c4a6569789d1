/* test_tree.c -- finding, adding, numbering and folding nodes. */
#include "check.h"

#define MANY 5000

static void
new_tree(struct tree *tree, struct memory *memory)
{
    memory_init(memory);
    CHECK(tree_init(tree, memory));
}

static void
a_node_is_found_by_parent_and_key(void)
{
    struct memory memory;
    struct tree tree;
    new_tree(&tree, &memory);
    struct node *root = tree_add(&tree, NULL, &thread_root);
    struct node *outer = tree_add(&tree, root, &foo);
    struct node *inner = tree_add(&tree, outer, &foo);
    CHECK(tree_find(&tree, NULL, thread_root.key) == root);
    CHECK(tree_find(&tree, root, foo.key) == outer);
    CHECK(tree_find(&tree, outer, foo.key) == inner);
    CHECK(tree_find(&tree, inner, foo.key) == NULL);
    CHECK(tree_find(&tree, root, bar.key) == NULL);
    tree_dispose(&tree);
    CHECK(memory.bytes == 0);
}

static void
nodes_stay_where_they_are_while_the_tree_grows(void)
{
    static struct function functions[MANY];
    static struct node *nodes[MANY];
    struct memory memory;
    struct tree tree;
    new_tree(&tree, &memory);
    struct node *parent = tree_add(&tree, NULL, &thread_root);
    for (int index = 0; index < MANY; index++) {
        functions[index].key = &functions[index];
        nodes[index] = tree_add(&tree, index % 3 == 0 ? nodes[index / 2] : parent, &functions[index]);
        CHECK(nodes[index] != NULL);
    }
    for (int index = 0; index < MANY; index++) {
        CHECK(tree_find(&tree, nodes[index]->parent, &functions[index]) == nodes[index]);
        CHECK(tree_index(&tree, nodes[index]) == (size_t)index + 1);
        CHECK(tree_node(&tree, (size_t)index + 1) == nodes[index]);
    }
    tree_dispose(&tree);
    CHECK(memory.bytes == 0);
}

static void
a_parent_comes_before_its_children(void)
{
    struct memory memory;
    struct tree tree;
    new_tree(&tree, &memory);
    struct node *node = tree_add(&tree, NULL, &thread_root);
    for (int depth = 0; depth < 1000; depth++) {
        node = tree_add(&tree, node, &foo);
    }
    for (size_t index = 1; index < tree.node_count; index++) {
        CHECK(tree_index(&tree, tree_node(&tree, index)->parent) == index - 1);
    }
    tree_dispose(&tree);
}

static void
folding_adds_equal_paths_and_makes_the_others(void)
{
    struct memory memory;
    struct tree target, source;
    new_tree(&target, &memory);
    CHECK(tree_init(&source, &memory));
    struct node *target_root = tree_add(&target, NULL, &ended_mark);
    struct node *both = tree_add(&target, target_root, &foo);
    both->calls = 2;
    struct node *source_root = tree_add(&source, NULL, &thread_root);
    struct node *again = tree_add(&source, source_root, &foo);
    struct node *only = tree_add(&source, again, &bar);
    *again = (struct node){.parent = source_root,
                           .key = foo.key,
                           .function = &foo,
                           .calls = 3,
                           .resumes = 4,
                           .running_ticks = 5,
                           .off_cpu_ticks = 2};
    *tree_waits(&source, again) =
        (struct waits){.node = again, .waiting_ticks = 7, .contended_ticks = 6, .lag_ticks = 5};
    tree_waits(&target, both)->waiting_ticks = 2;
    only->calls = 11;
    source_root->running_ticks = 13;
    CHECK(tree_fold(&target, target_root, &source) == 0);
    CHECK(both->calls == 5 && both->resumes == 4 && both->running_ticks == 5);
    CHECK(both->off_cpu_ticks == 2 && both->waits->waiting_ticks == 9 && both->waits->contended_ticks == 6 &&
          both->waits->lag_ticks == 5);
    CHECK(tree_find(&target, both, bar.key)->calls == 11);
    CHECK(target_root->running_ticks == 13);
    tree_dispose(&source);
    tree_dispose(&target);
    CHECK(memory.bytes == 0);
}

static void
folding_without_memory_loses_no_time(void)
{
    struct failing_memory failing = {0};
    struct memory memory;
    struct tree target, source;
    failing_memory_init(&memory, &failing);
    CHECK(tree_init(&target, &memory) && tree_init(&source, &memory));
    struct node *target_root = tree_add(&target, NULL, &ended_mark);
    static struct function functions[100];
    struct node *source_root = tree_add(&source, NULL, &thread_root);
    for (int index = 0; index < 100; index++) {
        functions[index].key = &functions[index];
        tree_add(&source, source_root, &functions[index])->running_ticks = 1;
    }
    failing.fail_at = 1;
    size_t without_room = tree_fold(&target, target_root, &source);
    CHECK(without_room == 101 - target.node_count);
    CHECK(without_room > 0);
    uint64_t ticks = 0;
    for (size_t index = 0; index < target.node_count; index++) {
        ticks += tree_node(&target, index)->running_ticks;
    }
    CHECK(ticks == 100);
    tree_dispose(&source);
    tree_dispose(&target);
    CHECK(memory.bytes == 0);
}

static void
a_node_takes_no_more_than_96_bytes(void)
{
    CHECK(sizeof(struct node) <= 96);
}

/* Each node is below one of the eight before it. */
static void
a_copy_tells_each_parent_after_the_tree_is_gone(void)
{
    static struct function functions[MANY];
    static struct node room[MANY];
    struct node *nodes[MANY];
    struct memory memory;
    struct tree tree;
    new_tree(&tree, &memory);
    for (size_t index = 0; index < MANY; index++) {
        functions[index] = (struct function){.key = &functions[index], .index = (uint32_t)index};
        nodes[index] = tree_add(&tree, index > 0 ? nodes[index - 1 - index % (index < 8 ? index : 8)] : NULL,
                                &functions[index]);
        nodes[index]->calls = index;
    }
    struct tree_copy copy = tree_copy_into(room, &tree);
    tree_dispose(&tree);
    CHECK(copy.node_count == MANY);
    CHECK(tree_copy_parent(&copy, 0) == TREE_NO_PARENT);
    for (size_t index = 1; index < MANY; index++) {
        CHECK(copy.nodes[index].calls == index);
        CHECK(tree_copy_parent(&copy, index) == index - 1 - index % (index < 8 ? index : 8));
    }
}

const struct test tree_tests[] = {
    {"a copy tells each parent after the tree is gone", a_copy_tells_each_parent_after_the_tree_is_gone},
    {"a node is found by parent and key", a_node_is_found_by_parent_and_key},
    {"nodes stay where they are while the tree grows", nodes_stay_where_they_are_while_the_tree_grows},
    {"a parent comes before its children", a_parent_comes_before_its_children},
    {"folding adds equal paths and makes the others", folding_adds_equal_paths_and_makes_the_others},
    {"folding without memory loses no time", folding_without_memory_loses_no_time},
    {"a node takes no more than 96 bytes", a_node_takes_no_more_than_96_bytes},
    {NULL, NULL},
};
