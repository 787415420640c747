/* Configuration: precedence, what each source may say, and the words when something is wrong. */
#include "daemon/config.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/names.h"

#include "check_main.h"

#define MAX_OVERRIDES 4

static char folder[] = "/tmp/grid-config-XXXXXX";
static struct config config;
static struct buf err, warning;

/* Files have short names in a folder of their own, which is the working folder. */
static void in_folder(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
}

static void file_with(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void leave_folder(const char *name)
{
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}

static const char *text(struct buf *b)
{
	buf_putc(b, '\0');
	ck_assert(!b->failed);
	return b->p;
}

/* `env` and `set` are NULL-terminated lists of name=value, or NULL. */
static int load(const char *file, const char *const *env, const char *const *set)
{
	static char names[MAX_OVERRIDES][100];
	struct config_override overrides[MAX_OVERRIDES];
	size_t n = 0;

	for (; set && set[n]; n++) {
		const char *equals = strchr(set[n], '=');
		ck_assert(n < MAX_OVERRIDES && equals);
		snprintf(names[n], sizeof(names[n]), "%.*s", (int)(equals - set[n]), set[n]);
		overrides[n] = (struct config_override){"--set", names[n], equals + 1};
	}
	buf_reset(&err);
	buf_reset(&warning);
	return config_load(&(struct config_sources){file, (char *const *)env, overrides, n}, &config, &err, &warning);
}

static void loads(const char *file, const char *const *env, const char *const *set)
{
	int r = load(file, env, set);
	ck_assert_msg(r == 0, "%d %s", r, text(&err));
}

static void refuses(const char *file, const char *const *env, const char *const *set, const char *why)
{
	ck_assert_int_eq(load(file, env, set), CONFIG_E_INVALID);
	ck_assert_str_eq(text(&err), why);
}

static void refuses_file(const char *content, const char *why)
{
	file_with("g.conf", content);
	refuses("g.conf", NULL, NULL, why);
}

static void refuses_set(const char *set, const char *why)
{
	refuses(NULL, NULL, (const char *const[]){"bus.driver=local", set, NULL}, why);
}

static void done(void)
{
	config_deinit(&config);
	buf_deinit(&err);
	buf_deinit(&warning);
}

START_TEST(runs_without_a_file)
{
	loads(NULL, NULL, NULL);
	ck_assert_int_eq(config.bus.driver, BUS_DRIVER_RABBITMQ);
	ck_assert_int_eq(config.net.listen.port, 5210);
	ck_assert_int_eq(config.net.admin.port, 6210);
	ck_assert_int_eq(config.log.level, LOG_LEVEL_INFO);
	ck_assert_str_eq(config.bus.rabbitmq.vhost, "grid");
	ck_assert(node_id_valid(str_from(config.node.id)));
	ck_assert_str_eq(config.node.id + strlen(config.node.id) - 5, "-5210");
	done();
}
END_TEST

START_TEST(later_sources_win)
{
	const char *env[] = {"PATH=/bin", "GRIDNODE_BUS_PUBLISH_WINDOW=2", "GRIDNODE_BUS_PREFIX=env", NULL};
	const char *set[] = {"bus.publish_window=3", "bus.publish_window=4", NULL};

	in_folder();
	file_with("g.conf", "bus: { publish_window = 1; prefix = \"file\"; driver = \"local\"; };");
	loads("g.conf", env, set);
	ck_assert_int_eq(config.bus.publish_window, 4);
	ck_assert_str_eq(config.bus.prefix, "env");
	ck_assert_int_eq(config.bus.driver, BUS_DRIVER_LOCAL);
	done();
	leave_folder("g.conf");
}
END_TEST

START_TEST(takes_every_type_from_a_file)
{
	in_folder();
	file_with("g.conf", "node: { id = \"n1\"; };\n"
	                    "listen = { addresses = [\"127.0.0.1\", \"::1\"]; port = 7000; };\n"
	                    "heartbeat: { interval = \"20s\"; idle_timeout = 50000; };\n"
	                    "limits: { frame = \"128K\"; queue = 200000; };\n"
	                    "stray: { max = 1; };\n"
	                    "bus: {\n"
	                    "  driver = \"rabbitmq\";\n"
	                    "  rabbitmq: { addresses = (\"a:1\", \"[::1]:2\"); tls_verify = false; prefetch = 7L; };\n"
	                    "};\n");
	loads("g.conf", NULL, NULL);
	ck_assert_str_eq(config.node.id, "n1");
	ck_assert_uint_eq(config.net.listen.addresses.n, 2);
	ck_assert_str_eq(config.net.listen.addresses.items[1], "::1");
	ck_assert_int_eq(config.net.listen.port, 7000);
	ck_assert_int_eq(config.net.admin.port, 8000);
	ck_assert_int_eq(config.core.heartbeat.interval, 20000);
	ck_assert_int_eq(config.core.heartbeat.idle_timeout, 50000);
	ck_assert_int_eq(config.core.limits.frame, 131072);
	ck_assert_int_eq(config.core.limits.queue, 200000);
	ck_assert_str_eq(config.bus.rabbitmq.addresses.items[1], "[::1]:2");
	ck_assert(!config.bus.rabbitmq.tls_verify);
	ck_assert_int_eq(config.bus.rabbitmq.prefetch, 7);
	done();
	leave_folder("g.conf");
}
END_TEST

START_TEST(says_file_and_line_of_what_is_wrong)
{
	in_folder();
	refuses_file("bus:\n{\n  driver = \"kafka\";\n};\n",
	             "g.conf:3: bus.driver: expected one of local|rabbitmq|redis, got \"kafka\"\n");
	refuses_file("bus:\n{\n  drivre = \"local\";\n};\n",
	             "g.conf:3: bus.drivre: no such option; the nearest is bus.driver\n");
	refuses_file("\nbuss: { driver = \"local\"; };\n",
	             "g.conf:2: buss.driver: no such option; the nearest is bus.driver\n");
	refuses_file("bus: { driver = 5; };",
	             "g.conf:1: bus.driver: expected one of local|rabbitmq|redis in double quotes, got 5\n");
	refuses_file("listen: { port = \"5210\"; };",
	             "g.conf:1: listen.port: expected a number from 1 to 65535, got \"5210\" in quotes\n");
	refuses_file("listen: { port = 99999999999L; };",
	             "g.conf:1: listen.port: expected a number from 1 to 65535, got \"99999999999\"\n");
	refuses_file("listen: { port = 1.5; };", "g.conf:1: listen.port: expected a number from 1 to 65535, got 1.5\n");
	refuses_file("listen: { port = true; };", "g.conf:1: listen.port: expected a number from 1 to 65535, got true\n");
	refuses_file("listen: { port: { x = 1; }; };",
	             "g.conf:1: listen.port: expected a number from 1 to 65535, got a group\n");
	refuses_file("listen: { addresses = [1, 2]; };",
	             "g.conf:1: listen.addresses: expected a list of texts, got a list\n");
	refuses_file("bus = 5;", "g.conf:1: bus: expected a group { ... }, got 5\n");
	refuses_file("bus: { rabbitmq: { tls = 1; }; };", "g.conf:1: bus.rabbitmq.tls: expected true or false, got 1\n");
	refuses_file("bus: { rabbitmq: { password = 12345; }; };",
	             "g.conf:1: bus.rabbitmq.password: expected text in double quotes, got something else\n");
	refuses_file("\nbus: { driver = \"local\" \n", "g.conf:3: syntax error\n");
	refuses_file("log: { level = \"info\"; };\nlog: { level = \"warn\"; };", "g.conf:2: duplicate setting name\n");
	done();
	leave_folder("g.conf");
}
END_TEST

START_TEST(says_all_of_it_at_once)
{
	const char *env[] = {"GRIDNODE_LOG_LEVEL=loud", "GRIDNODE_BUS_DRIVR=local", "GRIDNODE_=1", NULL};
	const char *set[] = {"listen.port=0", "nothing.like=this", NULL};

	in_folder();
	file_with("g.conf", "bus: {\n driver = \"kafka\";\n publish_window = 0; };");
	refuses("g.conf", env, set,
	        "g.conf:2: bus.driver: expected one of local|rabbitmq|redis, got \"kafka\"\n"
	        "g.conf:3: bus.publish_window: expected a number from 1 to 65536, got \"0\"\n"
	        "GRIDNODE_LOG_LEVEL: log.level: expected one of error|warn|info|debug, got \"loud\"\n"
	        "environment: GRIDNODE_BUS_DRIVR: no such option; the nearest is GRIDNODE_BUS_DRIVER\n"
	        "environment: GRIDNODE_: no such option; the nearest is GRIDNODE_NODE_ID\n"
	        "--set: listen.port: expected a number from 1 to 65535, got \"0\"\n"
	        "--set: nothing.like: no such option; the nearest is node.id\n");
	done();
	leave_folder("g.conf");
}
END_TEST

START_TEST(says_why_a_file_cannot_be_read)
{
	refuses("/no/such.conf", NULL, NULL, "/no/such.conf: No such file or directory\n");
	refuses("/tmp", NULL, NULL, "/tmp: Is a directory\n");
	done();
}
END_TEST

START_TEST(wants_a_state_dir_it_can_write_to)
{
	struct buf want = BUF_INIT;

	in_folder();
	file_with("g.conf", "state_dir = \"/no/such\";");
	buf_printf(&want,
	           "g.conf:1: state_dir: expected a folder to write to, got \"/no/such\": No such file or directory; "
	           "as root: install -d -o %u -m 700 \"/no/such\"\n",
	           (unsigned)geteuid());
	buf_putc(&want, '\0');
	refuses("g.conf", NULL, NULL, want.p);
	done();
	buf_reset(&want);
	buf_printf(&want,
	           "--set: state_dir: expected a folder to write to, got \"g.conf\": Not a directory; "
	           "as root: install -d -o %u -m 700 \"g.conf\"\n",
	           (unsigned)geteuid());
	buf_putc(&want, '\0');
	refuses_set("state_dir=g.conf", want.p);
	done();
	buf_deinit(&want);
	leave_folder("g.conf");
}
END_TEST

START_TEST(checks_what_must_fit_together)
{
	refuses_set("heartbeat.interval=90s",
	            "--set: heartbeat.idle_timeout: expected more than heartbeat.interval (90s), got 1m\n");
	refuses_set("heartbeat.idle_timeout=25s",
	            "--set: heartbeat.idle_timeout: expected more than heartbeat.interval (25s), got 25s\n");
	refuses_set("bus.rabbitmq.reconnect_min=20s",
	            "--set: bus.rabbitmq.reconnect_max: expected at least bus.rabbitmq.reconnect_min (20s), got 10s\n");
	refuses_set("node.dead_after=2s", "--set: node.dead_after: expected 0 or at least 3s, got 2s\n");
	refuses_set("limits.queue=32K", "--set: limits.queue: expected at least limits.frame (64K), got 32K\n");
	refuses_set("limits.frame=2M", "--set: limits.queue: expected at least limits.frame (2M), got 1M\n");
	refuses_set("node.id=a.b", "--set: node.id: expected 1 to 64 of the characters A-Z a-z 0-9 _ -, got \"a.b\"\n");
	refuses_set("bus.prefix=", "--set: bus.prefix: expected 1 to 32 of the characters A-Z a-z 0-9 _ -, got \"\"\n");
	refuses_set("bus.prefix=a123456789012345678901234567890123",
	            "--set: bus.prefix: expected 1 to 32 of the characters A-Z a-z 0-9 _ -, got "
	            "\"a123456789012345678901234567890123\"\n");
	refuses_set("admin.port=5210", "--set: admin.port: expected another port than listen.port, got 5210 for both\n");
	refuses_set("listen.port=65000", "--set: admin.port: expected to be set, because listen.port + 1000 is 66000\n");
	refuses_set("listen.addresses=", "--set: listen.addresses: expected at least one address, got none\n");
	refuses_set(
	    "listen.addresses=::1,localhost",
	    "--set: listen.addresses: expected an IPv4 or IPv6 address or unix:/path (at most 107 bytes of path), got "
	    "\"localhost\"\n");
	refuses_set(
	    "listen.trusted_proxies=10.0.0.0/8,example.org",
	    "--set: listen.trusted_proxies: expected addresses, or networks like 10.0.0.0/8, got \"example.org\"\n");
	refuses_set("admin.address=unix:",
	            "--set: admin.address: expected an IPv4 or IPv6 address or unix:/path (at most 107 bytes of path), got "
	            "\"unix:\"\n");
	done();
}
END_TEST

START_TEST(takes_what_does_fit)
{
	loads(NULL, NULL, (const char *const[]){"listen.port=65000", "admin.address=unix:/x", "bus.driver=local", NULL});
	done();
	loads(NULL, NULL,
	      (const char *const[]){"listen.addresses=unix:/x", "admin.port=5210",
	                            "listen.trusted_proxies=", "node.id=a_-9", NULL});
	done();
	loads(NULL, NULL, (const char *const[]){"bus.rabbitmq.reconnect_min=10s", NULL});
	done();
	loads(NULL, NULL, (const char *const[]){"limits.queue=64K", "bus.rabbitmq.prefetch=1024", NULL});
	done();
	loads(NULL, NULL, (const char *const[]){"bus.driver=local", "stray.max=2000", NULL});
	done();
}
END_TEST

START_TEST(checks_the_broker_only_where_there_is_one)
{
	const char *set[] = {"bus.rabbitmq.password_file=/no/such",
	                     "bus.rabbitmq.addresses=localhost,[::1],a:b:5,:5,h:0,ok:1", NULL, NULL};
	refuses(
	    NULL, NULL, set,
	    "--set: bus.rabbitmq.addresses: expected host:port, or [IPv6 address]:port, got \"localhost\"\n"
	    "--set: bus.rabbitmq.addresses: expected host:port, or [IPv6 address]:port, got \"[::1]\"\n"
	    "--set: bus.rabbitmq.addresses: expected host:port, or [IPv6 address]:port, got \"a:b:5\"\n"
	    "--set: bus.rabbitmq.addresses: expected host:port, or [IPv6 address]:port, got \":5\"\n"
	    "--set: bus.rabbitmq.addresses: expected host:port, or [IPv6 address]:port, got \"h:0\"\n"
	    "--set: bus.rabbitmq.password_file: expected a file to read, got \"/no/such\": No such file or directory\n");
	set[2] = "bus.driver=local";
	loads(NULL, NULL, set);
	done();
	refuses(NULL, NULL, (const char *const[]){"stray.max=257", NULL},
	        "--set: stray.max: expected at most a quarter of bus.rabbitmq.prefetch (1024), got 257\n");
	refuses(NULL, NULL, (const char *const[]){"bus.rabbitmq.prefetch=1023", NULL},
	        "--set: stray.max: expected at most a quarter of bus.rabbitmq.prefetch (1023), got 256\n");
}
END_TEST

START_TEST(checks_redis_only_where_it_is)
{
	const char *set[] = {"bus.driver=redis", "bus.redis.password_file=/no/such", "bus.redis.reconnect_min=5s",
	                     "bus.redis.address=redis://me:secret@localhost:6379", NULL};
	static const char *const good[] = {"localhost:1", "[::1]:6379", "redis://redis:6379", "unix:/run/redis.sock"};

	refuses(
	    NULL, NULL, set,
	    "--set: bus.redis.address: expected host:port, [IPv6 address]:port or unix:/path (user, password and database "
	    "have options of their own), got \"redis://me:secret@localhost:6379\"\n"
	    "default: bus.redis.secret: expected to be set, the same on all nodes (openssl rand -hex 32 makes one): "
	    "without it whoever may publish on Redis can speak for any user; bus.redis.trust = true allows that\n"
	    "--set: bus.redis.password_file: expected a file to read, got \"/no/such\": No such file or directory\n"
	    "--set: bus.redis.reconnect_max: expected at least bus.redis.reconnect_min (5s), got 2s\n");
	set[0] = "bus.driver=local";
	loads(NULL, NULL, set);
	done();
	for (size_t i = 0; i < GRID_ARRAY_LEN(good); i++) {
		char address[64];
		snprintf(address, sizeof(address), "bus.redis.address=%s", good[i]);
		loads(NULL, NULL, (const char *const[]){"bus.driver=redis", "bus.redis.trust=true", address, NULL});
		done();
	}
	const char *env[] = {"GRIDNODE_BUS_REDIS_SECRET=fifteen bytes..", NULL};
	refuses(NULL, env, (const char *const[]){"bus.driver=redis", NULL},
	        "GRIDNODE_BUS_REDIS_SECRET: bus.redis.secret: expected at least 16 bytes, got 15\n");
	const char *tls[] = {"bus.driver=redis", "bus.redis.trust=true", "bus.redis.address=rediss://localhost:6379",
	                     "bus.redis.tls_ca=/no/such", NULL};
	ck_assert_int_eq(load(NULL, NULL, tls), CONFIG_E_INVALID);
	ck_assert_ptr_nonnull(strstr(text(&err), redis_tls_lacks ? "no rediss:// in this build: hiredis 0." : "/no/such"));
	buf_deinit(&err);
}
END_TEST

START_TEST(warns_of_secrets_that_others_can_see)
{
	const char *set[] = {"bus.rabbitmq.password=hunter2", NULL};
	const char *env[] = {"GRIDNODE_BUS_RABBITMQ_PASSWORD=hunter2", NULL};

	loads(NULL, env, NULL);
	ck_assert_uint_eq(warning.n, 0);
	ck_assert_str_eq(config.bus.rabbitmq.password, "hunter2");
	done();
	loads(NULL, NULL, set);
	ck_assert_ptr_nonnull(strstr(text(&warning), "--set bus.rabbitmq.password: everybody on this machine can see it"));
	ck_assert_ptr_null(strstr(warning.p, "hunter2"));
	done();
}
END_TEST

START_TEST(prints_what_is_in_force)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	loads(NULL, NULL, (const char *const[]){"node.id=n1", "bus.rabbitmq.password=hunter2", "listen.port=7000", NULL});
	config_print(&config, &out);
	ck_assert_ptr_nonnull(strstr(text(&out), "node.id = n1\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "\nadmin.port = 8000\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "\nbus.rabbitmq.password = ***\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "\nheartbeat.interval = 25s\n"));
	ck_assert_ptr_null(strstr(out.p, "hunter2"));
	done();
}
END_TEST

/* Two options of one name, or two that differ only in `.` and `_`, could not be told apart. */
START_TEST(names_are_unique_in_the_environment_too)
{
	char *seen[128];
	size_t n = 0;

	for (size_t i = 0; i < config_options.n; i++) {
		for (const struct option *row = config_options.groups[i].rows; row->name; row++) {
			struct buf name = BUF_INIT, env = BUF_INIT;
			options_full_name(&config_options.groups[i], row, &name);
			options_env_name(text(&name), &env);
			ck_assert_uint_lt(n, GRID_ARRAY_LEN(seen));
			seen[n++] = strdup(text(&env));
			for (size_t j = 0; j + 1 < n; j++)
				ck_assert_str_ne(seen[j], env.p);
			buf_deinit(&name);
			buf_deinit(&env);
		}
	}
	ck_assert_uint_gt(n, 30);
	while (n)
		free(seen[--n]);
}
END_TEST

CHECK_MAIN("daemon.config", runs_without_a_file, later_sources_win, takes_every_type_from_a_file,
           says_file_and_line_of_what_is_wrong, says_all_of_it_at_once, says_why_a_file_cannot_be_read,
           wants_a_state_dir_it_can_write_to, checks_what_must_fit_together, takes_what_does_fit,
           checks_the_broker_only_where_there_is_one, checks_redis_only_where_it_is,
           warns_of_secrets_that_others_can_see, prints_what_is_in_force, names_are_unique_in_the_environment_too)
