#!/usr/bin/env bash
# A Slurm cluster of one node on this machine, for tests: cluster.sh up FOLDER | cluster.sh down FOLDER.
# Everything it writes lies in FOLDER (a short path: a socket's is at most 107 characters). It has its own munge
# key, socket and ports, so that a Slurm already here is left alone. Clients find it by SLURM_CONF=FOLDER/slurm.conf, with
# FOLDER/bin first on their PATH.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

free_ports() {
    python3 -c '
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in sockets: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))' "$1"
}

stop() {  # stop one daemon by the process id in its file, and wait until it is gone
    local file="$1" id
    [ -s "$file" ] || return 0
    id="$(cat "$file")"
    kill "$id" 2>/dev/null || return 0
    for _ in $(seq 50); do kill -0 "$id" 2>/dev/null || return 0; sleep 0.1; done
    kill -9 "$id" 2>/dev/null || true
}

down() {
    stop "$1/slurmd.pid"
    stop "$1/slurmctld.pid"
    stop "$1/munge/munged.pid"
}

up() {
    local folder="$1" user cpus controller node
    user="$(id -un)"
    # At least two, so that jobs do run at once; Slurm counts what slurm.conf says (SlurmdParameters below).
    cpus="$(nproc)"; [ "$cpus" -ge 2 ] || cpus=2
    read -r controller node <<<"$(free_ports 2)"
    mkdir -p "$folder"/{munge,state,spool}
    chmod 700 "$folder/munge"
    ( umask 077; head -c 128 /dev/urandom >"$folder/munge/key" )
    # --force: munged dislikes keys and sockets below a folder that others may write, such as /tmp.
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/munged.pid" \
        --log-file="$folder/munge/munged.log" --seed-file="$folder/munge/seed"
    cat >"$folder/slurm.conf" <<CONF
ClusterName=algoreg
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
# A job that is queued again waits until the credentials of its first start have expired: two minutes if not told otherwise.
AuthInfo=socket=$folder/munge/socket,cred_expire=30
SlurmctldPort=$controller
SlurmdPort=$node
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
# Containers have no control groups to hand out.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0,default_queue_depth=100
ReturnToService=2
SlurmdParameters=config_overrides
# squeue is asked for finished jobs, as there is no accounting.
MinJobAge=600
# A node that stops answering is down after this many seconds.
SlurmdTimeout=60
GresTypes=gpu
NodeName=node1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=8000 Gres=gpu:1 State=UNKNOWN
# A day, as ordinary partitions have it: what asks for more is refused, where it would wait for ever.
EnforcePartLimits=ALL
PartitionName=main Nodes=node1 Default=YES MaxTime=1-00:00:00 State=UP
CONF
    # A GPU that Slurm counts and nobody can use.
    echo "NodeName=node1 Name=gpu File=/dev/null" >"$folder/gres.conf"
    echo "CgroupPlugin=disabled" >"$folder/cgroup.conf"
    export SLURM_CONF="$folder/slurm.conf"
    # Snakemake's job steps forget SLURM_CONF: their srun must find it by itself.
    mkdir -p "$folder/bin"
    printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$SLURM_CONF" "$(command -v srun)" >"$folder/bin/srun"
    chmod +x "$folder/bin/srun"
    slurmctld
    slurmd -N node1
    for _ in $(seq 100); do
        if sinfo --noheader --format=%T 2>/dev/null | grep -qx idle; then return 0; fi
        sleep 0.2
    done
    echo "the node did not come up:" >&2
    sinfo >&2 || true
    tail -n 20 "$folder"/slurmctld.log "$folder"/slurmd.log >&2 || true
    down "$folder"
    return 1
}

case "${1:-}" in
    up|down) [ $# = 2 ] || { echo "usage: $0 up|down FOLDER" >&2; exit 2; }; "$1" "$(realpath -m "$2")" ;;
    *) echo "usage: $0 up|down FOLDER" >&2; exit 2 ;;
esac
