# shellcheck shell=bash
# Which TCP ports are free here. Needs common.sh.

# port_taken PORT: does anything listen on it? Straight from the kernel, so that it needs no tool.
port_taken() {
	local hex
	printf -v hex '%04X' "$1"
	# The 2nd column is address:port, the 4th the state; 0A is LISTEN.
	awk -v port="$hex" '$4 == "0A" && $2 ~ ":" port "$" { found = 1 } END { exit !found }' \
		/proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# port_owner PORT: ` by nginx (pid 123)`, or nothing when nobody may know.
port_owner() {
	command -v ss >/dev/null || return 0
	ss -Hltnp "sport = :$1" 2>/dev/null |
		sed -nE 's/.*users:\(\("([^"]*)",pid=([0-9]+).*/ by \1 (pid \2)/p' | head -n 1
}

# ports_check HINT PORT=WHAT...: stops with one clear message when any of them is taken.
ports_check() {
	local hint=$1 pair port bad=0
	shift
	for pair; do
		port=${pair%%=*}
		port_taken "$port" || continue
		warn "port $port, wanted for ${pair#*=}, is taken$(port_owner "$port")"
		bad=1
	done
	((bad == 0)) || fail "nothing was started. $hint"
}
