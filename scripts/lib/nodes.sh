# shellcheck shell=bash
# Building gridnode and running several of it. Needs common.sh, processes.sh, broker.sh, ROOT, RUN_DIR.

# Sets GRIDNODE. A binary named there by the environment is taken as it is.
nodes_build() {
	local log=$RUN_DIR/log/build.log
	if [[ ${GRIDNODE-} ]]; then
		[[ -x $GRIDNODE ]] || fail "GRIDNODE=$GRIDNODE: no such program"
		return 0
	fi
	step "Building (build/release)"
	nodes_compile >"$log" 2>&1 || {
		log_tail "$log"
		fail "the build failed"
	}
	GRIDNODE=$ROOT/build/release/gridnode
}

nodes_compile() {
	cd "$ROOT" || return 1
	[[ -e build/release/build.ninja ]] || cmake --preset release || return 1
	cmake --build build/release --target gridnode gridbench
}

# node_start ID PORT OPTION...: options as for gridnode.
node_start() {
	local id=$1 port=$2
	shift 2
	process_spawn "$id" "$RUN_DIR/log/$id.log" "$GRIDNODE" --node-id "$id" --port "$port" "$@"
}

# node_ready PORT: by its admin listener.
node_ready() {
	curl -fsS -o /dev/null --max-time 2 "http://127.0.0.1:$(node_admin_port "$1")/readyz" 2>/dev/null
}

node_admin_port() {
	printf '%s' $(($1 + 1000))
}

node_ready_or_gone() {
	! process_pid "$1" >/dev/null || node_ready "$2"
}

# node_wait ID PORT
node_wait() {
	local why
	wait_until 60 node_ready_or_gone "$1" "$2" || true
	node_ready "$2" && return 0
	log_tail "$RUN_DIR/log/$1.log"
	process_pid "$1" >/dev/null || fail "node $1 has ended"
	why=$(curl -sS --max-time 2 "http://127.0.0.1:$(node_admin_port "$2")/readyz" 2>&1)
	fail "node $1 does not become ready: $why"
}
