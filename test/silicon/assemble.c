/* assemble.c - a sequence's bytes: the items one behind the other, branches resolved, and the way out. */
#include "silicon.h"

/* Where a branch of item k leads to: not between an instruction and setup that it cannot do without. */
static uint32_t landing(const struct s_program *p, uint32_t k, int target)
{
	uint32_t to = target < 0 || (uint32_t)target > p->count ? p->count : (uint32_t)target;
	while (to > k + 1 && p->item[to - 1].keep)
		to--;
	return to;
}

/* Their offsets, the end's behind them; false: too long. */
static bool place(const struct s_program *p, uint8_t *code, struct s_seq *seq, uint32_t offset[S_ITEMS + 1])
{
	uint32_t n = 0;
	memset(seq->length, 0, sizeof seq->length);
	for (uint32_t k = 0; k <= p->count; k++) {
		offset[k] = n;
		if (n > S_CODE_MAX - 40)
			return false;
		if (k < p->count) {
			memcpy(code + n, p->item[k].bytes, p->item[k].length);
			seq->length[n] = p->item[k].length;
			n += p->item[k].length;
		}
	}
	return true;
}

static void resolve(const struct s_program *p, uint32_t k, uint8_t *code, const uint32_t offset[S_ITEMS + 1])
{
	const struct s_item *it = &p->item[k];
	uint32_t to = offset[landing(p, k, it->target)], end = offset[k] + it->length;
	int64_t v = it->fix == FIX_RIP     ? (int64_t)it->address - (int64_t)(S_ARENA + p->at + end)
		    : it->fix >= FIX_ABS64 ? (int64_t)S_ARENA + p->at + to
					   : (int64_t)to - (int64_t)end;
	unsigned size = it->fix == FIX_NONE ? 0 : it->fix == FIX_REL8 ? 1 : it->fix == FIX_ABS64 ? 8 : 4;
	if (it->fix == FIX_REL8 && v != (int8_t)v)
		v = 0;
	memcpy(code + offset[k] + it->at, &v, size);
}

/* JMP to where the helper and the software CPU wait for the end; its size. */
static uint32_t put_end(const struct s_program *p, uint8_t *code, uint32_t n)
{
	if (p->mode == S_MODE64) {
		uint32_t to = S_LEAVE - (S_ARENA + p->at + n + 5);
		code[n] = 0xe9;
		memcpy(code + n + 1, &to, 4);
		return 5;
	}
	static const uint8_t far[] = {0xea,
				      (uint8_t)S_EXIT32,
				      (uint8_t)(S_EXIT32 >> 8),
				      (uint8_t)(S_EXIT32 >> 16),
				      (uint8_t)(S_EXIT32 >> 24),
				      0x33,
				      0};
	memcpy(code + n, far, sizeof far);
	return sizeof far;
}

bool assemble(const struct s_program *p, struct s_shared *sh, struct s_seq *seq)
{
	uint32_t offset[S_ITEMS + 1];
	uint8_t *code = sh->arena + p->at;
	if (!place(p, code, seq, offset))
		return false;
	for (uint32_t k = 0; k < p->count; k++)
		resolve(p, k, code, offset);
	seq->at = p->at;
	seq->size = offset[p->count] + put_end(p, code, offset[p->count]);
	seq->mode = p->mode;
	seq->data_from = p->data_from;
	seq->in = p->start;
	return true;
}
