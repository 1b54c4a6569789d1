/* filters.c -- globs, and what they decide. All of it is cold. */
#include "filters.h"

/* -- globs --------------------------------------------------------------------------------------- */

static Py_UCS4
character(const struct text *text, size_t index)
{
    return PyUnicode_READ(text->unit, text->data, (Py_ssize_t)index);
}

/* The character at `index`, 0 past the end. */
static Py_UCS4
character_or_0(const struct text *text, size_t index)
{
    return index < text->length ? character(text, index) : 0;
}

/* Where the set that opens at `open` closes; 0: nowhere. A bracket right at its start is a member. */
static size_t
end_of_set(const struct text *glob, size_t open)
{
    size_t index = open + 1;
    index += character_or_0(glob, index) == '!';
    index += character_or_0(glob, index) == ']';
    while (index < glob->length && character(glob, index) != ']') {
        index++;
    }
    return index < glob->length ? index : 0;
}

static bool
set_has(const struct text *glob, size_t open, size_t end, Py_UCS4 wanted)
{
    size_t index = open + 1;
    bool negated = character(glob, index) == '!';
    bool found = false;
    index += negated;
    while (index < end) {
        Py_UCS4 first = character(glob, index);
        bool is_range = index + 2 < end && character(glob, index + 1) == '-';
        Py_UCS4 last = is_range ? character(glob, index + 2) : first;
        found = found || (first <= wanted && wanted <= last);
        index += is_range ? 3 : 1;
    }
    return found != negated;
}

/* Where the glob goes on after one character of the text; 0: that character does not fit. */
static size_t
after_one(const struct text *glob, size_t index, Py_UCS4 wanted)
{
    Py_UCS4 expected = character_or_0(glob, index);
    size_t end = expected == '[' ? end_of_set(glob, index) : 0;
    if (end != 0) {
        return set_has(glob, index, end, wanted) ? end + 1 : 0;
    }
    return index < glob->length && (expected == '?' || expected == wanted) ? index + 1 : 0;
}

/* A star takes as little as it can, and more whenever what follows it does not fit. */
static bool
glob_matches(const struct text *glob, const struct text *text)
{
    size_t in_glob = 0, in_text = 0;
    size_t after_star = 0, taken_until = 0;
    while (in_text < text->length) {
        size_t next = after_one(glob, in_glob, character(text, in_text));
        if (character_or_0(glob, in_glob) == '*') {
            after_star = ++in_glob;
            taken_until = in_text;
        } else if (next != 0) {
            in_glob = next;
            in_text++;
        } else if (after_star != 0) {
            in_glob = after_star;
            in_text = ++taken_until;
        } else {
            return false;
        }
    }
    while (character_or_0(glob, in_glob) == '*') {
        in_glob++;
    }
    return in_glob == glob->length;
}

/* -- what they decide ---------------------------------------------------------------------------- */

static bool
matches(const struct filter *filter, const struct origin *origin)
{
    if (filter->is_path) {
        return glob_matches(&filter->glob, &origin->filename);
    }
    return (origin->module.length > 0 && glob_matches(&filter->glob, &origin->module)) ||
           (origin->program.length > 0 && glob_matches(&filter->glob, &origin->program));
}

bool
filters_exclude(const struct filters *filters, const struct origin *origin)
{
    bool excluded = false, included = !filters->includes;
    for (size_t index = 0; index < filters->count; index++) {
        const struct filter *filter = &filters->all[index];
        if (matches(filter, origin)) {
            filters->matched[filter->pattern] = true;
            excluded = excluded || filter->excludes;
            included = included || !filter->excludes;
        }
    }
    return excluded || !included;
}

PyObject *
filters_matched(const struct filters *filters)
{
    PyObject *list_owned = PyList_New(0);
    for (size_t pattern = 0; list_owned != NULL && pattern < filters->pattern_count; pattern++) {
        PyObject *number_owned = filters->matched[pattern] ? PyLong_FromSize_t(pattern) : NULL;
        if (number_owned != NULL && PyList_Append(list_owned, number_owned) < 0) {
            Py_CLEAR(list_owned);
        }
        Py_XDECREF(number_owned);
    }
    PyObject *tuple_owned = list_owned != NULL && !PyErr_Occurred() ? PyList_AsTuple(list_owned) : NULL;
    Py_XDECREF(list_owned);
    return tuple_owned;
}

/* -- life ---------------------------------------------------------------------------------------- */

static int
set_filter(struct filters *filters, struct memory *memory, struct filter *filter, PyObject *tuple)
{
    PyObject *glob;
    Py_ssize_t pattern;
    int excludes, is_path;
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "filters holds tuples");
        return -1;
    }
    if (!PyArg_ParseTuple(tuple, "nppU:filters", &pattern, &excludes, &is_path, &glob)) {
        return -1;
    }
    if (pattern < 0 || (size_t)pattern >= filters->pattern_count) {
        PyErr_SetString(PyExc_ValueError, "the numbers of patterns begin at 0 and leave none out");
        return -1;
    }
    if (!text_copy_str(memory, &filter->glob, glob)) {
        PyErr_NoMemory();
        return -1;
    }
    filter->pattern = (size_t)pattern;
    filter->excludes = excludes != 0;
    filter->is_path = is_path != 0;
    filters->includes = filters->includes || !filter->excludes;
    return 0;
}

int
filters_set(struct filters *filters, struct memory *memory, PyObject *tuples)
{
    size_t count = (size_t)PyTuple_GET_SIZE(tuples);
    *filters = (struct filters){0};
    if (count == 0) {
        return 0;
    }
    filters->count = filters->pattern_count = count; /* a pattern has one glob at least */
    filters->all = memory_get(memory, count * sizeof *filters->all);
    filters->matched = memory_get(memory, count * sizeof *filters->matched);
    if (filters->all == NULL || filters->matched == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t index = 0; index < count; index++) {
        PyObject *tuple = PyTuple_GET_ITEM(tuples, (Py_ssize_t)index);
        if (set_filter(filters, memory, &filters->all[index], tuple) < 0) {
            return -1;
        }
    }
    return 0;
}

void
filters_dispose(struct filters *filters, struct memory *memory)
{
    for (size_t index = 0; filters->all != NULL && index < filters->count; index++) {
        text_free(memory, &filters->all[index].glob);
    }
    memory_free(memory, filters->all, filters->count * sizeof *filters->all);
    memory_free(memory, filters->matched, filters->pattern_count * sizeof *filters->matched);
    *filters = (struct filters){0};
}
