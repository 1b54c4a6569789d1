/* sightings.h -- greenlets that are known to live without a position: at the end of a session all of them,
 * at the beginning of one those whose thread has yet to say that they are its.
 *
 *      greenlet (address)  ->  weak reference, number of the record that it left in an earlier session
 *
 * An address alone says nothing, for it may be used again; the weak reference tells. It has no callback and
 * keeps nothing alive.
 *
 * Ownership: owns its weak references and its memory. */
#ifndef GP_SIGHTINGS_H
#define GP_SIGHTINGS_H

#include "compat.h"
#include "memory.h"

struct sighting {
    const void *greenlet;
    PyObject *weakref_owned;
    size_t record;         /* 0: none */
    struct sighting *next; /* in its bucket */
};

struct sightings {
    struct sighting **buckets; /* NULL while there are none */
    size_t bucket_count;       /* a power of two */
    size_t count;
};

/* False when there is no memory; leaves no exception. */
bool sightings_add(struct sightings *sightings, struct memory *memory, PyObject *greenlet, size_t record);

/* The greenlet is sighted no longer. False when it was not; else `record` is the number of its record. */
bool sightings_take(struct sightings *sightings, struct memory *memory, PyObject *greenlet, size_t *record);

/* Calls `visit` for each, with a new reference to the greenlet, or NULL when it is gone. */
void sightings_each(const struct sightings *sightings,
                    void (*visit)(void *context, PyObject *greenlet_owned, size_t record), void *context);

void sightings_clear(struct sightings *sightings, struct memory *memory);

#endif
