# shellcheck shell=bash
# The processes of a running grid, remembered in $RUN_DIR/pids as `name pid start-time`. A pid alone may have become
# somebody else's; with the start time it cannot. Needs common.sh and RUN_DIR.

# When a process was started, in clock ticks since boot; fails when it is gone or a zombie.
process_start_time() {
	local stat fields
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	# The second field is `(name)` and may hold anything; the third is the state, the 22nd the start time.
	read -ra fields <<<"${stat##*) }"
	[[ ${fields[0]} != Z ]] || return 1
	printf '%s' "${fields[19]}"
}

# process_is PID START
process_is() {
	[[ $(process_start_time "$1") == "$2" ]]
}

process_gone() {
	! process_is "$1" "$2"
}

# process_record NAME PID
process_record() {
	local start
	start=$(process_start_time "$2") || return 1
	printf '%s %s %s\n' "$1" "$2" "$start" >>"$RUN_DIR/pids"
}

process_forget() {
	[[ -e $RUN_DIR/pids ]] || return 0
	sed -i "/^$1 /d" "$RUN_DIR/pids"
}

# process_pid NAME: the pid of a live one.
process_pid() {
	local name pid start
	[[ -e $RUN_DIR/pids ]] || return 1
	while read -r name pid start; do
		[[ $name == "$1" ]] || continue
		process_is "$pid" "$start" || return 1
		printf '%s' "$pid"
		return 0
	done <"$RUN_DIR/pids"
	return 1
}

# The recorded names that are alive, and those that are not.
processes_alive() {
	local name pid start
	[[ -e $RUN_DIR/pids ]] || return 0
	while read -r name pid start; do
		process_is "$pid" "$start" && printf '%s\n' "$name"
	done <"$RUN_DIR/pids"
	return 0
}
processes_dead() {
	local name pid start
	[[ -e $RUN_DIR/pids ]] || return 0
	while read -r name pid start; do
		process_is "$pid" "$start" || printf '%s\n' "$name"
	done <"$RUN_DIR/pids"
	return 0
}

# process_spawn NAME LOG COMMAND...: in the background, in a session of its own (so that Ctrl-C reaches this script and
# not, all at once, everything it started). Sets SPAWNED to its pid.
process_spawn() {
	local name=$1 log=$2
	shift 2
	setsid "$@" </dev/null >>"$log" 2>&1 {LOCK_FD}>&- &
	SPAWNED=$!
	process_record "$name" "$SPAWNED" || true # gone already: whoever waits for it will say so
}

# processes_stop SIGNAL SECONDS NAME...: signals all of them, waits for all, and kills what is left then.
processes_stop() {
	local signal=$1 patience=$2 name pid deadline
	shift 2
	for name; do
		pid=$(process_pid "$name") && kill "-$signal" "$pid" 2>/dev/null
	done
	deadline=$((SECONDS + patience))
	for name; do
		while pid=$(process_pid "$name"); do
			if ((SECONDS >= deadline)); then
				warn "$name (pid $pid) does not stop; killing it"
				kill -KILL "$pid" 2>/dev/null
				deadline=$((SECONDS + 5))
			fi
			sleep 0.05
		done
		process_forget "$name"
	done
}
