// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* doctor: what this host allows, and which hook each tool will use. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "fault.h"
#include "selftest.h"

static int usage(FILE *to, int code)
{
	fputs("usage: nettrace doctor [--json] [--selftest]\n"
	      "What this host allows, which hooks each tool uses here, and what would mend the "
	      "rest.\n"
	      "\n"
	      "  --json         one object a line: the host, then each tool\n"
	      "  --selftest     make traffic over loopback and see whether each tool says what is "
	      "right\n"
	      "\n"
	      "Exit status: 0 every tool works, some perhaps with less; 4 some do not.\n",
	      to);
	return code;
}

int cmd_doctor(int argc, char **argv)
{
	void (*print)(const struct doctor *doctor) = doctor_table;
	bool selftest = false;
	struct doctor doctor;
	int i, err, code;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return usage(stdout, EXIT_DONE);
		if (!strcmp(argv[i], "--json")) {
			print = doctor_json;
		} else if (!strcmp(argv[i], "--selftest")) {
			selftest = true;
		} else {
			fprintf(stderr, "nettrace doctor: '%s' is not understood; "
					"'nettrace doctor --help' shows the use\n", argv[i]);
			return EXIT_USAGE;
		}
	}
	err = doctor_examine(&doctor, all_tools);
	if (!err && selftest)
		err = selftest_run(&doctor, selftest_lines);
	if (err) {
		fprintf(stderr, "nettrace doctor: %s\n", strerror(-err));
		code = EXIT_RUNNING;
	} else {
		print(&doctor);
		code = doctor_all_work(&doctor) ? EXIT_DONE : EXIT_KERNEL;
	}
	doctor_free(&doctor);
	return code;
}
