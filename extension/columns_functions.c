/* columns_functions.c -- the folds of core/columns.h for Python: buffers in, bytes out.
 *
 *     sum_by(values, targets, length)         parents, groups, targets: 32-bit numbers
 *     sum_upwards(values, parents)            values and sums: 64-bit numbers
 *
 * What is handed in is checked, so that no numbers in a file can do harm: a ValueError otherwise. The work is
 * done without the GIL, for it may take a while, and a snapshot must not stop the program.
 *
 * Ownership: a `column` borrows its memory from the object that was handed in, until close_columns(). */
#include "columns_functions.h"

#include "columns.h"

#include <string.h>

/* -- columns that are handed in ------------------------------------------------------------------ */

struct column {
    Py_buffer view;
    size_t size; /* of an entry */
};

static size_t
count_of(const struct column *column)
{
    return (size_t)column->view.len / column->size;
}

static const int32_t *
numbers_of(const struct column *column)
{
    return column->view.buf;
}

static const int64_t *
values_of(const struct column *column)
{
    return column->view.buf;
}

static void
close_columns(struct column *columns, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        PyBuffer_Release(&columns[index].view);
    }
}

static int
open_column(struct column *column, PyObject *object, char kind)
{
    column->size = kind == 'i' ? sizeof(int32_t) : kind == 'q' ? sizeof(int64_t) : 1;
    if (PyObject_GetBuffer(object, &column->view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    bool is_aligned = column->view.len == 0 || (uintptr_t)column->view.buf % column->size == 0;
    if ((size_t)column->view.len % column->size != 0 || !is_aligned) {
        PyErr_SetString(PyExc_ValueError, "a column is not one of whole numbers");
        PyBuffer_Release(&column->view);
        return -1;
    }
    return 0;
}

/* `kinds` has a letter for each argument that is a column: i for 32-bit numbers, q for 64-bit ones, b for bytes.
 * -1 and an exception; nothing is open then. */
static int
open_columns(struct column *columns, const char *kinds, PyObject *const *args, Py_ssize_t nargs)
{
    size_t count = strlen(kinds);
    if ((size_t)nargs < count) {
        PyErr_SetString(PyExc_TypeError, "a column is missing");
        return -1;
    }
    for (size_t index = 0; index < count; index++) {
        if (open_column(&columns[index], args[index], kinds[index]) < 0) {
            close_columns(columns, index);
            return -1;
        }
    }
    return 0;
}

/* Whether columns 0 to count - 1 have as many entries as the first. */
static bool
are_equally_long(const struct column *columns, size_t count)
{
    for (size_t index = 1; index < count; index++) {
        if (count_of(&columns[index]) != count_of(&columns[0])) {
            return false;
        }
    }
    return count_of(&columns[0]) < INT32_MAX;
}

static PyObject *
refuse(struct column *columns, size_t count)
{
    close_columns(columns, count);
    PyErr_SetString(PyExc_ValueError, "the columns do not fit together");
    return NULL;
}

/* -- columns that are handed out ----------------------------------------------------------------- */

/* Bytes to be filled in; NULL and an exception. */
static PyObject *
new_bytes(size_t count, size_t size)
{
    return PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * size));
}

static void *
content_of(PyObject *bytes)
{
    return PyBytes_AS_STRING(bytes);
}

/* Steals all items, also when one is NULL: then NULL and an exception. */
static PyObject *
tuple_steal(PyObject **items, Py_ssize_t count)
{
    bool whole = true;
    for (Py_ssize_t index = 0; index < count; index++) {
        whole = whole && items[index] != NULL;
    }
    PyObject *tuple_owned = whole ? PyTuple_New(count) : NULL;
    for (Py_ssize_t index = 0; index < count; index++) {
        if (tuple_owned != NULL) {
            PyTuple_SET_ITEM(tuple_owned, index, items[index]);
        } else {
            Py_XDECREF(items[index]);
        }
    }
    return tuple_owned;
}

/* -1 and an exception. */
static Py_ssize_t
length_argument(PyObject *const *args, Py_ssize_t nargs, Py_ssize_t index)
{
    Py_ssize_t length = index < nargs ? PyNumber_AsSsize_t(args[index], PyExc_ValueError) : -1;
    if (!PyErr_Occurred() && (length < 0 || length >= INT32_MAX)) {
        PyErr_SetString(PyExc_ValueError, "a length is missing or out of range");
    }
    return PyErr_Occurred() ? -1 : length;
}

/* -- functions ----------------------------------------------------------------------------------- */

static PyObject *
take(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct column columns[2];
    if (open_columns(columns, "ii", args, nargs) < 0) {
        return NULL;
    }
    const int32_t *indices = numbers_of(&columns[1]);
    size_t count = count_of(&columns[1]);
    if (!columns_are_below(indices, count, count_of(&columns[0]))) {
        return refuse(columns, 2);
    }
    PyObject *result_owned = new_bytes(count, sizeof(int32_t));
    if (result_owned != NULL) {
        Py_BEGIN_ALLOW_THREADS;
        columns_take(numbers_of(&columns[0]), indices, count, content_of(result_owned));
        Py_END_ALLOW_THREADS;
    }
    close_columns(columns, 2);
    return result_owned;
}

static PyObject *
only(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct column columns[2];
    if (open_columns(columns, "ib", args, nargs) < 0) {
        return NULL;
    }
    size_t count = count_of(&columns[0]);
    if (!are_equally_long(columns, 2)) {
        return refuse(columns, 2);
    }
    PyObject *result_owned = new_bytes(count, sizeof(int32_t));
    if (result_owned != NULL) {
        Py_BEGIN_ALLOW_THREADS;
        columns_only(numbers_of(&columns[0]), columns[1].view.buf, count, content_of(result_owned));
        Py_END_ALLOW_THREADS;
    }
    close_columns(columns, 2);
    return result_owned;
}

static PyObject *
sum_by(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct column columns[2];
    Py_ssize_t length = length_argument(args, nargs, 2);
    if (length < 0 || open_columns(columns, "qi", args, nargs) < 0) {
        return NULL;
    }
    size_t count = count_of(&columns[0]);
    if (!are_equally_long(columns, 2) || !columns_are_below(numbers_of(&columns[1]), count, (size_t)length)) {
        return refuse(columns, 2);
    }
    PyObject *sums_owned = new_bytes((size_t)length, sizeof(int64_t));
    if (sums_owned != NULL) {
        Py_BEGIN_ALLOW_THREADS;
        memset(content_of(sums_owned), 0, (size_t)length * sizeof(int64_t));
        columns_sum_by(values_of(&columns[0]), numbers_of(&columns[1]), count, content_of(sums_owned));
        Py_END_ALLOW_THREADS;
    }
    close_columns(columns, 2);
    return sums_owned;
}

static PyObject *
sum_upwards(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct column columns[2];
    if (open_columns(columns, "qi", args, nargs) < 0) {
        return NULL;
    }
    size_t count = count_of(&columns[0]);
    if (!are_equally_long(columns, 2) || !columns_are_in_order(numbers_of(&columns[1]), count)) {
        return refuse(columns, 2);
    }
    PyObject *sums_owned = new_bytes(count, sizeof(int64_t));
    if (sums_owned != NULL) {
        Py_BEGIN_ALLOW_THREADS;
        memcpy(content_of(sums_owned), values_of(&columns[0]), count * sizeof(int64_t));
        columns_sum_upwards(content_of(sums_owned), numbers_of(&columns[1]), count);
        Py_END_ALLOW_THREADS;
    }
    close_columns(columns, 2);
    return sums_owned;
}

static PyObject *
links(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct column parents;
    if (open_columns(&parents, "i", args, nargs) < 0) {
        return NULL;
    }
    size_t count = count_of(&parents);
    if (!are_equally_long(&parents, 1) || !columns_are_in_order(numbers_of(&parents), count)) {
        return refuse(&parents, 1);
    }
    PyObject *results[] = {new_bytes(count, sizeof(int32_t)), new_bytes(count, sizeof(int32_t))};
    if (results[0] != NULL && results[1] != NULL) {
        Py_BEGIN_ALLOW_THREADS;
        columns_link(numbers_of(&parents), count, content_of(results[0]), content_of(results[1]));
        Py_END_ALLOW_THREADS;
    }
    close_columns(&parents, 1);
    return tuple_steal(results, 2);
}

static PyObject *
groups_above(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct column columns[2];
    if (open_columns(columns, "ii", args, nargs) < 0) {
        return NULL;
    }
    size_t count = count_of(&columns[0]);
    if (!are_equally_long(columns, 2) || !columns_are_in_order(numbers_of(&columns[0]), count)) {
        return refuse(columns, 2);
    }
    PyObject *above_owned = new_bytes(count, sizeof(int32_t));
    if (above_owned != NULL) {
        Py_BEGIN_ALLOW_THREADS;
        columns_groups_above(numbers_of(&columns[0]), numbers_of(&columns[1]), count,
                             content_of(above_owned));
        Py_END_ALLOW_THREADS;
    }
    close_columns(columns, 2);
    return above_owned;
}

/* False: there is no memory. */
static bool
mark_outermost(const struct column *parents, const int32_t *groups, size_t group_count,
               unsigned char *outermost)
{
    size_t count = count_of(parents);
    int32_t *room = calloc(4 * count + group_count + 1, sizeof *room);
    if (room != NULL) {
        struct columns_walk walk = {room, room + count, count, room + 2 * count, room + 4 * count};
        columns_link(numbers_of(parents), count, room, room + count);
        columns_mark_outermost(&walk, groups, outermost);
    }
    free(room);
    return room != NULL;
}

static PyObject *
outermost(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct column columns[2];
    Py_ssize_t group_count = length_argument(args, nargs, 2);
    if (group_count < 0 || open_columns(columns, "ii", args, nargs) < 0) {
        return NULL;
    }
    const int32_t *groups = numbers_of(&columns[1]);
    size_t count = count_of(&columns[0]);
    if (!are_equally_long(columns, 2) || !columns_are_below(groups, count, (size_t)group_count) ||
        !columns_are_in_order(numbers_of(&columns[0]), count)) {
        return refuse(columns, 2);
    }
    PyObject *marks_owned = new_bytes(count, 1);
    bool has_room = true;
    if (marks_owned != NULL) {
        Py_BEGIN_ALLOW_THREADS;
        memset(content_of(marks_owned), 0, count);
        has_room = mark_outermost(&columns[0], groups, (size_t)group_count, content_of(marks_owned));
        Py_END_ALLOW_THREADS;
    }
    close_columns(columns, 2);
    if (!has_room) {
        Py_CLEAR(marks_owned);
        PyErr_NoMemory();
    }
    return marks_owned;
}

/* -- numbers of pairs ---------------------------------------------------------------------------- */

/* False: there is no memory; nothing is to be freed then. */
static bool
get_numbers(struct columns_numbers *numbers, size_t pairs)
{
    numbers->bucket_count = columns_buckets_for(pairs);
    numbers->keys = calloc(numbers->bucket_count, sizeof *numbers->keys);
    numbers->numbers = malloc(numbers->bucket_count * sizeof *numbers->numbers);
    numbers->count = 0;
    if (numbers->keys == NULL || numbers->numbers == NULL) {
        free(numbers->keys);
        free(numbers->numbers);
        return false;
    }
    return true;
}

static void
free_numbers(struct columns_numbers *numbers)
{
    free(numbers->keys);
    free(numbers->numbers);
}

/* The first `count` entries of a column that had room for more; steals it. NULL and an exception. */
static PyObject *
shortened_steal(PyObject *bytes, size_t count)
{
    PyObject *result = bytes;
    (void)_PyBytes_Resize(&result, (Py_ssize_t)(count * sizeof(int32_t)));
    return result;
}

/* Three columns that `fill` makes of two: the first is as long as these, the others get shorter. */
typedef size_t (*fill_function)(const int32_t *left, const int32_t *right, size_t count,
                                struct columns_numbers *numbers, int32_t *filled[3]);

static PyObject *
numbered(struct column *columns, size_t room, fill_function fill)
{
    size_t count = count_of(&columns[0]), distinct = 0;
    struct columns_numbers numbers;
    PyObject *results[] = {new_bytes(count, sizeof(int32_t)), new_bytes(room, sizeof(int32_t)),
                           new_bytes(room, sizeof(int32_t))};
    bool has_room = results[0] != NULL && results[1] != NULL && results[2] != NULL;
    if (has_room && (has_room = get_numbers(&numbers, count))) {
        int32_t *filled[] = {content_of(results[0]), content_of(results[1]), content_of(results[2])};
        Py_BEGIN_ALLOW_THREADS;
        distinct = fill(numbers_of(&columns[0]), numbers_of(&columns[1]), count, &numbers, filled);
        Py_END_ALLOW_THREADS;
        free_numbers(&numbers);
    }
    close_columns(columns, 2);
    if (has_room) {
        results[1] = shortened_steal(results[1], distinct);
        results[2] = shortened_steal(results[2], distinct);
    } else if (!PyErr_Occurred()) {
        PyErr_NoMemory();
        Py_CLEAR(results[0]);
    }
    return tuple_steal(results, 3);
}

static size_t
fill_pairs(const int32_t *left, const int32_t *right, size_t count, struct columns_numbers *numbers,
           int32_t *filled[3])
{
    for (size_t index = 0; index < count; index++) {
        bool is_pair = left[index] >= 0 && right[index] >= 0;
        int32_t number = is_pair ? columns_number(numbers, left[index], right[index]) : -1;
        filled[0][index] = number;
        if (number >= 0) {
            filled[1][number] = left[index];
            filled[2][number] = right[index];
        }
    }
    return (size_t)numbers->count;
}

static PyObject *
number_pairs(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct column columns[2];
    if (open_columns(columns, "ii", args, nargs) < 0) {
        return NULL;
    }
    if (!are_equally_long(columns, 2)) {
        return refuse(columns, 2);
    }
    return numbered(columns, count_of(&columns[0]), fill_pairs);
}

static size_t
fill_merged(const int32_t *parents, const int32_t *functions, size_t count, struct columns_numbers *numbers,
            int32_t *filled[3])
{
    return columns_merge(parents, functions, count, numbers, filled[1], filled[2], filled[0]);
}

static PyObject *
merge(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct column columns[2];
    if (open_columns(columns, "ii", args, nargs) < 0) {
        return NULL;
    }
    size_t count = count_of(&columns[0]);
    if (!are_equally_long(columns, 2) || !columns_are_in_order(numbers_of(&columns[0]), count) ||
        !columns_are_below(numbers_of(&columns[1]), count, INT32_MAX)) {
        return refuse(columns, 2);
    }
    return numbered(columns, count + 1, fill_merged);
}

/* -- the cost of events -------------------------------------------------------------------------- */

enum { PARENTS, FUNCTIONS, KINDS, CALLS, RESUMES, PASSED_OVER, RUNNING_NS, CPU_NS, COST_COLUMNS };

/* -1 and an exception. */
static int
read_costs(PyObject *object, struct columns_event_cost *costs)
{
    if (!PyTuple_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "costs are four pairs");
        return -1;
    }
    return PyArg_ParseTuple(object, "(dd)(dd)(dd)(dd)", &costs[0].outer_ns, &costs[0].inner_ns,
                            &costs[1].outer_ns, &costs[1].inner_ns, &costs[2].outer_ns, &costs[2].inner_ns,
                            &costs[3].outer_ns, &costs[3].inner_ns)
               ? 0
               : -1;
}

static bool
are_entries(const struct column *columns)
{
    size_t count = count_of(&columns[PARENTS]);
    bool fit = count < INT32_MAX;
    for (int column = 0; column < COST_COLUMNS; column++) {
        fit = fit && (column == KINDS || count_of(&columns[column]) == count);
    }
    return fit && columns_are_in_order(numbers_of(&columns[PARENTS]), count) &&
           columns_are_below(numbers_of(&columns[FUNCTIONS]), count, count_of(&columns[KINDS]));
}

/* False: there is no memory. */
static bool
take_costs(const struct column *columns, const struct columns_event_cost *costs, int64_t *running_ns,
           int64_t *cpu_ns, int64_t *taken_ns)
{
    size_t count = count_of(&columns[PARENTS]);
    double *cost_ns = calloc(count + 1, sizeof *cost_ns);
    if (cost_ns != NULL) {
        struct columns_entries entries = {numbers_of(&columns[PARENTS]),
                                          numbers_of(&columns[FUNCTIONS]),
                                          columns[KINDS].view.buf,
                                          values_of(&columns[CALLS]),
                                          values_of(&columns[RESUMES]),
                                          values_of(&columns[PASSED_OVER]),
                                          count};
        memcpy(running_ns, values_of(&columns[RUNNING_NS]), count * sizeof *running_ns);
        memcpy(cpu_ns, values_of(&columns[CPU_NS]), count * sizeof *cpu_ns);
        columns_add_event_costs(&entries, costs, cost_ns);
        columns_take_costs(cost_ns, count, running_ns, cpu_ns, taken_ns);
    }
    free(cost_ns);
    return cost_ns != NULL;
}

static PyObject *
without_costs(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct columns_event_cost costs[COLUMNS_EVENTS];
    struct column columns[COST_COLUMNS];
    if (nargs != COST_COLUMNS + 1) {
        PyErr_SetString(PyExc_TypeError, "without_costs() takes eight columns and the costs");
        return NULL;
    }
    if (read_costs(args[COST_COLUMNS], costs) < 0 || open_columns(columns, "iibqqqqq", args, nargs) < 0) {
        return NULL;
    }
    if (!are_entries(columns)) {
        return refuse(columns, COST_COLUMNS);
    }
    size_t count = count_of(&columns[PARENTS]);
    PyObject *results[] = {new_bytes(count, sizeof(int64_t)), new_bytes(count, sizeof(int64_t)),
                           new_bytes(count, sizeof(int64_t))};
    bool has_room = true;
    if (results[0] != NULL && results[1] != NULL && results[2] != NULL) {
        Py_BEGIN_ALLOW_THREADS;
        has_room = take_costs(columns, costs, content_of(results[0]), content_of(results[1]),
                              content_of(results[2]));
        Py_END_ALLOW_THREADS;
    }
    close_columns(columns, COST_COLUMNS);
    if (!has_room) {
        Py_CLEAR(results[0]);
        PyErr_NoMemory();
    }
    return tuple_steal(results, 3);
}

PyMethodDef columns_functions[] = {
    {"take", (PyCFunction)(void *)take, METH_FASTCALL, "take(table, indices): table[index] for each."},
    {"only", (PyCFunction)(void *)only, METH_FASTCALL, "only(indices, marks): -1 where the mark is 0."},
    {"sum_by", (PyCFunction)(void *)sum_by, METH_FASTCALL, "sum_by(values, targets, length)"},
    {"sum_upwards", (PyCFunction)(void *)sum_upwards, METH_FASTCALL, "sum_upwards(values, parents)"},
    {"links", (PyCFunction)(void *)links, METH_FASTCALL,
     "links(parents): first children and next siblings, -1 for none."},
    {"groups_above", (PyCFunction)(void *)groups_above, METH_FASTCALL, "groups_above(parents, groups)"},
    {"outermost", (PyCFunction)(void *)outermost, METH_FASTCALL, "outermost(parents, groups, group_count)"},
    {"number_pairs", (PyCFunction)(void *)number_pairs, METH_FASTCALL,
     "number_pairs(left, right): each pair's number, and both sides of each number."},
    {"merge", (PyCFunction)(void *)merge, METH_FASTCALL,
     "merge(parents, functions): the place of each, and parents and functions of the places."},
    {"without_costs", (PyCFunction)(void *)without_costs, METH_FASTCALL,
     "without_costs(parents, functions, kinds, calls, resumes, passed_over, running_ns, cpu_ns, costs): "
     "running and CPU time without the costs of events, and what was taken."},
    {NULL, NULL, 0, NULL},
};
