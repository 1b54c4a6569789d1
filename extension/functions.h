/* functions.h -- what is a function, what is it called, and are these two the same.
 *
 *      Python code        keyed by a number that we write into a spare slot of its code object
 *      anything else      keyed as callables.h says
 *      a greenlet class   found by name
 *
 * The number in the slot stands for (file, qualified name, first line, positions): a function that is
 * compiled again gets the number of the one before, so that a program that compiles at every request does
 * not fill our memory. Numbers are never given twice, so a new code object at an old one's address cannot
 * be taken for it. Nothing of the program is kept alive but C types, which do not die.
 *
 * Names are copied, at first sight, as raw text: no Python object is made in an event.
 *
 * What the filters pass over is known here too, marked: its calls are not opened, and have no node. Two kinds
 * of excluded functions have one all the same, a *mark*, which is no function:
 *      where a hub polls        for its idle time is told by that
 *      the profiler's doors     through which it calls the program: what is excluded there is not its own
 * The rest of the profiler is never filtered out.
 *
 * Ownership: the table owns its functions; they live as long as the table does. */
#ifndef GP_FUNCTIONS_H
#define GP_FUNCTIONS_H

#include "compat.h"
#include "description.h"
#include "filters.h"
#include "memory.h"
#include "text.h"
#include "tree.h"

struct module_state;

/* Keys of code are odd, so that they are no addresses of ours or of the interpreter's; they are given one after
 * another. */
#define CODE_KEY_STEP 2

struct function_record {
    struct function function; /* first, so that the core's pointer is ours */
    enum function_kind kind;
    struct text name;
    struct text owner;
    struct text filename;
    int line;
    uint64_t number; /* of the greenlet whose own base it is; else 0 */
    uint64_t identity;
    struct function_record *next_by_key;
    struct function_record *next_by_identity;
};

#define MOST_TAGS 1000

struct text_list {
    struct text *texts;
    size_t count;
};

/* Whether a code object is passed over. */
enum verdict { VERDICT_UNKNOWN, VERDICT_INCLUDED, VERDICT_EXCLUDED };

/* What the package tells about names. */
struct function_rules {
    struct text_list hidden; /* prefixes of file names: the profiler's own */
    struct text_list
        polls; /* pairs: the end of a file name, a function's qualified name: a hub polls there */
    struct text_list doors; /* the same with bare names: there the profiler calls the program */
};

/* The same, as tuples; doors and filters may be NULL. */
struct function_rules_borrowed {
    PyObject *hidden, *polls, *doors, *filters;
};

struct functions {
    struct memory *memory;
    struct module_state *state;
    Py_ssize_t code_slot; /* the state's */
    struct function_rules rules;
    struct filters filters;
    unsigned char
        *verdicts; /* enum verdict of code objects, by the number in their slot; only with filters */
    size_t verdict_count;
    struct function excluded; /* stands for functions that are, where there is no room for another record */
    struct function_record **records;
    size_t count;
    size_t capacity;
    size_t tag_count;
    size_t limit; /* what is called for the first time past it has no name */
    struct function_record **by_key;
    struct function_record **by_identity;
    size_t bucket_count;          /* a power of two */
    PyTypeObject *class_borrowed; /* the greenlet class that was looked up last ... */
    unsigned int class_version;   /* ... as it was then; 0: nothing is known */
    const struct function *class_function;
    PyObject *types_owned; /* list: C types on the heap that were keyed by address */
};

/* -1 and an exception; then functions_dispose() is still right. */
int functions_init(struct functions *functions, struct memory *memory, struct module_state *state,
                   size_t limit);
void functions_dispose(struct functions *functions);
int functions_traverse(const struct functions *functions, visitproc visit, void *arg);

/* hidden: tuple of str. polls, doors: tuples of pairs of str. filters: as filters_set() takes them. -1 and an
 * exception. */
int functions_set_rules(struct functions *functions, const struct function_rules_borrowed *rules);

/* All of these answer NULL, without an exception, when there is no memory or no room. */
const struct function *functions_of_code(struct functions *functions, PyCodeObject *code,
                                         compat_frame *frame);
const struct function *functions_of_callable(struct functions *functions, const void *key,
                                             PyObject *callable);
const struct function *functions_of_greenlet_class(struct functions *functions, PyTypeObject *type);
/* The base of one greenlet of that class; the class's own where there is no room. */
const struct function *functions_of_greenlet(struct functions *functions,
                                             const struct function *greenlet_class, uint64_t number);
const struct function *functions_of_truncation(struct functions *functions);
const struct function *functions_of_thread(struct functions *functions, const struct text *name);

/* What the program calls a part of itself; past MOST_TAGS names more are one. */
const struct function *functions_of_tag(struct functions *functions, const struct text *name);

/* A function that is only spoken of; it need not run. */
const struct function *functions_of_place(struct functions *functions, const PyCodeObject *code);

/* Whether this code is passed over. */
bool functions_exclude(struct functions *functions, PyCodeObject *code, compat_frame *frame);

static inline bool
functions_are_filtered(const struct functions *functions)
{
    return functions->filters.count > 0;
}

static inline bool
functions_are_full(const struct functions *functions)
{
    return functions->count >= functions->limit;
}

/* The key of a code object, NULL when it was never seen. */
static inline const void *
code_key(const PyCodeObject *code, Py_ssize_t slot)
{
    return compat_code_extra_get(code, slot);
}

/* What was decided of it; without filters nothing is. */
static inline enum verdict
functions_verdict(const struct functions *functions, const PyCodeObject *code)
{
    size_t number = (size_t)(uintptr_t)code_key(code, functions->code_slot) / CODE_KEY_STEP;
    return number < functions->verdict_count ? (enum verdict)functions->verdicts[number] : VERDICT_UNKNOWN;
}

#endif
