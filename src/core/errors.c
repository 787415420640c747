#include "core/errors.h"

#define ROW(id, code_, fault_, message_)                                                                               \
	[id] = {.code = (code_), .message = (message_), .label = "code=\"" code_ "\"", .clients_fault = (fault_)}

const struct error_row error_rows[ERROR_COUNT] = {
    ROW(ERROR_BAD_JSON, "bad_json", true, "a frame is one JSON object (RFC 8259, UTF-8)"),
    ROW(ERROR_BAD_REQUEST, "bad_request", true, "a field is missing or of the wrong type"),
    ROW(ERROR_UNKNOWN_OP, "unknown_op", true, "no such op"),
    ROW(ERROR_BAD_NAME, "bad_name", true,
        "a name is UTF-8 without control characters, 1 to 200 bytes when encoded, a room without empty parts"),
    ROW(ERROR_UNAUTHORIZED, "unauthorized", false, "no or bad credentials"),
    ROW(ERROR_NOT_JOINED, "not_joined", false, "this session is not in that room"),
    ROW(ERROR_TOO_MANY, "too_many", false, "more rooms than one session may join"),
    ROW(ERROR_UNAVAILABLE, "unavailable", false, "the bus is not there at the moment; try again"),
    ROW(ERROR_INTERNAL, "internal", false, "the node could not do this"),
};
