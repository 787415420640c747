#include "net/counters.h"

#include "base/err.h"
#include "core/transport.h"

#define COUNT(field, name, help) METRIC_COUNTER_ROW(struct net_counters, field, name, NULL, help)
#define REJECT(index, label)                                                                                           \
	METRIC_COUNTER_ROW(struct net_counters, rejected[index], "grid_net_rejected_total", "reason=\"" label "\"",        \
	                   "Requests on the client listeners that did not become a websocket")
#define ENDING(index, label)                                                                                           \
	METRIC_COUNTER_ROW(                                                                                                \
	    struct net_counters, endings[index], "grid_net_closed_total", "how=\"" label "\"",                             \
	    "Websockets that ended: by the client, by a close code of ours, lost without a close frame, idle")

const struct metric_row net_metric_rows[] = {
    METRIC_GAUGE_ROW(struct net_counters, connections, "grid_net_connections", NULL, "Websockets open"),
    COUNT(accepted, "grid_net_accepted_total", "Sockets accepted on the client listeners"),
    COUNT(accept_failures, "grid_net_accept_failures_total",
          "Times accepting stopped for a second: out of descriptors"),
    COUNT(put_off, "grid_net_put_off_total", "Handshakes put off, since many users wait for their key already"),
    COUNT(established, "grid_net_established_total", "Websocket handshakes completed"),
    REJECT(REJECT_PATH, "path"),
    REJECT(REJECT_METHOD, "method"),
    REJECT(REJECT_NOT_UPGRADE, "not_upgrade"),
    REJECT(REJECT_MALFORMED, "malformed"),
    REJECT(REJECT_SUBPROTOCOL, "subprotocol"),
    REJECT(REJECT_TOO_LARGE, "too_large"),
    REJECT(REJECT_TIMEOUT, "timeout"),
    REJECT(REJECT_GONE, "gone"),
    REJECT(REJECT_INTERNAL, "internal"),
    COUNT(frames_in, "grid_net_frames_in_total", "Text messages received, whole"),
    COUNT(bytes_in, "grid_net_bytes_in_total", "Bytes of payload received"),
    COUNT(bytes_out, "grid_net_bytes_out_total", "Bytes of frames sent"),
    COUNT(writes, "grid_net_writes_total", "Sends: several frames may share one"),
    COUNT(pings, "grid_net_pings_total", "Pings sent to quiet clients"),
    COUNT(idle_drops, "grid_net_idle_drops_total", "Clients dropped for having been silent too long"),
    COUNT(resets, "grid_net_resets_total", "Clients reset because they did not read what was sent before the close"),
    COUNT(unanswered, "grid_net_unanswered_closes_total", "Close frames the client did not answer in time"),
    ENDING(ENDING_CLIENT, "client"),
    ENDING(ENDING_LOST, "lost"),
    ENDING(ENDING_IDLE, "idle"),
    ENDING(ENDING_BROKEN, "1002"),
    ENDING(ENDING_NOT_TEXT, "1003"),
    ENDING(ENDING_BAD_UTF8, "1007"),
    ENDING(ENDING_TOO_BIG, "1009"),
    ENDING(ENDING_DRAIN, "1012"),
    ENDING(ENDING_TRY_LATER, "1013"),
    ENDING(ENDING_UNAUTHORIZED, "4001"),
    ENDING(ENDING_TOO_SLOW, "4004"),
    ENDING(ENDING_ABUSE, "4005"),
    ENDING(ENDING_OTHER, "other"),
    COUNT(requests, "grid_net_admin_requests_total", "Requests on the admin listener"),
};
const size_t net_metric_rows_n = GRID_ARRAY_LEN(net_metric_rows);

enum ending ending_of_code(unsigned code)
{
	switch (code) {
	case CLOSE_NOT_TEXT:
		return ENDING_NOT_TEXT;
	case CLOSE_BAD_UTF8:
		return ENDING_BAD_UTF8;
	case CLOSE_TOO_BIG:
		return ENDING_TOO_BIG;
	case CLOSE_DRAIN:
		return ENDING_DRAIN;
	case CLOSE_TRY_LATER:
		return ENDING_TRY_LATER;
	case CLOSE_UNAUTHORIZED:
		return ENDING_UNAUTHORIZED;
	case CLOSE_TOO_SLOW:
		return ENDING_TOO_SLOW;
	case CLOSE_ABUSE:
		return ENDING_ABUSE;
	default:
		return ENDING_OTHER;
	}
}
