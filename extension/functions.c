/* functions.c -- the table of functions, and how each kind gets its name. All of it is cold. */
#include "functions.h"

#include "callables.h"
#include "module.h"
#include "qualname.h"

#include <string.h>

#define FIRST_BUCKETS ((size_t)256)
#define FIRST_RECORDS ((size_t)64)
#define MOST_FUNCTIONS ((size_t)200000)
#define HASH_START UINT64_C(0xCBF29CE484222325)
#define HASH_PRIME UINT64_C(0x100000001B3)

/* -- the table ----------------------------------------------------------------------------------- */

int
functions_init(struct functions *functions, struct memory *memory, struct module_state *state, size_t limit)
{
    *functions = (struct functions){.memory = memory,
                                    .state = state,
                                    .code_slot = state->code_slot,
                                    .bucket_count = FIRST_BUCKETS,
                                    .limit = limit};
    functions->by_key = memory_get(memory, FIRST_BUCKETS * sizeof(struct function_record *));
    functions->by_identity = memory_get(memory, FIRST_BUCKETS * sizeof(struct function_record *));
    functions->types_owned = PyList_New(0);
    if (functions->by_key == NULL || functions->by_identity == NULL) {
        PyErr_NoMemory();
    }
    return PyErr_Occurred() ? -1 : 0;
}

static void
free_texts(struct memory *memory, struct text_list *list)
{
    for (size_t index = 0; index < list->count; index++) {
        text_free(memory, &list->texts[index]);
    }
    memory_free(memory, list->texts, list->count * sizeof *list->texts);
}

static void
free_record(struct memory *memory, struct function_record *record)
{
    text_free(memory, &record->name);
    text_free(memory, &record->owner);
    text_free(memory, &record->filename);
    memory_free(memory, record, sizeof *record);
}

void
functions_dispose(struct functions *functions)
{
    struct memory *memory = functions->memory;
    for (size_t index = 0; index < functions->count; index++) {
        free_record(memory, functions->records[index]);
    }
    size_t buckets_size = functions->bucket_count * sizeof(struct function_record *);
    memory_free(memory, functions->records, functions->capacity * sizeof *functions->records);
    memory_free(memory, functions->by_key, buckets_size);
    memory_free(memory, functions->by_identity, buckets_size);
    free_texts(memory, &functions->rules.hidden);
    free_texts(memory, &functions->rules.polls);
    free_texts(memory, &functions->rules.doors);
    filters_dispose(&functions->filters, memory);
    memory_free(memory, functions->verdicts, functions->verdict_count);
    Py_CLEAR(functions->types_owned);
    *functions = (struct functions){.memory = memory};
}

int
functions_traverse(const struct functions *functions, visitproc visit, void *arg)
{
    Py_VISIT(functions->types_owned);
    return 0;
}

static struct function_record **
key_bucket(const struct functions *functions, const void *key)
{
    uint64_t mixed = (uint64_t)(uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15);
    return &functions->by_key[(size_t)(mixed >> 20) & (functions->bucket_count - 1)];
}

static struct function_record **
identity_bucket(const struct functions *functions, uint64_t identity)
{
    return &functions->by_identity[(size_t)identity & (functions->bucket_count - 1)];
}

static struct function_record *
find_by_key(const struct functions *functions, const void *key)
{
    struct function_record *record = *key_bucket(functions, key);
    while (record != NULL && record->function.key != key) {
        record = record->next_by_key;
    }
    return record;
}

static struct function_record *
find_by_identity(const struct functions *functions, uint64_t identity)
{
    struct function_record *record = *identity_bucket(functions, identity);
    while (record != NULL && record->identity != identity) {
        record = record->next_by_identity;
    }
    return record;
}

static void
link_record(struct functions *functions, struct function_record *record)
{
    struct function_record **bucket = key_bucket(functions, record->function.key);
    record->next_by_key = *bucket;
    *bucket = record;
    bucket = identity_bucket(functions, record->identity);
    record->next_by_identity = *bucket;
    *bucket = record;
}

/* Twice the buckets. Without memory for them the chains grow instead. */
static void
grow_buckets(struct functions *functions)
{
    size_t old_size = functions->bucket_count * sizeof(struct function_record *);
    struct function_record **by_key = memory_get(functions->memory, old_size * 2);
    struct function_record **by_identity = memory_get(functions->memory, old_size * 2);
    if (by_key == NULL || by_identity == NULL) {
        memory_free(functions->memory, by_key, old_size * 2);
        memory_free(functions->memory, by_identity, old_size * 2);
        return;
    }
    memory_free(functions->memory, functions->by_key, old_size);
    memory_free(functions->memory, functions->by_identity, old_size);
    functions->by_key = by_key;
    functions->by_identity = by_identity;
    functions->bucket_count *= 2;
    for (size_t index = 0; index < functions->count; index++) {
        link_record(functions, functions->records[index]);
    }
}

static bool
make_room(struct functions *functions)
{
    if (functions->count >= MOST_FUNCTIONS) {
        return false;
    }
    if (functions->count < functions->capacity) {
        return true;
    }
    size_t grown = functions->capacity == 0 ? FIRST_RECORDS : functions->capacity * 2;
    struct function_record **records =
        memory_resize(functions->memory, functions->records, functions->capacity * sizeof *records,
                      grown * sizeof *records);
    if (records == NULL) {
        return false;
    }
    functions->records = records;
    functions->capacity = grown;
    return true;
}

static bool
copy_texts(struct memory *memory, struct function_record *record, const struct description *description)
{
    return text_copy(memory, &record->name, &description->name) &&
           text_copy(memory, &record->owner, &description->owner) &&
           text_copy(memory, &record->filename, &description->filename);
}

/* Key NULL: the record's own address is its key. */
static const struct function *
add_function(struct functions *functions, const void *key, const struct description *description)
{
    struct function_record *record =
        make_room(functions) ? memory_get(functions->memory, sizeof *record) : NULL;
    if (record == NULL) {
        return NULL;
    }
    if (!copy_texts(functions->memory, record, description)) {
        free_record(functions->memory, record);
        return NULL;
    }
    record->kind = description->kind;
    record->line = description->line;
    record->number = description->number;
    record->identity = description->identity;
    record->function.key = key != NULL ? key : record;
    record->function.flags = description->flags;
    record->function.index = (uint32_t)functions->count;
    if (functions->count >= functions->bucket_count) {
        grow_buckets(functions);
    }
    functions->records[functions->count++] = record;
    link_record(functions, record);
    return &record->function;
}

/* -- identity ------------------------------------------------------------------------------------ */

static uint64_t
hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    for (size_t index = 0; index < length; index++) {
        hash = (hash ^ byte[index]) * HASH_PRIME;
    }
    return (hash ^ length) * HASH_PRIME;
}

static uint64_t
hash_text(uint64_t hash, const struct text *text)
{
    return hash_bytes(hash, text->data, text->length * (size_t)(text->unit == 0 ? 1 : text->unit));
}

static uint64_t
hash_description(const struct description *description)
{
    uint64_t hash = hash_bytes(HASH_START, &description->kind, sizeof description->kind);
    hash = hash_text(hash, &description->name);
    hash = hash_text(hash, &description->owner);
    hash = hash_text(hash, &description->filename);
    hash = hash_bytes(hash, &description->number, sizeof description->number);
    return hash_bytes(hash, &description->line, sizeof description->line);
}

/* -- rules --------------------------------------------------------------------------------------- */

static int
copy_rule(struct functions *functions, struct text *text, PyObject *str)
{
    if (!PyUnicode_Check(str)) {
        PyErr_Format(PyExc_TypeError, "rules hold str, not %.100s", Py_TYPE(str)->tp_name);
        return -1;
    }
    if (!text_copy_str(functions->memory, text, str)) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int
get_texts(struct functions *functions, struct text_list *list, size_t count)
{
    list->texts = memory_get(functions->memory, count * sizeof *list->texts);
    if (list->texts == NULL && count > 0) {
        PyErr_NoMemory();
        return -1;
    }
    list->count = count;
    return 0;
}

static int
set_hidden(struct functions *functions, PyObject *hidden)
{
    struct text_list *list = &functions->rules.hidden;
    if (get_texts(functions, list, (size_t)PyTuple_GET_SIZE(hidden)) < 0) {
        return -1;
    }
    for (size_t index = 0; index < list->count; index++) {
        PyObject *str = PyTuple_GET_ITEM(hidden, (Py_ssize_t)index);
        if (copy_rule(functions, &list->texts[index], str) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
set_pairs(struct functions *functions, struct text_list *list, PyObject *pairs)
{
    if (get_texts(functions, list, 2 * (size_t)PyTuple_GET_SIZE(pairs)) < 0) {
        return -1;
    }
    for (size_t index = 0; index < list->count; index++) {
        PyObject *pair = PyTuple_GET_ITEM(pairs, (Py_ssize_t)(index / 2));
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "pairs are expected: the end of a file name, a function's name");
            return -1;
        }
        PyObject *str = PyTuple_GET_ITEM(pair, (Py_ssize_t)(index % 2));
        if (copy_rule(functions, &list->texts[index], str) < 0) {
            return -1;
        }
    }
    return 0;
}

int
functions_set_rules(struct functions *functions, const struct function_rules_borrowed *rules)
{
    if (set_hidden(functions, rules->hidden) < 0 ||
        set_pairs(functions, &functions->rules.polls, rules->polls) < 0 ||
        (rules->doors != NULL && set_pairs(functions, &functions->rules.doors, rules->doors) < 0)) {
        return -1;
    }
    functions->excluded.flags = FUNCTION_IS_EXCLUDED;
    return rules->filters != NULL ? filters_set(&functions->filters, functions->memory, rules->filters) : 0;
}

static bool
text_has_at(const struct text *text, size_t offset, const struct text *part)
{
    size_t unit = (size_t)text->unit;
    return text->unit == part->unit && offset + part->length <= text->length &&
           memcmp((const char *)text->data + offset * unit, part->data, part->length * unit) == 0;
}

static bool
text_starts_with(const struct text *text, const struct text *prefix)
{
    return text_has_at(text, 0, prefix);
}

static bool
text_ends_with(const struct text *text, const struct text *suffix)
{
    return suffix->length <= text->length && text_has_at(text, text->length - suffix->length, suffix);
}

static bool
text_equals(const struct text *text, const struct text *other)
{
    return text->length == other->length && text_has_at(text, 0, other);
}

/* Whether a function is among pairs of the end of a file name and a name. */
static bool
has_pair(const struct text_list *pairs, const struct text *filename, const struct text *name)
{
    for (size_t index = 0; index < pairs->count; index += 2) {
        if (text_ends_with(filename, &pairs->texts[index]) && text_equals(name, &pairs->texts[index + 1])) {
            return true;
        }
    }
    return false;
}

static uint32_t
flags_of_code(const struct function_rules *rules, const struct text *filename, const struct text *name)
{
    uint32_t flags = 0;
    for (size_t index = 0; index < rules->hidden.count; index++) {
        if (text_starts_with(filename, &rules->hidden.texts[index])) {
            flags |= FUNCTION_IS_HIDDEN;
        }
    }
    return has_pair(&rules->polls, filename, name) ? flags | FUNCTION_POLLS : flags;
}

/* -- Python code --------------------------------------------------------------------------------- */

static PyObject *
str_in_borrowed(PyObject *names, PyObject *name)
{
    PyObject *found = names != NULL && PyDict_Check(names) ? PyDict_GetItemWithError(names, name) : NULL;
    PyErr_Clear();
    return found != NULL && PyUnicode_Check(found) ? found : NULL;
}

/* `__spec__.name`: what the module is called that runs as `__main__`, by -m. Owned; NULL: it is a script. */
static PyObject *
program_name_owned(const struct module_state *state, PyObject *names)
{
    PyObject *spec = PyDict_GetItemWithError(names, state->spec_name_owned);
    PyObject *name_owned =
        spec != NULL && spec != Py_None ? PyObject_GenericGetAttr(spec, state->name_name_owned) : NULL;
    if (name_owned != NULL && !PyUnicode_Check(name_owned)) {
        Py_CLEAR(name_owned);
    }
    PyErr_Clear();
    return name_owned;
}

static bool
is_excluded(const struct functions *functions, const struct text *filename, compat_frame *frame)
{
    PyObject *names = compat_frame_globals(frame);
    PyObject *module = str_in_borrowed(names, functions->state->module_global_owned);
    bool is_program = module != NULL && PyUnicode_CompareWithASCIIString(module, "__main__") == 0;
    PyObject *program_owned = is_program ? program_name_owned(functions->state, names) : NULL;
    struct origin origin = {
        .filename = *filename,
        .module = module != NULL ? text_borrowed(module) : (struct text){0},
        .program = program_owned != NULL ? text_borrowed(program_owned) : (struct text){0},
    };
    bool excluded = filters_exclude(&functions->filters, &origin);
    Py_XDECREF(program_owned);
    return excluded;
}

static uint64_t
identity_of_code(const struct description *description, PyCodeObject *code)
{
    uint64_t hash = hash_description(description);
    PyObject *positions = compat_code_positions_borrowed(code);
    hash = hash_bytes(hash, &description->flags, sizeof description->flags);
    return hash_bytes(hash, PyBytes_AS_STRING(positions), (size_t)PyBytes_GET_SIZE(positions));
}

static void
make_mark(struct description *description)
{
    description->kind = KIND_EXCLUDED;
    description->flags = FUNCTION_IS_BASE | (description->flags & FUNCTION_POLLS);
    description->name = text_of_c_string("[excluded]");
    description->filename = (struct text){0};
    description->line = 0;
}

/* Only the profiler's own functions are hidden, and of these only the doors are not what they are. */
static bool
is_filtered_out(const struct functions *functions, const struct description *description,
                const PyCodeObject *code, compat_frame *frame)
{
    struct text name = text_borrowed(code->co_name);
    if (!functions_are_filtered(functions)) {
        return false;
    }
    if ((description->flags & FUNCTION_IS_HIDDEN) != 0) {
        return has_pair(&functions->rules.doors, &description->filename, &name);
    }
    return is_excluded(functions, &description->filename, frame);
}

static struct description
describe_code(const struct functions *functions, PyCodeObject *code, compat_frame *frame)
{
    PyObject *qualname = qualname_borrowed(code, frame);
    struct description description = {
        .kind = KIND_PYTHON,
        .name = text_borrowed(qualname != NULL ? qualname : code->co_name),
        .filename = text_borrowed(code->co_filename),
        .line = code->co_firstlineno,
    };
    description.flags = flags_of_code(&functions->rules, &description.filename, &description.name);
    bool filtered_out = is_filtered_out(functions, &description, code, frame);
    description.flags |= filtered_out ? FUNCTION_IS_EXCLUDED : 0;
    description.identity = identity_of_code(&description, code);
    if (filtered_out && (description.flags & (FUNCTION_IS_HIDDEN | FUNCTION_POLLS)) != 0) {
        make_mark(&description);
    }
    return description;
}

/* Writes the key into the code object; without memory for that it stays unknown, and says so to nobody:
 * the call is counted as truncated. */
static bool
write_code_key(const struct module_state *state, PyCodeObject *code, const void *key)
{
    union {
        const void *in;
        void *out;
    } unshared = {.in = key};
    if (compat_code_extra_set(code, state->code_slot, unshared.out) < 0) {
        PyErr_Clear();
        return false;
    }
    return true;
}

static const void *
next_code_key(struct module_state *state)
{
    state->next_code_key += CODE_KEY_STEP;
    return (const void *)(uintptr_t)state->next_code_key;
}

/* NULL when there is no room. */
static const struct function *
add_code(struct functions *functions, PyCodeObject *code, const struct description *description)
{
    const void *key = code_key(code, functions->code_slot);
    struct function_record *record = key == NULL ? find_by_identity(functions, description->identity) : NULL;
    if (record != NULL) {
        return write_code_key(functions->state, code, record->function.key) ? &record->function : NULL;
    }
    if (functions_are_full(functions)) {
        return NULL;
    }
    if (key == NULL) {
        key = next_code_key(functions->state);
        if (!write_code_key(functions->state, code, key)) {
            return NULL;
        }
    }
    return add_function(functions, key, description);
}

const struct function *
functions_of_code(struct functions *functions, PyCodeObject *code, compat_frame *frame)
{
    const void *key = code_key(code, functions->code_slot);
    const struct function_record *record = key != NULL ? find_by_key(functions, key) : NULL;
    if (record != NULL) {
        return &record->function;
    }
    struct description description = describe_code(functions, code, frame);
    const struct function *added = add_code(functions, code, &description);
    if (added == NULL && (description.flags & FUNCTION_IS_EXCLUDED) != 0) {
        return &functions->excluded;
    }
    return added;
}

/* Without memory for it what was decided has to be looked up each time. */
static bool
make_room_for_verdict(struct functions *functions, size_t number)
{
    size_t count = functions->verdict_count;
    if (number < count) {
        return true;
    }
    size_t grown = number + FIRST_RECORDS > count * 2 ? number + FIRST_RECORDS : count * 2;
    unsigned char *verdicts = memory_resize(functions->memory, functions->verdicts, count, grown);
    if (verdicts == NULL) {
        return false;
    }
    memset(verdicts + count, VERDICT_UNKNOWN, grown - count);
    functions->verdicts = verdicts;
    functions->verdict_count = grown;
    return true;
}

bool
functions_exclude(struct functions *functions, PyCodeObject *code, compat_frame *frame)
{
    const struct function *function =
        functions_are_filtered(functions) ? functions_of_code(functions, code, frame) : NULL;
    bool excluded = function != NULL && (function->flags & FUNCTION_IS_EXCLUDED) != 0;
    size_t number = (size_t)(uintptr_t)code_key(code, functions->code_slot) / CODE_KEY_STEP;
    if (function != NULL && number != 0 && make_room_for_verdict(functions, number)) {
        functions->verdicts[number] = excluded ? VERDICT_EXCLUDED : VERDICT_INCLUDED;
    }
    return excluded;
}

/* -- callables of C ------------------------------------------------------------------------------ */

/* A key that is an object's address must stay that object's. Heap types of C live as long as their
 * module, and slot wrappers as long as their type; this makes sure. */
static bool
keep_alive(const struct functions *functions, PyObject *callable, const void *key)
{
    PyObject *keyed = PyCFunction_CheckExact(callable) ? PyCFunction_GET_SELF(callable) : callable;
    const char *address = (const char *)keyed;
    if (keyed == NULL || (key != address && key != address + 1)) {
        return true;
    }
    if (PyList_Append(functions->types_owned, keyed) < 0) {
        PyErr_Clear();
        return false;
    }
    return true;
}

const struct function *
functions_of_callable(struct functions *functions, const void *key, PyObject *callable)
{
    struct function_record *record = find_by_key(functions, key);
    if (record != NULL) {
        return &record->function;
    }
    if (functions_are_full(functions)) {
        return NULL;
    }
    struct description description = {.flags = FUNCTION_IS_C};
    callable = callable_unwrap(functions->state, callable);
    callable_describe(&description, callable);
    description.identity = hash_description(&description);
    if (!keep_alive(functions, callable, key)) {
        return NULL;
    }
    return add_function(functions, key, &description);
}

/* -- bases --------------------------------------------------------------------------------------- */

static const struct function *
find_or_add_base(struct functions *functions, struct description *description)
{
    description->identity = hash_description(description);
    struct function_record *record = find_by_identity(functions, description->identity);
    return record != NULL ? &record->function : add_function(functions, NULL, description);
}

static const struct function *
own_base(struct functions *functions, struct description *description, const struct function *greenlet_class)
{
    (void)find_or_add_base(functions, description);
    struct function_record *record = find_by_identity(functions, description->identity);
    if (record == NULL) {
        return greenlet_class;
    }
    record->function.class_function = greenlet_class;
    return &record->function;
}

static void
describe_python_class(const struct functions *functions, struct description *description, PyTypeObject *type,
                      PyObject *names)
{
    PyObject *module = PyDict_GetItemWithError(names, functions->state->module_name_owned);
    description->name = text_borrowed(((PyHeapTypeObject *)type)->ht_qualname);
    description->owner = (struct text){0};
    if (module != NULL && PyUnicode_Check(module)) {
        description->owner = text_borrowed(module);
    }
}

const struct function *
functions_of_greenlet_class(struct functions *functions, PyTypeObject *type)
{
    if (functions->class_borrowed == type && functions->class_version != 0 &&
        functions->class_version == type->tp_version_tag) {
        return functions->class_function;
    }
    struct description description = {.kind = KIND_GREENLET, .flags = FUNCTION_IS_BASE};
    PyObject *names_owned = compat_type_dict_owned(type);
    if (type_is_of_c(type) || names_owned == NULL) {
        type_describe(&description, type);
    } else {
        describe_python_class(functions, &description, type, names_owned);
    }
    functions->class_function = find_or_add_base(functions, &description);
    functions->class_borrowed = type;
    functions->class_version = functions->class_function != NULL ? type->tp_version_tag : 0;
    Py_XDECREF(names_owned);
    return functions->class_function;
}

static struct description
describe_tag(const struct text *name)
{
    return (struct description){.kind = KIND_TAG, .flags = FUNCTION_IS_TAG, .name = *name};
}

const struct function *
functions_of_tag(struct functions *functions, const struct text *name)
{
    struct description description = describe_tag(name);
    struct function_record *record = find_by_identity(functions, hash_description(&description));
    if (record != NULL) {
        return &record->function;
    }
    if (functions->tag_count >= MOST_TAGS) {
        const struct text other = text_of_c_string("[other]");
        description = describe_tag(&other);
    }
    const struct function *tag = find_or_add_base(functions, &description);
    functions->tag_count += tag != NULL && functions->tag_count < MOST_TAGS;
    return tag;
}

const struct function *
functions_of_place(struct functions *functions, const PyCodeObject *code)
{
    PyObject *qualname = qualname_of_code_borrowed(code);
    struct description description = {
        .kind = KIND_PYTHON,
        .name = text_borrowed(qualname != NULL ? qualname : code->co_name),
        .filename = text_borrowed(code->co_filename),
        .line = code->co_firstlineno,
    };
    return functions_are_full(functions) ? NULL : find_or_add_base(functions, &description);
}

const struct function *
functions_of_greenlet(struct functions *functions, const struct function *greenlet_class, uint64_t number)
{
    const struct function_record *class_record = (const struct function_record *)greenlet_class;
    struct description description = {
        .kind = KIND_GREENLET,
        .flags = FUNCTION_IS_BASE,
        .name = class_record->name,
        .owner = class_record->owner,
        .number = number,
    };
    description.identity = hash_description(&description);
    if (find_by_identity(functions, description.identity) == NULL && functions_are_full(functions)) {
        return greenlet_class;
    }
    return own_base(functions, &description, greenlet_class);
}

const struct function *
functions_of_thread(struct functions *functions, const struct text *name)
{
    struct description description = {.kind = KIND_THREAD, .flags = FUNCTION_IS_BASE, .name = *name};
    return find_or_add_base(functions, &description);
}

const struct function *
functions_of_truncation(struct functions *functions)
{
    struct description description = {
        .kind = KIND_TRUNCATED,
        .flags = FUNCTION_IS_TRUNCATED,
        .name = text_of_c_string("[truncated]"),
    };
    return find_or_add_base(functions, &description);
}
