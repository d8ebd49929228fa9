/* SPDX-License-Identifier: Apache-2.0 */
#include "image/memory_slots.h"

#include "base/clock.h"

struct semaphore *
memory_slots_open(int count)
{
	return semaphore_open(count, (const int[]){ count, 0 });
}

void
memory_slot_take(struct memory_slot *slot)
{
	int64_t start_ms = now_ms();

	if (slot->state != SLOT_NOT_ASKED)
		return;
	slot->state = semaphore_take(slot->slots, &slot->hold, 0,
			  slot->deadline_ms, MEMORY_SLOTS_IDLE_MS)
			  ? SLOT_TAKEN
			  : SLOT_NONE;
	slot->late = slot->state == SLOT_NONE && now_ms() >= slot->deadline_ms;
	slot->waited_ms += now_ms() - start_ms;
}

void
memory_slot_give(struct memory_slot *slot)
{
	if (slot->state == SLOT_TAKEN)
		semaphore_give(&slot->hold);
	slot->state = SLOT_NOT_ASKED;
}
