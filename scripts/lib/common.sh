# shellcheck shell=bash
# Words to the person at the terminal, shared by the scripts. `set -euo pipefail` is the caller's.

PROGRAM=${0##*/}
# Asked for by what has to stop itself halfway; a script that has something to clean up sets an EXIT trap.
say() { printf '%s\n' "$*"; }
step() { printf '==> %s\n' "$*"; }
warn() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }
fail() {
	warn "$*"
	exit 1
}
# What was typed is wrong.
usage_error() {
	warn "$*"
	warn "see scripts/$PROGRAM --help"
	exit 2
}

# log_tail FILE: its last lines, indented, for messages about a failure.
log_tail() {
	[[ -s $1 ]] || return 0
	printf -- '--- the end of %s\n' "$(shown_path "$1")" >&2
	tail -n 25 -- "$1" | sed 's/^/    /' >&2
}

# A path as this terminal would type it.
shown_path() {
	case $1 in
	"$PWD"/*) printf '%s' "${1#"$PWD"/}" ;;
	*) printf '%s' "$1" ;;
	esac
}

# wait_until SECONDS COMMAND...: runs it again and again until it succeeds; fails when the time is over.
wait_until() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}
