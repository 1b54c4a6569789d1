/* notes.h -- what is known of a greenlet beside its times: the name that the program gave it, and where it was
 * spawned. Taken when it is first seen, copied at a snapshot.
 *
 *      name      what the attribute `name` was set to (gevent.Greenlet's, or any other), if it is a str
 *      spawned   the innermost places of gevent's `spawning_stack`; only where it is asked for, for it takes time
 *
 * Nothing of the program is called for a name: it is looked up in the greenlet's own dictionary.
 *
 * Ownership: notes own their names. Functions are the table's. */
#ifndef GP_NOTES_H
#define GP_NOTES_H

#include "compat.h"
#include "functions.h"
#include "memory.h"
#include "text.h"

/* gevent's own functions come first in a stack: the program's is further out. */
#define NOTE_PLACES 6

struct note_place {
    const struct function *function;
    int line; /* that it had come to */
};

struct note {
    uint64_t greenlet_id;
    struct text name; /* without data: it has none */
    size_t place_count;
    struct note_place places[NOTE_PLACES]; /* the innermost first */
};

struct notes {
    bool wants_places;
    struct note *notes;
    size_t count, capacity;
    uint64_t unkept; /* greenlets with something to note and no room for it */
};

/* Of a greenlet that is seen for the first time, in this session at least. Leaves no exception. */
void notes_take(struct notes *notes, struct functions *functions, PyObject *greenlet, uint64_t greenlet_id);

/* False when there is no memory; what was copied by then is to be disposed of all the same. */
bool notes_copy(struct notes *copy, struct memory *memory, const struct notes *notes);

void notes_dispose(struct notes *notes, struct memory *memory);

#endif
