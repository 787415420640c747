# shellcheck shell=bash
# An Erlang port mapper of one's own: what it needs to be found again is in a folder, as epmd-port and epmd-pid. Brokers
# that use the same one can see each other. `set -euo pipefail` is the caller's.

in_use() { # PORT
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Below the range of ephemeral ports, so that no outgoing connection takes it in the meantime.
free_port() {
	local port
	for _ in {1..100}; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		if ! in_use "$port"; then
			echo "$port"
			return
		fi
	done
	fail "no free port between 20000 and 32000"
}

# A pid file may be older than the process that has its number now.
running() { # PID-FILE MARK: prints the pid if it runs and MARK is in its command line
	local pid command
	[[ -s $1 ]] || return 1
	pid=$(cat "$1")
	{ command=$(tr '\0' ' ' <"/proc/$pid/cmdline"); } 2>/dev/null || return 1
	[[ $command == *"$2"* ]] || return 1
	echo "$pid"
}

epmd_port() { # FOLDER
	if [[ -e $1/epmd-port ]]; then cat "$1/epmd-port"; fi
}

epmd_pid() { # FOLDER
	running "$1/epmd-pid" "-port $(epmd_port "$1")"
}

epmd_start() { # FOLDER
	if epmd_pid "$1" >/dev/null; then return; fi
	local port
	port=$(free_port)
	echo "$port" >"$1/epmd-port"
	# 9 is the caller's lock.
	setsid epmd -port "$port" -address 127.0.0.1 </dev/null >"$1/epmd.log" 2>&1 9>&- &
	echo $! >"$1/epmd-pid"
}

epmd_stop() { # FOLDER
	local pid
	if pid=$(epmd_pid "$1"); then kill "$pid" 2>/dev/null || true; fi
	rm -f "$1/epmd-pid" "$1/epmd-port"
}
