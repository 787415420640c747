/* Logging in: everything at once, and all of it has to be answered. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "bus/redis/pipeline_impl.h"
#include "bus/redis/secret.h"
#include "bus/redis/tls.h"

/* Credentials and rights do not mend themselves. */
static int fail_by_answer(struct pipeline *p, const char *doing, const redisReply *reply)
{
	static const char *const codes[] = {"WRONGPASS", "NOAUTH", "NOPERM", "ERR AUTH", "ERR DB index", "ERR invalid DB"};
	int rc = pipeline_fail(p, "%s: %s", doing, reply->str);

	for (size_t i = 0; i < GRID_ARRAY_LEN(codes); i++)
		if (strncmp(reply->str, codes[i], strlen(codes[i])) == 0)
			p->needs_somebody = true;
	return rc;
}

static void ask_login(struct pipeline *p, int which, const struct str *args, size_t n)
{
	p->login[which].kind = which;
	pipeline_ask(p, &p->login[which], args, n);
}

static int ask_auth(struct pipeline *p)
{
	const struct redis_config *config = p->config;
	struct buf password GRID_CLEANUP(secret_deinit) = BUF_INIT;

	int rc = secret_read(config->password, config->password_file, &password);
	if (rc == SECRET_E_UNREADABLE)
		return pipeline_fail(p, "cannot read password_file %s: %s", config->password_file, strerrordesc_np(errno));
	if (rc != 0)
		return pipeline_fail(p, "out of memory");
	const struct str with_user[] = {STR("AUTH"), str_from(config->user), buf_str(&password)};
	const struct str without[] = {STR("AUTH"), buf_str(&password)};
	if (*config->user)
		ask_login(p, PIPELINE_LOGIN_AUTH, with_user, GRID_ARRAY_LEN(with_user));
	else if (password.n)
		ask_login(p, PIPELINE_LOGIN_AUTH, without, GRID_ARRAY_LEN(without));
	return 0;
}

int pipeline_login_start(struct pipeline *p, uint64_t now_ms)
{
	char database[24], name[128];
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(p->context->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error)
		return pipeline_fail(p, "connecting: %s", strerrordesc_np(error));
	pipeline_set_state(p, PIPELINE_LOGIN, now_ms);
	char why[256];
	if (p->tls && tls_start(p->context, p->config, p->host, why, sizeof(why)) != 0)
		return pipeline_fail(p, "TLS: %s", why);
	int rc = ask_auth(p);
	if (rc != 0)
		return rc;
	if (p->config->database) {
		snprintf(database, sizeof(database), "%lld", (long long)p->config->database);
		ask_login(p, PIPELINE_LOGIN_SELECT, (const struct str[]){STR("SELECT"), str_from(database)}, 2);
	}
	snprintf(name, sizeof(name), "gridnode:%s:%s", p->node_id, p->role);
	ask_login(p, PIPELINE_LOGIN_NAME, (const struct str[]){STR("CLIENT"), STR("SETNAME"), str_from(name)}, 3);
	ask_login(p, PIPELINE_LOGIN_PING, &STR("PING"), 1);
	ask_login(p, PIPELINE_LOGIN_GREETING, p->greeting, p->greeting_n);
	return PIPELINE_E_NOTHING;
}

int pipeline_login_on_answer(struct pipeline *p, const struct request *request, const redisReply *reply,
                             uint64_t now_ms)
{
	const char *const doing[PIPELINE_LOGIN_COUNT] = {
	    [PIPELINE_LOGIN_AUTH] = "AUTH",
	    [PIPELINE_LOGIN_SELECT] = "SELECT",
	    [PIPELINE_LOGIN_NAME] = "CLIENT SETNAME",
	    [PIPELINE_LOGIN_PING] = "PING",
	    [PIPELINE_LOGIN_GREETING] = p->greeting[0].p,
	};

	/* The name is for people who look at CLIENT LIST; an ACL may forbid it. */
	if (reply->type == REDIS_REPLY_ERROR && request->kind != PIPELINE_LOGIN_NAME)
		return fail_by_answer(p, doing[request->kind], reply);
	if (request->kind != PIPELINE_LOGIN_GREETING)
		return 0;
	pipeline_set_state(p, PIPELINE_UP, now_ms);
	p->up_since_ms = now_ms;
	p->told[0] = '\0';
	counter_add(&p->counters->connects, 1);
	log_info("bus.connected", "link=%s address=%s", p->role, LOG_QUOTED(str_from(p->config->address)));
	return PIPELINE_E_UP;
}
