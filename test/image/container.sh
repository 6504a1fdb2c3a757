#!/bin/sh
# Runs a command in the file tree of the image as a container runtime does, but for cgroups and seccomp: the tree is read-only,
# the command is process 1, has the user of the image and no capability, and sees nothing of the machine but its network. Called
# within new namespaces of mounts and processes:
#
#   container.sh TREE CONFIG SECRETS DATA USER COMMAND...
#
# The environment of the command is in CONTAINER_ENV, as words NAME=VALUE.
set -e
tree=$1 config=$2 secrets=$3 data=$4 user=$5
shift 5

# $1 is seen at $2 of the tree, with the options $3.
show() { mount --bind "$1" "$tree$2" && mount -o "remount,bind,nosuid,nodev,$3" "$tree$2"; }

mount --make-rprivate /
show "$tree" '' ro
mount -t proc -o nosuid,nodev,noexec proc "$tree/proc"
mount -t tmpfs -o mode=755,size=64k tmpfs "$tree/dev"
for device in null zero full random urandom; do
  touch "$tree/dev/$device"
  mount --bind "/dev/$device" "$tree/dev/$device"
done
mount -o remount,ro "$tree/dev"
mount -t tmpfs -o mode=1777,size=16m,nosuid,nodev tmpfs "$tree/tmp"
show /etc/hosts /etc/hosts ro
show /etc/resolv.conf /etc/resolv.conf ro
show "$config" /etc/tidings ro
show "$secrets" /run/secrets ro
show "$data" /var/lib/tidings rw

chroot=$(command -v chroot)
setpriv=$(command -v setpriv)
# shellcheck disable=SC2086
exec env -i $CONTAINER_ENV "$setpriv" --no-new-privs "$chroot" --userspec="$user" "$tree" "$@"
