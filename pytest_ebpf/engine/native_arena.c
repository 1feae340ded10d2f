#include <stdlib.h>
#include <string.h>

#include "native_arena.h"

/* Makes room for one more item; false: no memory. */
bool pe_grow(void **items, uint64_t *room, uint64_t count, size_t size)
{
	uint64_t wanted = *room ? *room + *room / 2 : 64;
	void *grown;

	if (count < *room)
		return true;
	grown = realloc(*items, wanted * size);
	if (!grown)
		return false;
	*items = grown;
	*room = wanted;
	return true;
}

static bool add_block(struct arena *arena)
{
	uint8_t *block;

	/* All places have 32 bits. */
	if (arena->count >> (32 - BLOCK_SHIFT) ||
	    !pe_grow((void **)&arena->blocks, &arena->room, arena->count, sizeof(*arena->blocks)))
		return false;
	block = malloc(BLOCK_SIZE);
	if (!block)
		return false;
	arena->used = arena->count ? 0 : 8;
	arena->blocks[arena->count++] = block;
	return true;
}

/* Copies a record of at most half a block in; NONE: no memory, or no places are left. */
uint32_t pe_arena_add(struct arena *arena, const void *record, uint32_t size)
{
	uint32_t place;

	if ((!arena->count || BLOCK_SIZE - arena->used < size) && !add_block(arena))
		return NONE;
	place = (arena->count - 1) << BLOCK_SHIFT | arena->used / 8;
	memcpy(arena_at(arena, place), record, size);
	arena->used += (size + 7) / 8 * 8;
	return place;
}

void pe_arena_free(struct arena *arena)
{
	for (uint64_t i = 0; i < arena->count; i++)
		free(arena->blocks[i]);
	free(arena->blocks);
}

uint64_t pe_arena_memory(const struct arena *arena)
{
	return arena->count * BLOCK_SIZE + arena->room * sizeof(*arena->blocks);
}
