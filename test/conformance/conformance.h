/* conformance.h - the conformance suite: one list of checks, run on one accelerator at a time by `vmaccel check`.
 *
 * A check is a function that uses include/vmaccel only and ends with CONF_PASS or one of the conf_ functions below,
 * which note the
 * reason. It may crash or hang: the command runs each in a process of its own, with a time limit.
 * What differs between accelerators for a reason is a row of its group's differences, not an `if` in a check. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <stdbool.h>
#include <vmaccel/vmaccel.h>

enum conf_result {
	CONF_PASS = 0,
	CONF_FAIL = 1,
	CONF_SKIP = 2,    /* this host or accelerator has nothing to check here, with a reason */
	CONF_KNOWN = 3,   /* failed as a declared difference says it does */
	CONF_NOT_YET = 4, /* the check is not written yet, with a reason */
	CONF_RESULTS
};
extern const char *const conf_results[CONF_RESULTS]; /* by result, for programs: "pass", "known-difference" ... */

/* What a check is given, and where it leaves its reason. */
struct conf {
	vma_accel accel;
	vma_arch arch;
	vma_platform_info info; /* of that accelerator */
	char reason[512];       /* one line */
};

struct conf_check {
	int number;       /* 20 is T020 */
	const char *name; /* a sentence without a full stop */
	/* words: "x86 exits"; the first is the architecture, x86, arm64 or any; "guest" where guest code runs (not for the null back end) */
	const char *tags;
	int (*run)(struct conf *conf); /* x86's; NULL: not yet */
	const char *not_yet;           /* why there is no run */
	int (*run_arm64)(struct conf *conf); /* the same of arm64 */
};
/* All checks, sorted by number. */
int conf_count(void);
const struct conf_check *conf_at(int index);
const struct conf_check *conf_find(int number); /* NULL: no such check */
bool conf_applies(const struct conf_check *check, vma_arch arch);
/* What runs there; NULL: it is not written yet, and *why says why. */
int (*conf_body(const struct conf_check *check, vma_arch arch, const char **why))(struct conf *conf);

/* A check that is known to fail on an accelerator. It is still run; if it passes after all, that is a failure of
 * this row. */
struct conf_difference {
	int number;
	vma_accel accel;
	const char *reason;
	const char *only_where; /* holds only where info.version contains this text; NULL: everywhere */
	vma_arch arch;          /* 0: x86-64 */
};
const char *conf_known_difference(int number, const vma_platform_info *info); /* the reason; NULL: none is declared */

/* What a file of checks hands to table.c, which names it. */
struct conf_group {
	const struct conf_check *checks;
	int check_count;
	const struct conf_difference *differences;
	int difference_count;
};
#define CONF_GROUP(name, checks, differences, difference_count)                                                        \
	extern const struct conf_group conf_##name;                                                                    \
	const struct conf_group conf_##name = {checks, sizeof(checks) / sizeof((checks)[0]), differences,         \
					      difference_count}

/* Note a reason and return CONF_FAIL / CONF_SKIP. The first reason stays. */
int conf_fail(struct conf *conf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int conf_skip(struct conf *conf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* QEMU emulates the hardware below the accelerator, or this process: everything takes its time. */
bool conf_emulated(const struct conf *conf);

/* Leave the check when a condition does not hold, or a call that must work fails (a negative result). */
#define CONF_EXPECT(conf, condition)                                                                                   \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			return conf_fail(conf, "%s:%d: not so: %s", conf_file(__FILE__), __LINE__, #condition);        \
	} while (0)
#define CONF_OK(conf, call)                                                                                            \
	do {                                                                                                           \
		int conf_result_ = (call);                                                                             \
		if (conf_result_ < 0)                                                                                  \
			return conf_fail(conf, "%s:%d: %s: %s: %s", conf_file(__FILE__), __LINE__, #call,              \
			                 vma_error_name(conf_result_), vma_why());                                     \
	} while (0)
#define CONF_EQUAL(conf, got, want)                                                                                    \
	do {                                                                                                           \
		unsigned long long conf_got_ = (unsigned long long)(got), conf_want_ = (unsigned long long)(want);     \
		if (conf_got_ != conf_want_)                                                                           \
			return conf_fail(conf, "%s:%d: %s is %#llx, not %#llx", conf_file(__FILE__), __LINE__, #got,   \
			                 conf_got_, conf_want_);                                                       \
	} while (0)
/* Leave with a result other than CONF_PASS. */
#define CONF_TRY(call)                                                                                                 \
	do {                                                                                                           \
		int conf_try_ = (call);                                                                                \
		if (conf_try_ != CONF_PASS)                                                                            \
			return conf_try_;                                                                              \
	} while (0)
const char *conf_file(const char *path); /* its last part */

/* Run check `check` in this process; conf->accel and conf->arch are set. Returns an enum conf_result; conf->reason
 * holds why, unless
 * it passed. */
int conf_run(const struct conf_check *check, struct conf *conf);
/* Whether `word` is one of the check's tags. */
int conf_tagged(const struct conf_check *check, const char *word);

#endif
