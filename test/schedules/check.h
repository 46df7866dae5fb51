/* check.h - the two tests of each program here: every plan in every order finds nothing; each fault put into the code
 * is found in some plan. */
#ifndef EXPLORE_CHECK_H
#define EXPLORE_CHECK_H

#include "explore.h"

struct checked {
	size_t plans;
	/* Makes the n-th plan what setup sets up; its name, or NULL: there is no such plan. */
	const char *(*choose)(size_t n);
	void (*setup)(void);
};

void check_every_order(const struct checked *c);

struct planted {
	struct mutation mutation;
	const char *failure; /* what it begins with */
};
void check_planted(const struct checked *c, const struct planted *faults, size_t count);

#endif
