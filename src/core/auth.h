/* Who a new session is: the one place where credentials are decided. */
#ifndef GRID_CORE_AUTH_H
#define GRID_CORE_AUTH_H

#include "base/err.h"
#include "core/config.h"
#include "core/session.h"
#include "wire/names.h"

enum { AUTH_E_UNAUTHORIZED = 1 };

/* The user's key, from what the handshake brought. AUTH_E_UNAUTHORIZED: *whyp is a static sentence for the client. */
GRID_MUST_CHECK int auth_decide(const struct core_config *config, const struct handshake *handshake, struct key *user,
                                const char **whyp);

#endif
