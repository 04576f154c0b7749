# shellcheck shell=bash
# What the scripts share. Source it: it sets strict mode, goes to the top of
# the repository and does nothing else.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Debian keeps nginx out of an ordinary user's PATH.
PATH="$PATH:/usr/sbin:/sbin"

# Everything a local run makes lies here; git ignores it.
STATE=.state

# ---- talking ----

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

now_ms() { printf '%s' "$((${EPOCHREALTIME/[.,]/} / 1000))"; }

STEP='' STEP_START=0
# shellcheck disable=SC2034 # for the scripts that source this
SCRIPT_START=$(now_ms)

seconds_since() {
    local ms=$(($(now_ms) - $1))
    printf '%d.%01d s' $((ms / 1000)) $((ms % 1000 / 100))
}

# Ends the step before, and names the next one.
step() {
    step_done
    STEP=$1 STEP_START=$(now_ms)
    printf '==> %s\n' "$STEP"
}
step_done() {
    [[ -z $STEP ]] || printf '    done in %s\n' "$(seconds_since "$STEP_START")"
    STEP=''
}

# ---- installing ----

# as_root COMMAND…: as root, by sudo where that asks nothing, or not at all.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo "$@"
    else
        return 1
    fi
}

# install_packages PACKAGE…: Debian packages, without starting their services.
install_packages() {
    local hint="apt-get install --no-install-recommends $*"
    command -v apt-get >/dev/null ||
        die "missing: $*. This is no Debian-like system; install them by its own means."
    ((EUID == 0)) || as_root true || die "missing: $*. Install them as root: sudo $hint"
    say "    installing: $*"
    local policy=/usr/sbin/policy-rc.d made_policy=''
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        made_policy=yes
    fi
    local log ok=yes
    log=$(mktemp)
    as_root apt-get update -qq >"$log" 2>&1 || true
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >>"$log" 2>&1 || ok=''
    [[ -z $made_policy ]] || as_root rm -f "$policy"
    if [[ -z $ok ]]; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        die "cannot install: $*. Is there a network? The command was: $hint"
    fi
    rm -f "$log"
}

# need COMMAND:PACKAGE…: installs the packages whose commands are missing.
need() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
}

need_rust() {
    [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]] && PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    command -v cargo >/dev/null || die "cargo is not installed: see https://rustup.rs"
    need cc:build-essential
}

# need_cargo_tool NAME VERSION: a program that extends cargo, built once.
need_cargo_tool() {
    local tools=$PWD/target/tools
    PATH="$PATH:$tools/bin"
    command -v "$1" >/dev/null && return
    say "    $1 is not installed: building it once, about two minutes"
    cargo install --quiet --locked --root "$tools" "$1@$2" ||
        die "cannot install $1; with a network: cargo install --locked $1"
}

# ---- nginx ----

# render_nginx FILE NAME=VALUE…: the template with these values put in.
render_nginx() {
    local target=$1 pair value rules=()
    shift
    for pair in "$@"; do
        # In the replacement, sed knows \ & and the separator.
        value=$(printf '%s' "${pair#*=}" | sed 's/[\\&|]/\\&/g')
        rules+=(-e "s|\${${pair%%=*}}|$value|g")
    done
    sed "${rules[@]}" docker/nginx/scopegate.conf.template >"$target"
    # shellcheck disable=SC2016 # the text, not its value
    if grep -n '\${[A-Z_]*}' "$target"; then
        die "these names of the nginx template have no value"
    fi
}

# ---- processes ----
# A pid file holds the process id, when the process started, and its program;
# all three must still be true before the process is signalled.

pid_file() { printf '%s/run/%s.pid' "$STATE" "$1"; }
log_file() { printf '%s/logs/%s.log' "$STATE" "$1"; }

# Ticks since boot at which a process started; empty when there is none.
started_at() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    # The name, in parentheses, may hold anything; count behind it.
    stat=${stat##*) }
    [[ $stat != Z* ]] || return 0
    awk '{print $20}' <<<"$stat"
}

program_of() {
    local program
    program=$(readlink "/proc/$1/exe" 2>/dev/null) || return 0
    basename "${program% (deleted)}"
}

# running NAME: prints the process id of a service that `start` started.
running() {
    local pid start program
    read -r pid start program 2>/dev/null <"$(pid_file "$1")" || return 1
    [[ -n $start && $(started_at "$pid") == "$start" ]] || return 1
    [[ $(program_of "$pid") == "$program" ]] || return 1
    printf '%s' "$pid"
}

# start NAME COMMAND…: in the background, with a log of its own.
start() {
    local name=$1 pid deadline program
    shift
    mkdir -p "$STATE/run" "$STATE/logs"
    setsid "$@" >"$(log_file "$name")" 2>&1 </dev/null 9>&- &
    pid=$!
    # Until it is itself, it is still this shell, setsid or env.
    deadline=$(($(now_ms) + 5000))
    program=$(program_of "$pid")
    while [[ $program =~ ^(bash|setsid|env)$ ]] && (($(now_ms) < deadline)); do
        sleep 0.01
        program=$(program_of "$pid")
    done
    printf '%s %s %s\n' "$pid" "$(started_at "$pid")" "$program" >"$(pid_file "$name")"
}

# stop NAME SIGNAL SECONDS: asks, waits, and then insists.
stop() {
    local name=$1 signal=$2 deadline=$(($(now_ms) + $3 * 1000)) pid
    if pid=$(running "$name"); then
        kill -s "$signal" "$pid" 2>/dev/null || true
        while running "$name" >/dev/null; do
            if (($(now_ms) > deadline)); then
                warn "$name (process $pid) does not stop within $3 s: killed"
                kill -s KILL "$pid" 2>/dev/null || true
                deadline=$((deadline + 5000))
            fi
            sleep 0.05
        done
        say "    stopped $name (process $pid)"
    fi
    rm -f "$(pid_file "$name")"
}

stop_all() {
    stop nginx TERM 10
    stop scopegate TERM 35
    stop tool-calculator TERM 10
    stop tool-git TERM 15
    stop tool-documents TERM 40
    stop dev-issuer TERM 10
}

# Shows why a service is not well, and ends.
fail_with_log() {
    printf '\nerror: %s\n--- last lines of %s ---\n' "$2" "$(log_file "$1")" >&2
    tail -n 20 "$(log_file "$1")" >&2 || true
    exit 1
}

# wait_healthy NAME URL SECONDS: until the URL answers with 2xx.
wait_healthy() {
    local name=$1 url=$2 deadline=$(($(now_ms) + $3 * 1000))
    until curl --noproxy '*' -fs -m 2 -o /dev/null "$url"; do
        running "$name" >/dev/null || fail_with_log "$name" "$name has ended"
        (($(now_ms) < deadline)) || fail_with_log "$name" "$name is not healthy after $3 s: $url"
        sleep 0.05
    done
    # Somebody else may have answered.
    running "$name" >/dev/null || fail_with_log "$name" "$name has ended"
}

# ---- ports ----

# Says who listens on a port of this machine, if anybody does.
port_owner() {
    local hex inode fd pid
    hex=$(printf '%04X' "$1")
    inode=$(awk -v port=":$hex" '$4 == "0A" && $2 ~ port"$" {print $10; exit}' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null)
    [[ -n $inode ]] || return 1
    for fd in /proc/[0-9]*/fd/*; do
        if [[ $(readlink "$fd" 2>/dev/null) == "socket:[$inode]" ]]; then
            pid=${fd#/proc/} pid=${pid%%/*}
            printf 'process %s (%s)' "$pid" "$(program_of "$pid")"
            return 0
        fi
    done
    printf 'a process of another user'
}

# need_port VARIABLE WHAT: its port must be a number, and free.
need_port() {
    local port=${!1} owner
    if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
        die "$1=$port is not a port"
    fi
    if owner=$(port_owner "$port"); then
        die "port $port, for $2, is taken by $owner. Stop that, or choose another: $1=… $0"
    fi
}
