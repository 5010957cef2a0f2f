# How the scripts here talk: one line for what they do, dots while it lasts, everything only when it fails.

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

quietly() { # quietly WHAT COMMAND...: run COMMAND; its output goes to .setup/log, and here only if it fails
    local what=$1 ticker status=0
    shift
    mkdir -p .setup
    printf '%s ' "$what" >&2
    (while sleep 3; do printf . >&2; done) 9>&- &
    ticker=$!
    # shellcheck disable=SC2064 # this ticker, now: a background job of a script ignores Ctrl-C
    trap "kill $ticker 2>/dev/null || true" EXIT
    # Not in a pipe: the command keeps this terminal's Ctrl-C.
    "$@" >.setup/log 2>&1 </dev/null || status=$?
    kill "$ticker" 2>/dev/null && wait "$ticker" 2>/dev/null || true
    if [ "$status" = 0 ]; then
        say " done"
    else
        say " failed (all of its output is in .setup/log):"
        tail -n 30 .setup/log >&2
        return "$status"
    fi
}
