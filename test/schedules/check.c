/* check.c - see check.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "check.h"

static const char *explore_nth(const struct checked *c, size_t n, const struct mutation *m, struct exploration *x)
{
	const char *name = c->choose(n);

	*x = (struct exploration){.setup = c->setup, .mutation = m};
	if (name)
		explore(x);
	return name;
}

void check_every_order(const struct checked *c)
{
	struct exploration x;

	for (size_t n = 0; n < c->plans; n++) {
		const char *name = explore_nth(c, n, NULL, &x);

		if (!name)
			continue;
		print_message("%s: %lu states, %lu runs, %lu steps, for %.3g orders\n", name, x.states, x.runs, x.steps,
			      x.orders);
		if (x.failure[0])
			fail_msg("%s: %s\n%s", name, x.failure, x.trace);
	}
}

/* The plan in which it was found, or NULL. */
static const char *find(const struct checked *c, const struct mutation *m, struct exploration *x)
{
	bool met = false;

	for (size_t n = 0; n < c->plans; n++) {
		const char *name = explore_nth(c, n, m, x);

		met |= x->mutated;
		if (x->failure[0])
			return name;
	}
	if (!met)
		fail_msg("no operation has the text \"%s\"", m->operation);
	return NULL;
}

void check_planted(const struct checked *c, const struct planted *faults, size_t count)
{
	static const char *const what[] = {"", "reads 0", "reads 1", "is not done", "is late"};
	struct exploration x;

	for (size_t n = 0; n < count; n++) {
		const struct mutation *m = &faults[n].mutation;
		const char *name = find(c, m, &x);

		if (!name)
			fail_msg("not found: %s %s", m->operation, what[m->fault]);
		print_message("\"%s\" %s; found by: %s, in run %lu: %s\n", m->operation, what[m->fault], name, x.runs,
			      x.failure);
		if (strncmp(x.failure, faults[n].failure, strlen(faults[n].failure)))
			fail_msg("something else was found:\n%s", x.trace);
		free(x.trace);
	}
}
