/* vmaccel-a64decode [--all] OBJDUMP EXPECTED: the decoder of the software arm64 CPU against binutils. Which row an
 * encoding has here, and which mnemonic there, must be a pair that the file EXPECTED declares.
 *
 * Every value of bits 31:10 is looked at, with registers chosen at random, and where the low bits are opcode too
 * (system instructions, exceptions, branches to registers) every value of those; --all looks at all 2^32. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "arm64/engine.h"
#include "arm64/sys.h"

enum { BATCH = 1 << 20, PAIRS = 8192, SHOWN = 200 };
struct pair {
	char row[32], mnemonic[32];
	bool declared;
	uint32_t example;
	uint64_t count;
};
static struct pair pairs[PAIRS];
static unsigned n_pairs;
static uint32_t words[BATCH];
static unsigned n_words;
static uint64_t looked_at;
static bool skipped[128]; /* by class */
static const char *objdump;
static char file[] = "/tmp/a64decode.XXXXXX";

static void die(const char *what)
{
	fprintf(stderr, "a64decode: %s\n", what);
	unlink(file);
	exit(2);
}

static unsigned hash(const char *a, const char *b)
{
	unsigned h = 5381;
	for (; *a; a++)
		h = h * 33 + (unsigned char)*a;
	for (h *= 33; *b; b++)
		h = h * 33 + (unsigned char)*b;
	return h;
}

static struct pair *pair_of(const char *row, const char *mnemonic)
{
	unsigned i = hash(row, mnemonic) % PAIRS;
	while (pairs[i].row[0] && (strcmp(pairs[i].row, row) || strcmp(pairs[i].mnemonic, mnemonic)))
		i = (i + 1) % PAIRS;
	if (!pairs[i].row[0]) {
		if (++n_pairs > PAIRS / 2 || strlen(row) >= sizeof pairs[i].row ||
		    strlen(mnemonic) >= sizeof pairs[i].mnemonic)
			die("too many pairs, or too long a name");
		strcpy(pairs[i].row, row);
		strcpy(pairs[i].mnemonic, mnemonic);
	}
	return &pairs[i];
}

/* "row: class/mnemonic ...  # why": `-` is undefined, on either side; "skip: classes" leaves those out. */
static void read_expected(const char *path)
{
	char line[4096], *save;
	FILE *f = fopen(path, "r");
	if (!f)
		die("no file of what to expect");
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "#\n")] = 0;
		char *row = strtok_r(line, ": ", &save), *m;
		while (row && (m = strtok_r(NULL, " ", &save)))
			if (strcmp(row, "skip"))
				pair_of(row, m)->declared = true;
			else
				skipped[m[0] & 127] = true;
	}
	fclose(f);
}

/* The top level of the encodings, Arm ARM C4.1: one letter each, so that ABS of a register and of a vector differ;
 * loads and stores of the latter have their own. */
static char class_of(uint32_t insn)
{
	static const char classes[] = "m-s-lrwviibblrwv";
	return classes[insn >> 25 & 15];
}

static void compare(uint32_t insn, const char *mnemonic)
{
	const struct a64_row *r = a64_find_row(A64_FEATURES_ALL, insn);
	if (skipped[(unsigned)class_of(insn)])
		return;
	char theirs[64] = "-";
	if (strcmp(mnemonic, ".inst"))
		snprintf(theirs, sizeof theirs, "%c/%.28s", class_of(insn), mnemonic);
	if (class_of(insn) == 's' || (class_of(insn) == 'm' && insn >> 31))
		strcpy(theirs, "sve");
	struct pair *p = pair_of(r ? r->name : "-", theirs);
	p->example = insn;
	p->count++;
	looked_at++;
}

/* objdump's lines: address, word, mnemonic, operands, between tabs */
static void flush(void)
{
	char command[512], line[512];
	unsigned at = 0;
	FILE *f = fopen(file, "wb");
	if (!f || fwrite(words, 4, n_words, f) != n_words || fclose(f))
		die("cannot write what is to be disassembled");
	snprintf(command, sizeof command, "'%s' -D -z -b binary -m aarch64 -M no-aliases %s", objdump, file);
	f = popen(command, "r");
	while (f && fgets(line, sizeof line, f)) {
		char *word = strchr(line, '\t'), *m = word ? strchr(word + 1, '\t') : NULL;
		if (!m || at == n_words)
			continue;
		if (strtoul(word + 1, NULL, 16) != words[at])
			die("the disassembler has other words");
		m[1 + strcspn(m + 1, "\t\n ")] = 0;
		compare(words[at++], m + 1);
	}
	if (!f || pclose(f) || at != n_words)
		die("the disassembler failed");
	n_words = 0;
}

static void look(uint32_t insn)
{
	words[n_words++] = insn;
	if (n_words == BATCH)
		flush();
}

/* Registers: 31 often enough, it is another one or a condition. */
static uint32_t registers(void)
{
	static uint64_t seed = 88172645463325252;
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	uint32_t v = seed >> 20 & 0x3ff;
	return v | (seed >> 40 & 7 ? 0 : 0x1f) | (seed >> 43 & 7 ? 0 : 0x3e0);
}

static void sweep(void)
{
	for (uint32_t top = 0; top < 1u << 22; top++)
		look(top << 10 | registers());
	for (uint32_t i = 0; i < 1u << 22; i++)
		look(0xd5000000 | i);
	for (uint32_t i = 0; i < 1u << 20; i++) /* branches: all but Rn */
		look(0xd6000000 | (i & ~31u) << 5 | (i & 31) | (registers() & 0x3e0));
	for (uint32_t i = 0; i < 1u << 16; i++) /* one source: Rn is opcode for PACIZA and the like */
		look(0xdac10000 | i);
	for (uint32_t i = 0; i < 1u << 13; i++) /* exceptions: all but the operand */
		look(0xd4000000 | (i & ~31u) << 16 | (i & 31) | registers() << 5);
}

/* A row that has the mnemonic's name, with a 2 for the upper half or without, and undefined on both sides, need no
 * declaration. */
static bool same_name(const struct pair *p)
{
	const char *m = p->mnemonic[1] == '/' ? p->mnemonic + 2 : p->mnemonic;
	size_t n = strlen(p->row);
	return !strncmp(p->row, m, n) && (!m[n] || (m[n] == '2' && !m[n + 1]));
}

/* false: something is not declared */
static bool report(void)
{
	unsigned bad = 0;
	for (unsigned i = 0; i < PAIRS; i++) {
		const struct pair *p = &pairs[i];
		if (!p->count || p->declared || same_name(p))
			continue;
		if (bad++ < SHOWN)
			printf("%s: %s # FAILED: not declared; %08x and %llu more\n", p->row, p->mnemonic, p->example,
			       (unsigned long long)p->count - 1);
	}
	printf("%llu encodings, %u pairs\n%d passed, %d failed\n", (unsigned long long)looked_at, n_pairs, !bad, !!bad);
	return !bad;
}

int main(int argc, char **argv)
{
	bool all = argc == 4 && !strcmp(argv[1], "--all");
	if (argc != 3 + all)
		die("usage: vmaccel-a64decode [--all] OBJDUMP EXPECTED");
	objdump = argv[1 + all];
	int fd = mkstemp(file);
	if (fd < 0)
		die("no temporary file");
	close(fd);
	a64_decoder_init();
	read_expected(argv[2 + all]);
	if (all)
		for (uint64_t i = 0; i < UINT64_C(1) << 32; i++)
			look((uint32_t)i);
	else
		sweep();
	if (n_words)
		flush();
	unlink(file);
	return !report();
}
