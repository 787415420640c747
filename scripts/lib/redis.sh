# shellcheck shell=bash
# The Redis of a running grid: a private one under $RUN_DIR/redis. Needs common.sh, processes.sh, RUN_DIR.

# redis_start PORT: sets SPAWNED.
redis_start() {
	step "Starting Redis (port $1)"
	(umask 077 && redis_write_files "$1")
	process_spawn redis "$RUN_DIR/log/redis.log" redis-server "$RUN_DIR/redis/redis.conf"
	wait_until 20 redis_ready_or_gone || true
	redis_ready || {
		log_tail "$RUN_DIR/log/redis.log"
		fail "Redis did not start"
	}
}

# Password and secret are made up once. The append-only file keeps the stream of absent users' messages; snapshots would
# add nothing. A message larger than any node takes is refused to its publisher, before it gets near a node.
redis_write_files() {
	mkdir -p "$RUN_DIR/redis"
	redis_make_secret "$RUN_DIR/redis/password"
	redis_make_secret "$RUN_DIR/redis/secret"
	cat >"$RUN_DIR/redis/redis.conf" <<-END
		bind 127.0.0.1
		port $1
		dir $RUN_DIR/redis
		requirepass $(redis_password)
		appendonly yes
		save ""
		proto-max-bulk-len 16mb
		client-output-buffer-limit pubsub 256mb 64mb 60
	END
}

redis_make_secret() {
	[[ -s $1 ]] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$1"
}

redis_password() {
	printf '%s' "$(<"$RUN_DIR/redis/password")"
}

# redis_ask COMMAND...: by a file only this user can read, not by arguments everybody can see.
redis_ask() {
	REDISCLI_AUTH=$(redis_password) redis-cli -h 127.0.0.1 -p "$(sed -n 's/^port //p' "$RUN_DIR/redis/redis.conf")" "$@" 2>/dev/null
}

redis_ready() {
	[[ $(redis_ask ping) == PONG ]]
}

redis_ready_or_gone() {
	! process_pid redis >/dev/null || redis_ready
}

# redis_uri PORT
redis_uri() {
	printf 'redis://default:%s@127.0.0.1:%s/0' "$(redis_password)" "$1"
}
