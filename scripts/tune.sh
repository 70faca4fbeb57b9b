#!/usr/bin/env bash
# Sets this machine up for measuring, and back again. Needs root.
#
#   scripts/tune.sh [--dry-run] [--cpus LIST] [WHAT...]   apply: all, or what is named
#   scripts/tune.sh --undo [--dry-run] [WHAT...]          put back what was found before
#   scripts/tune.sh --status                              what is applied and can be undone
#
# WHAT: governor boost smt irq watchdog balancing thp ksm cstates
#   governor   every CPU runs at its full frequency
#   boost      no boost over the nominal frequency
#   smt        the second thread of each core goes offline
#   irq        interrupts leave the CPUs of --cpus (default: all but the first)
#   watchdog   no NMI watchdog
#   balancing  no moving of pages between nodes
#   thp        huge pages only where a program asks for them
#   ksm        no merging of equal pages
#   cstates    no idle state that takes over 2 us to wake from
#
# What a file held before is kept in $ESC_TUNE_STATE (/run/esc-tune) until it is
# undone, or the machine restarts, which undoes everything here as well.
# ESC_TUNE_ROOT is put before /sys and /proc: the tests run on a copy.
set -euo pipefail

root=${ESC_TUNE_ROOT:-}
state=${ESC_TUNE_STATE:-/run/esc-tune}
cpu=$root/sys/devices/system/cpu
known=(governor boost smt irq watchdog balancing thp ksm cstates)
dry=false
mode=apply
cpus=
what=()

fail() { echo "tune.sh: $*" >&2; exit 2; }

# put WHAT FILE VALUE writes a value, having kept what was there the first time.
put() {
	local old new=false
	[[ -e $2 ]] || return 0
	if ! old=$(chosen "$2"); then
		echo "$1: $2 cannot be read: left alone" >&2
		return 0
	fi
	[[ $old == "$3" ]] && return 0
	if $dry; then
		echo "$1: would write $3 to $2 (now $old)"
		return 0
	fi
	mkdir -p "$state"
	if ! kept "$1" "$2"; then # before the change: an interruption must not lose it
		printf '%s\t%s\n' "$2" "$old" >>"$state/$1"
		new=true
	fi
	if { printf '%s\n' "$3" >"$2"; } 2>/dev/null; then
		echo "$1: $2: $old -> $3"
	else
		echo "$1: $2: the kernel refuses $3: left at $old" >&2
		if $new; then sed -i '$d' "$state/$1"; fi
	fi
}

# kept says whether what a file held before is kept already.
kept() { cut -f1 "$state/$1" 2>/dev/null | grep -qxF "$2"; }

# chosen prints a file's value; of "always [madvise] never" the one in brackets.
chosen() {
	local text
	text=$(tr -d '\0' <"$1" 2>/dev/null) || return 1
	[[ $text =~ \[([^]]*)\] ]] && text=${BASH_REMATCH[1]}
	printf '%s' "$text"
}

apply() {
	local f
	case $1 in
	governor) for f in "$cpu"/cpu[0-9]*/cpufreq/scaling_governor; do put governor "$f" performance; done ;;
	boost)
		put boost "$cpu/cpufreq/boost" 0
		put boost "$cpu/intel_pstate/no_turbo" 1
		;;
	smt) siblings | while read -r n; do put smt "$cpu/cpu$n/online" 0; done ;;
	irq) irqs ;;
	watchdog) put watchdog "$root/proc/sys/kernel/nmi_watchdog" 0 ;;
	balancing) put balancing "$root/proc/sys/kernel/numa_balancing" 0 ;;
	thp) put thp "$root/sys/kernel/mm/transparent_hugepage/enabled" madvise ;;
	ksm) put ksm "$root/sys/kernel/mm/ksm/run" 0 ;;
	cstates)
		for f in "$cpu"/cpu[0-9]*/cpuidle/state*; do
			[[ -e $f/latency ]] || continue
			if (($(<"$f/latency") > 2)); then put cstates "$f/disable" 1; fi
		done
		;;
	esac
}

# siblings prints every CPU that is not the first thread of its core.
siblings() {
	local f n list
	for f in "$cpu"/cpu[0-9]*/topology/thread_siblings_list; do
		[[ -e $f ]] || continue
		n=${f%/topology/*}
		n=${n##*/cpu}
		list=$(expand "$(<"$f")")
		[[ ${list%%$'\n'*} == "$n" ]] || echo "$n"
	done
}

# expand turns 0-2,8 into a line a number, ascending.
expand() {
	local part a b
	for part in ${1//,/ }; do
		a=${part%-*}
		b=${part#*-}
		if ! [[ $a =~ ^[0-9]+$ && $b =~ ^[0-9]+$ ]] || ((a > b)); then
			fail "CPU list '$1': want numbers and ranges, as 2-3,8"
		fi
		seq "$a" "$b"
	done | sort -nu
}

# irqs sends every interrupt that may be moved to the CPUs not in --cpus.
irqs() {
	local online rest f
	online=$(expand "$(<"$cpu/online")")
	[[ -n $cpus ]] || cpus=$(tail -n +2 <<<"$online" | paste -sd, -)
	[[ -n $cpus ]] || fail "irq: one CPU is online: there is nowhere to move interrupts to"
	local unwanted
	unwanted=$(expand "$cpus")
	rest=$(comm -23 <(sort <<<"$online") <(sort <<<"$unwanted") | sort -n | paste -sd, -)
	[[ -n $rest ]] || fail "irq: --cpus $cpus leaves no CPU for interrupts: leave one out"
	if [[ -n $(comm -13 <(sort <<<"$online") <(sort <<<"$unwanted")) ]]; then
		fail "irq: --cpus $cpus names a CPU that is not online (online: $(<"$cpu/online"))"
	fi
	for f in "$root"/proc/irq/[0-9]*/smp_affinity_list; do put irq "$f" "$rest"; done
}

# undo writes back what was found, last written first.
undo() {
	local file old
	[[ -s $state/$1 ]] || return 0
	while IFS=$'\t' read -r file old; do
		if $dry; then
			echo "$1: would write $old back to $file"
		elif { printf '%s\n' "$old" >"$file"; } 2>/dev/null; then
			echo "$1: $file: back to $old"
		else
			echo "$1: $file: the kernel refuses $old" >&2
		fi
	done < <(tac "$state/$1")
	$dry || rm -f "$state/$1"
}

while (($#)); do
	case $1 in
	--dry-run) dry=true ;;
	--undo) mode=undo ;;
	--status) mode=status ;;
	--cpus)
		[[ -n ${2:-} ]] || fail "--cpus wants a list, as 2-3,8"
		cpus=$2
		shift
		;;
	-h | --help)
		sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
		exit 0
		;;
	-*) fail "unknown option $1: see --help" ;;
	*)
		[[ " ${known[*]} " == *" $1 "* ]] || fail "unknown setting '$1': one of ${known[*]}"
		what+=("$1")
		;;
	esac
	shift
done
((${#what[@]})) || what=("${known[@]}")
[[ -n $cpus ]] && expand "$cpus" >/dev/null
[[ -d $cpu ]] || fail "$cpu is not there: this needs Linux with /sys mounted"
if ! $dry && [[ $mode != status && -z $root && $EUID -ne 0 ]]; then
	fail "needs root: run it with sudo, or with --dry-run to see what it would do"
fi

for w in "${what[@]}"; do
	case $mode in
	apply) apply "$w" ;;
	undo) undo "$w" ;;
	status) if [[ -s $state/$w ]]; then sed "s/^/$w: /; s/\t/ was /" "$state/$w"; fi ;;
	esac
done
