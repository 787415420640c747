# shellcheck shell=bash
# $RUN_DIR/env: where everything of a running grid is, for shells (`. .run/env`) and tests. Needs RUN_DIR.

# env_write NAME=VALUE...
env_write() {
	# There are passwords in it.
	(umask 077 && env_lines "$@" >"$RUN_DIR/env.new")
	mv "$RUN_DIR/env.new" "$RUN_DIR/env"
}

env_lines() {
	local pair
	printf '# Where the running grid is, to be sourced. Written by scripts/run, gone when it stops.\n'
	for pair; do
		printf "export %s='%s'\n" "${pair%%=*}" "$(env_quoted "${pair#*=}")"
	done
}

env_quoted() {
	printf '%s' "${1//\'/\'\\\'\'}"
}
