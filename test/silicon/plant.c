/* plant.c - the proof of the prover: make the software side wrong on purpose, in one instruction or in one page, and
 * see that it is reported. The code that the software CPU gets is not the one the processor gets. */
#include "silicon.h"

bool plant_read_only;

static const struct plant {
	const char *name, *what;
	uint8_t map, opcode, mask; /* opcode byte under the mask */
	int16_t modrm;             /* -1: any; else the byte under modrm_mask */
	uint8_t modrm_mask;
	uint8_t new_opcode, new_modrm;
} plants[] = {
	{"flag", "CMC does nothing", 0, 0xf5, 0xff, -1, 0, 0x90, 0},
	{"register", "NOT of a register negates", 0, 0xf7, 0xff, 0xd0, 0xf8, 0xf7, 0xd8},
	{"memory", "MOV of a byte to [register + disp32] ORs", 0, 0x88, 0xff, 0x80, 0xc0, 0x08, 0x80},
	{"vector", "ADDPS, ADDPD, ADDSS, ADDSD subtract", 1, 0x58, 0xff, -1, 0, 0x5c, 0},
	{"x87", "FCHS makes absolute", 0, 0xd9, 0xff, 0xe0, 0xff, 0xd9, 0xe1},
	{"fault", "the read-only page can be written", 0xff, 0, 0, 0, 0, 0, 0},
};
static const struct plant *planted;

bool plant_select(const char *name)
{
	for (size_t n = 0; n < sizeof plants / sizeof *plants; n++)
		if (!strcmp(plants[n].name, name))
			planted = &plants[n];
	plant_read_only = planted && planted->map == 0xff;
	return planted != NULL;
}

void plant_list(void)
{
	for (size_t n = 0; n < sizeof plants / sizeof *plants; n++)
		printf("  %-9s %s\n", plants[n].name, plants[n].what);
}

static bool is_prefix(uint8_t b, bool long_mode)
{
	static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
	return memchr(prefixes, b, sizeof prefixes) || (long_mode && (b & 0xf0) == 0x40);
}

static void plant_one(uint8_t *b, bool long_mode)
{
	unsigned map = 0;
	while (is_prefix(*b, long_mode))
		b++;
	if (*b == 0x0f) {
		map = 1;
		b++;
	}
	if (map != planted->map || (*b & planted->mask) != planted->opcode)
		return;
	if (planted->modrm >= 0 && (b[1] & planted->modrm_mask) != planted->modrm)
		return;
	*b = planted->new_opcode;
	if (planted->modrm_mask)
		b[1] = (uint8_t)((b[1] & ~planted->modrm_mask) | planted->new_modrm);
}

void plant_code(uint8_t *arena, const struct s_seq *seq)
{
	if (!planted || plant_read_only)
		return;
	for (uint32_t n = 0; n < seq->size; n++)
		if (seq->length[n])
			plant_one(arena + seq->at + n, seq->mode == S_MODE64);
}
