/* suite.h - the conformance suite on one accelerator, for the verbs that run it. */
#ifndef CLI_SUITE_H
#define CLI_SUITE_H

#include <stdint.h>
#include <vmaccel/vmaccel.h>
#include "conformance.h"

struct cJSON;

/* What is checked. */
struct subject {
	vma_accel accel;
	vma_arch arch;
};

enum { SUITE_SECONDS = 60 };

struct suite {
	struct subject subject;
	uint32_t only;       /* 0: all that apply */
	uint32_t timeout_ms; /* of each */
	int quiet;           /* print nothing */
	struct cJSON *rows;  /* an array that gets a row for each check; NULL: none */
	int counts[CONF_RESULTS];
};
/* STATUS_OK, or STATUS_FAILED when a check failed. */
int suite_run(struct suite *s);
/* Adds the member "totals". */
void suite_totals(const struct suite *s, struct cJSON *json);
/* Check `number` in this process: its result and reason on the last line of stdout. */
int suite_one(int number, const struct subject *s);
/* What a check is, without a result. */
struct cJSON *suite_check_json(const struct conf_check *check);

#endif
