#include "net/admin.h"

static void healthz(struct server *server, struct buf *body, struct reply *reply)
{
	(void)server;
	(void)reply;
	buf_puts(body, "ok\n");
}

static void readyz(struct server *server, struct buf *body, struct reply *reply)
{
	const char *why = "", *route = hub_route(server->hub);
	if (hub_ready(server->hub, &why)) {
		buf_printf(body, "ready%s%s\n", route ? ": " : "", route ? route : "");
		return;
	}
	reply->status = 503;
	buf_printf(body, "not ready: %s\n", why);
}

static void metrics(struct server *server, struct buf *body, struct reply *reply)
{
	reply->type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_render(server->env.metrics, body);
}

struct route {
	const char *path;
	void (*serve)(struct server *server, struct buf *body, struct reply *reply);
	const char *what;
};

static const struct route routes[] = {
    {"/healthz", healthz, "is the process alive"},
    {"/readyz", readyz, "does it take clients, and if not, why"},
    {"/metrics", metrics, "counters, for Prometheus"},
};

static const struct route *find(struct str path)
{
	for (size_t i = 0; i < GRID_ARRAY_LEN(routes); i++)
		if (str_eq(path, str_from(routes[i].path)))
			return &routes[i];
	return NULL;
}

static void not_found(struct buf *body, struct reply *reply)
{
	reply->status = 404;
	buf_puts(body, "not here; there is\n");
	for (size_t i = 0; i < GRID_ARRAY_LEN(routes); i++)
		buf_printf(body, "  %-10s %s\n", routes[i].path, routes[i].what);
}

void admin_serve(struct server *server, const struct http_head *head, struct buf *body, struct reply *reply)
{
	const struct route *route = find(head->path);

	*reply = (struct reply){.status = 200};
	if (!route) {
		not_found(body, reply);
	} else if (!str_eq(head->method, STR("GET")) && !str_eq(head->method, STR("HEAD"))) {
		reply->status = 405;
		reply->fields = "Allow: GET, HEAD\r\n";
		buf_puts(body, "only GET and HEAD here\n");
	} else {
		route->serve(server, body, reply);
	}
	if (body->failed)
		*reply = (struct reply){.status = 500, .body = STR("out of memory\n")};
	else
		reply->body = buf_str(body);
}
