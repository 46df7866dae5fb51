/* config.c - the personalities of the simulation, and the text that chooses one. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "exports.h"

/* What a DLL is when nobody says otherwise; the builds for Windows make one of each. */
#ifndef WHPSIM_DEFAULT
#define WHPSIM_DEFAULT "11"
#endif

static const struct {
	char name[6];
	unsigned version;
} personalities[] = {
	{"1803", WHPSIM_1803}, {"1809", WHPSIM_1809}, {"2004", WHPSIM_2004}, {"11", WHPSIM_11}, {"24h2", WHPSIM_24H2},
};

/* What this simulation does of WHV_CAPABILITY_FEATURES and WHV_EXTENDED_VM_EXITS, by bit number, and since when Windows
 * has it. A row goes here when what it says is there. For most of the exits no document names a version: the first
 * one's has three bits, the newest header all, so they are Windows 11's. */
struct bit {
	char name[20];
	unsigned since, bit;
};
static const struct bit features[] = {
	{"partial-unmap", WHPSIM_1809, 0}, {"lapic", WHPSIM_1809, 1},       {"xsave", WHPSIM_1809, 2},
	{"dirty", WHPSIM_1809, 3},         {"speculation", WHPSIM_1809, 4},
};
static const struct bit exits[] = {
	{"cpuid-exit", WHPSIM_1803, 0}, {"msr-exit", WHPSIM_1803, 1},     {"exception-exit", WHPSIM_1803, 2},
	{"rdtsc-exit", WHPSIM_11, 3},   {"hypercall-exit", WHPSIM_11, 5}, {"init-sipi-exit", WHPSIM_11, 6},
	{"lint0-exit", WHPSIM_11, 7},   {"lint1-exit", WHPSIM_11, 8},     {"svr-exit", WHPSIM_11, 9},
	{"ldr-exit", WHPSIM_11, 12},    {"dfr-exit", WHPSIM_11, 13},
};
enum { FEATURES = sizeof features / sizeof *features, EXITS = sizeof exits / sizeof *exits };

static const struct {
	char name[16];
	size_t field;
} flags[] = {
	{"one-partition", offsetof(struct whpsim_config, one_partition)},
	{"invalidarg", offsetof(struct whpsim_config, invalidarg)},
	{"disabled", offsetof(struct whpsim_config, disabled)},
	{"denied", offsetof(struct whpsim_config, denied)},
	{"absent", offsetof(struct whpsim_config, absent)},
	{"no-tsc-scaling", offsetof(struct whpsim_config, no_tsc_scaling)},
};

/* Answers that are as plausible as the simulation's own. Under `otherwise` a guest must not notice. */
static const struct {
	char name[20];
	size_t field;
	bool alone; /* something cannot be had then, or another one is its opposite */
} others[] = {
#define ROW(name, field, alone) {name, offsetof(struct whpsim_config, field), alone}
	ROW("halt-at", halt_at, false),
	ROW("halt-shadow", halt_shadow, true),
	ROW("debug-in-dr6", debug_in_dr6, false),
	ROW("cancel-lost", cancel_lost, false),
	ROW("window-stays", window_stays, false),
	ROW("window-at-tpr", window_at_tpr, false),
	ROW("context-1803", context_1803, false),
	ROW("no-remap", no_remap, false),
	ROW("remap-faults", remap_faults, true),
	ROW("fixed-features", fixed_features, true),
	ROW("xapic-only", xapic_only, false),
	ROW("exceptions-unsaid", exceptions_unsaid, false),
	ROW("xsave-standard", xsave_standard, false),
	ROW("xsave-unsized", xsave_unsized, false),
	ROW("tpr-checked", tpr_checked, false),
	ROW("vmx-shuts-down", vmx_shuts_down, false),
	ROW("call-unseen", call_unseen, true),
#undef ROW
};
enum { OTHERS = sizeof others / sizeof *others };

static uint64_t known(const struct bit *rows, unsigned count, unsigned version)
{
	uint64_t all = 0;
	for (unsigned i = 0; i < count; i++)
		if (rows[i].since <= version)
			all |= UINT64_C(1) << rows[i].bit;
	return all;
}

static bool take_personality(struct whpsim_config *c, const char *word)
{
	for (size_t i = 0; i < sizeof personalities / sizeof *personalities; i++)
		if (!strcmp(personalities[i].name, word)) {
			c->version = personalities[i].version;
			c->features.AsUINT64 = known(features, FEATURES, c->version);
			c->exits.AsUINT64 = known(exits, EXITS, c->version);
			return true;
		}
	return false;
}

static bool take_flag(struct whpsim_config *c, const char *word)
{
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (!strcmp(flags[i].name, word)) {
			*(bool *)((char *)c + flags[i].field) = true;
			return true;
		}
	return false;
}

static bool take_other(struct whpsim_config *c, const char *word)
{
	bool all = !strcmp(word, "otherwise"), found = all;
	for (size_t i = 0; i < OTHERS; i++)
		if (all ? !others[i].alone : !strcmp(others[i].name, word)) {
			*(bool *)((char *)c + others[i].field) = true;
			found = true;
		}
	return found;
}

static bool take_away(uint64_t *set, const struct bit *rows, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(rows[i].name, name)) {
			*set &= ~(UINT64_C(1) << rows[i].bit);
			return true;
		}
	return false;
}

static bool take_number(const char *word, const char *prefix, uint64_t least, uint64_t most, uint64_t *value)
{
	size_t n = strlen(prefix);
	char *end;
	if (strncmp(word, prefix, n) || word[n] < '0' || word[n] > '9')
		return false;
	*value = strtoull(word + n, &end, 0);
	return !*end && *value >= least && *value <= most;
}

static bool take_register(const char *word, const char *prefix, uint32_t *list, unsigned *count)
{
	uint64_t name;
	if (*count == 8 || !take_number(word, prefix, 0, UINT32_MAX, &name))
		return false;
	list[(*count)++] = (uint32_t)name;
	return true;
}

/* A function is not exported: by its name, in this personality or any other. */
static bool take_function(struct whpsim_config *c, const char *name)
{
	static const char *const all[] = {
#define ROW(name, since, arguments) #name,
		WHP_PLATFORM_FUNCTIONS(ROW) WHP_EMULATION_FUNCTIONS(ROW)
#undef ROW
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (!strcmp(all[i], name))
			return whpsim_replay_hide(&c->replay, name);
	return false;
}

static bool take(struct whpsim_config *c, const char *word)
{
	uint64_t bits;
	if (take_other(c, word) || take_register(word, "missing=", c->missing, &c->missing_count) ||
	    take_register(word, "fixed=", c->fixed, &c->fixed_count))
		return true;
	if (!strncmp(word, "no-", 3))
		return take_away(&c->features.AsUINT64, features, FEATURES, word + 3) ||
		       take_away(&c->exits.AsUINT64, exits, EXITS, word + 3) || take_flag(c, word) ||
		       take_function(c, word + 3);
	if (take_number(word, "gpa", 32, WHPSIM_GPA_BITS, &bits)) {
		c->gpa_bits = (unsigned)bits;
		return true;
	}
	if (take_number(word, "map", 32, WHPSIM_GPA_BITS, &bits)) {
		c->map_bits = (unsigned)bits;
		return true;
	}
	return take_number(word, "hostile=", 1, UINT64_MAX, &c->seed) ||
	       take_number(word, "slow=", 1, 1000000, &c->exit_ns) || take_flag(c, word) ||
	       whpsim_replay_take(&c->replay, word);
}

static uint64_t answered(const struct whpsim_config *c, WHV_CAPABILITY_CODE code, uint64_t unless)
{
	const struct whpsim_answer *a = whpsim_replay_capability(&c->replay, code);
	uint64_t value = 0;
	if (!a)
		return unless;
	memcpy(&value, a->bytes, a->size < sizeof value ? a->size : sizeof value);
	return value;
}

/* A replayed Windows can no more than this simulation does. */
static void apply_replay(struct whpsim_config *c)
{
	uint64_t width = answered(c, WHvCapabilityCodePhysicalAddressWidth, 0);
	c->features.AsUINT64 &= answered(c, WHvCapabilityCodeFeatures, UINT64_MAX);
	c->exits.AsUINT64 &= answered(c, WHvCapabilityCodeExtendedVmExits, UINT64_MAX);
	if (width >= 32 && width < c->gpa_bits)
		c->gpa_bits = (unsigned)width;
	if (!answered(c, WHvCapabilityCodeHypervisorPresent, 1))
		c->disabled = true;
}

/* The personality comes first, as it sets what the others change. */
static bool parse(struct whpsim_config *c, const char *text)
{
	char word[192];
	bool first = true;
	*c = (struct whpsim_config){.gpa_bits = WHPSIM_GPA_BITS, .map_bits = WHPSIM_GPA_BITS};
	take_personality(c, WHPSIM_DEFAULT);
	for (; *text; first = false) {
		size_t n = strcspn(text, ",");
		if (n >= sizeof word)
			return false;
		memcpy(word, text, n);
		word[n] = 0;
		if (*word && !(first && take_personality(c, word)) && !take(c, word))
			return false;
		text += n + (text[n] == ',');
	}
	apply_replay(c);
	return true;
}

static struct whpsim_config config;
static atomic_int state; /* 0: not set, 1: somebody is setting it, 2: set */

int whpsim_configure(const char *text)
{
	struct whpsim_config c;
	if (!parse(&c, text))
		return -1;
	config = c;
	atomic_store(&state, 2);
	return 0;
}

static void from_environment(void)
{
	const char *text = getenv("VMA_WHPX_SIM");
	struct whpsim_config c;
	if (!parse(&c, text ? text : "")) {
		fprintf(stderr, "VMA_WHPX_SIM=%s: not understood; see sim/whpx/config.h\n", text);
		c.invalid = true;
	}
	config = c;
}

const struct whpsim_config *whpsim_config(void)
{
	int none = 0;
	if (atomic_load(&state) != 2) {
		if (atomic_compare_exchange_strong(&state, &none, 1)) {
			from_environment();
			atomic_store(&state, 2);
		}
		while (atomic_load(&state) != 2)
			;
	}
	return &config;
}

bool whpsim_exported(const char *function)
{
	return !whpsim_config()->absent && !whpsim_replay_hidden(&whpsim_config()->replay, function);
}
