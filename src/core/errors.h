/* The errors a client can be told: one row each (docs/protocol.md, section 2.3). */
#ifndef GRID_CORE_ERRORS_H
#define GRID_CORE_ERRORS_H

#include <stdbool.h>

enum error_code {
	ERROR_BAD_JSON,
	ERROR_BAD_REQUEST,
	ERROR_UNKNOWN_OP,
	ERROR_BAD_NAME,
	ERROR_UNAUTHORIZED,
	ERROR_NOT_JOINED,
	ERROR_TOO_MANY,
	ERROR_UNAVAILABLE,
	ERROR_INTERNAL,
	ERROR_COUNT,
};

struct error_row {
	const char *code;    /* on the wire */
	const char *message; /* when there is nothing more precise to say */
	const char *label;   /* of its counter */
	bool clients_fault;  /* too many of these end in 4005 */
};

extern const struct error_row error_rows[ERROR_COUNT];

#endif
