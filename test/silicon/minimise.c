/* minimise.c - make a failing sequence as short as it goes, and show it. */
#include "silicon.h"
#include <inttypes.h>

const char *run_one(struct s_rig *rig, const struct s_program *p, struct s_result *r)
{
	struct s_shared *sh = rig->sh;
	if (!assemble(p, sh, &sh->seq[0]))
		return NULL;
	sh->count = 1;
	soft_code(rig->soft, sh);
	soft_run(rig->soft, sh, &sh->seq[0], p->softfloat, r);
	if (!host_run(rig->host))
		exit(1);
	return compare(p, sh, &sh->seq[0], r);
}

/* Without item k and what is bound to it; branches over it stay what they are. */
static void drop(struct s_program *to, const struct s_program *from, uint32_t k)
{
	uint32_t gone = 1;
	while (k + gone < from->count && from->item[k + gone].bound)
		gone++;
	*to = *from;
	memmove(to->item + k, to->item + k + gone, (to->count - k - gone) * sizeof *to->item);
	to->count -= gone;
	for (uint32_t n = 0; n < to->count; n++)
		if (to->item[n].target > (int)k)
			to->item[n].target -=
				(int16_t)(to->item[n].target - (int)k < (int)gone ? to->item[n].target - (int)k
										  : (int)gone);
	if (k == to->count)
		to->last_only = false; /* another instruction is the last one */
}

void minimise(struct s_rig *rig, struct s_program *p)
{
	static struct s_program trial;
	static struct s_result r;
	bool again = true;
	while (again) {
		again = false;
		for (uint32_t k = p->count; k-- > 0;) {
			if (p->item[k].bound || p->item[k].keep)
				continue;
			drop(&trial, p, k);
			if (run_one(rig, &trial, &r)) {
				*p = trial;
				again = true;
			}
		}
	}
	trial = *p;
	trial.softfloat = false;
	if (p->softfloat && run_one(rig, &trial, &r))
		*p = trial;
}

void print_program(FILE *f, const struct s_program *p, struct s_shared *sh)
{
	ZydisFormatter fmt;
	ZydisFormatterInit(&fmt, ZYDIS_FORMATTER_STYLE_INTEL);
	const struct s_seq *s = &sh->seq[0];
	for (uint32_t n = 0; n < s->size; n++) {
		ZydisDecodedInstruction i;
		ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
		const uint8_t *b = sh->arena + s->at + n;
		char text[96] = "?";
		if (!s->length[n])
			continue;
		if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&s_tables[p->mode].decoder, b, 15, &i, o)))
			ZydisFormatterFormatInstruction(&fmt, &i, o, i.operand_count_visible, text, sizeof text,
							S_ARENA + s->at + n, NULL);
		fprintf(f, "  +%-4x", n);
		for (unsigned k = 0; k < s->length[n]; k++)
			fprintf(f, " %02x", b[k]);
		fprintf(f, "%*s%s\n", (int)(36 - 3 * s->length[n]), "", text);
	}
}
