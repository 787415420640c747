#include "core/auth.h"

static int decide_none(const struct handshake *handshake, struct key *user, const char **whyp)
{
	if (!handshake->query_user.p) {
		*whyp = "say who you are: /ws?user=NAME";
		return AUTH_E_UNAUTHORIZED;
	}
	if (key_from_name(KEY_USER, handshake->query_user, user) != 0) {
		*whyp = "that is no name: UTF-8 without control characters, 1 to 200 bytes when encoded";
		return AUTH_E_UNAUTHORIZED;
	}
	return 0;
}

int auth_decide(const struct core_config *config, const struct handshake *handshake, struct key *user,
                const char **whyp)
{
	switch ((enum auth_mode)config->auth.mode) {
	case AUTH_MODE_NONE:
		return decide_none(handshake, user, whyp);
	}
	*whyp = "this node knows no way to authenticate";
	return AUTH_E_UNAUTHORIZED;
}
