/* replay.c - the words of VMA_WHPX_SIM that carry another Windows' answers. */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

/* "0x" and eight digits; `text` goes on behind them. */
static bool take_code(const char **text, uint32_t *value)
{
	if (strncmp(*text, "0x", 2) || strspn(*text + 2, "0123456789abcdef") < 8)
		return false;
	for (int i = 2; i < 10; i++) {
		const char digit = (*text)[i];

		*value = *value << 4 | (uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
	}
	*text += 10;
	return true;
}

static bool take_bytes(const char *text, struct whpsim_answer *a)
{
	static const char digits[] = "0123456789abcdef";

	for (; *text; text += 2) {
		const char *high = strchr(digits, text[0]), *low = text[1] ? strchr(digits, text[1]) : NULL;

		if (!high || !low || a->size == WHPSIM_ANSWER_MAX)
			return false;
		a->bytes[a->size++] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
	return a->size > 0;
}

static bool take_answer(struct whpsim_answer *list, unsigned *count, const char *text)
{
	struct whpsim_answer a = {0};
	uint32_t hr = 0;

	if (*count == WHPSIM_ANSWERS || !take_code(&text, &a.code) || *text++ != ':' || !take_code(&text, &hr))
		return false;
	a.hr = (HRESULT)hr;
	if (*text && (a.hr || *text != ':' || !take_bytes(text + 1, &a)))
		return false;
	list[(*count)++] = a;
	return true;
}

bool whpsim_replay_hide(struct whpsim_replay *r, const char *function)
{
	if (r->hidden_count == WHPSIM_HIDDEN || strlen(function) >= sizeof r->hidden[0])
		return false;
	strcpy(r->hidden[r->hidden_count++], function);
	return true;
}

bool whpsim_replay_take(struct whpsim_replay *r, const char *word)
{
	if (!strncmp(word, "cap=", 4))
		return take_answer(r->capabilities, &r->capability_count, word + 4);
	if (!strncmp(word, "prop=", 5))
		return take_answer(r->properties, &r->property_count, word + 5);
	return !strncmp(word, "hide=", 5) && whpsim_replay_hide(r, word + 5);
}

static const struct whpsim_answer *find(const struct whpsim_answer *list, unsigned count, uint32_t code)
{
	for (unsigned i = 0; i < count; i++)
		if (list[i].code == code)
			return &list[i];
	return NULL;
}

const struct whpsim_answer *whpsim_replay_capability(const struct whpsim_replay *r, uint32_t code)
{
	return find(r->capabilities, r->capability_count, code);
}

const struct whpsim_answer *whpsim_replay_property(const struct whpsim_replay *r, uint32_t code)
{
	return find(r->properties, r->property_count, code);
}

bool whpsim_replay_hidden(const struct whpsim_replay *r, const char *function)
{
	for (unsigned i = 0; i < r->hidden_count; i++)
		if (!strcmp(r->hidden[i], function))
			return true;
	return false;
}
