/* replay.h - answers of somebody's Windows, which the simulation gives in place of its own: words of VMA_WHPX_SIM that
 * cli/replay.c makes out of a report. */
#ifndef WHPX_SIM_REPLAY_H
#define WHPX_SIM_REPLAY_H

#include <stdbool.h>
#include "whpx/whp.h"

enum { WHPSIM_ANSWERS = 128, WHPSIM_HIDDEN = 96, WHPSIM_ANSWER_MAX = 64 };

struct whpsim_answer {
	uint32_t code;
	HRESULT hr;
	uint32_t size; /* bytes; hr is S_OK */
	uint8_t bytes[WHPSIM_ANSWER_MAX];
};

struct whpsim_replay {
	struct whpsim_answer capabilities[WHPSIM_ANSWERS], properties[WHPSIM_ANSWERS];
	unsigned capability_count, property_count, hidden_count;
	char hidden[WHPSIM_HIDDEN][64];
};

/* cap=CODE:HRESULT[:BYTES], prop=CODE:HRESULT (of being set), hide=FUNCTION; numbers as 0x and eight digits. false:
 * none of these. */
bool whpsim_replay_take(struct whpsim_replay *r, const char *word);
/* false: there is no room for it. */
bool whpsim_replay_hide(struct whpsim_replay *r, const char *function);
/* What there was; NULL: nothing is known. */
const struct whpsim_answer *whpsim_replay_capability(const struct whpsim_replay *r, uint32_t code);
const struct whpsim_answer *whpsim_replay_property(const struct whpsim_replay *r, uint32_t code);
bool whpsim_replay_hidden(const struct whpsim_replay *r, const char *function);

#endif
