/* Options of the rules of the service: the struct and its rows. */
#ifndef GRID_CORE_CONFIG_H
#define GRID_CORE_CONFIG_H

#include "base/options.h"

enum auth_mode { AUTH_MODE_NONE };

struct core_config {
	struct {
		int mode; /* enum auth_mode */
	} auth;
	struct {
		int64_t interval;     /* ms between pings */
		int64_t idle_timeout; /* ms without a byte from the client */
	} heartbeat;
	struct {
		int64_t frame; /* bytes of one frame from a client */
		int64_t queue; /* bytes waiting for one client */
		int64_t rooms; /* rooms of one session */
	} limits;
	struct {
		int64_t room; /* ms a key stays bound after its last subscriber */
		int64_t user;
		int64_t unbind_rate; /* unbinds per second */
		int64_t restored;    /* the same of keys bound by an earlier life of the node */
	} linger;
	struct {
		int64_t hold;          /* ms a delivery for users is held until a socket takes it */
		int64_t hold_at_start; /* and at least this long after the start */
		int64_t max;           /* held at once */
	} stray;
	struct {
		int64_t timeout; /* ms from the signal to the end */
		int64_t spread;  /* ms over which clients are told to come back */
	} drain;
	struct {
		int64_t publish; /* ms until an unanswered publish is `unavailable` */
	} timeout;
};

extern const struct option core_options[];

#endif
