#!/bin/sh
# The first process of a virtual machine: loads the drivers, mounts the disks, starts the instance, and ends the machine
# with it. It runs in busybox, from memory. /order.sh, made for each machine, has what differs (`guest_boot.py`).
say() { echo "@workbench $*" >/dev/console; }

mount -t proc proc /proc
mount -t devtmpfs dev /dev
say init
. /order.sh
for module in $MODULES; do insmod "/modules/$module" || say "failed module $module"; done

tries=0
while [ ! -b "$LAST_DISK" ] || ! ls /dev/vport*p2 >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 500 ] || { say "failed the disks or the channel did not appear"; poweroff -f; }
    usleep 10000
done
mount -t ext4 -o ro,noatime /dev/vda /system || say "failed the root file system"
mount_disks
mount -t proc -o hidepid=2 proc /system/proc
mount -t tmpfs -o "nosuid,nodev,mode=1777,size=${TMP_MB}m" tmp /system/tmp
mount -t tmpfs -o nosuid,mode=755 run /system/run
mount -t tmpfs -o nosuid,mode=755 dev /system/dev
mkdir -m 1777 /system/dev/shm
for node in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9"; do
    set -- $node
    mknod -m 666 "/system/dev/$1" c "$2" "$3"
done
ln -s /proc/self/fd /system/dev/fd
cp /bin/busybox /system/run/busybox
hostname "$HOST"
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up

control=$(echo /dev/vport*p1)
output=$(echo /dev/vport*p2)
exec 8<>"$control"
# Outside, the other end of the channel closes when the owner is gone: so is then this machine.
(wait_for_the_owner <&8; poweroff -f) >/dev/console 2>&1 &

# As in a container: memory is promised freely, and who touches more than there is gets ended, not refused.
echo 1 >/proc/sys/vm/overcommit_memory
ulimit -u "$PIDS"
ulimit -c 0
start_instance <>"$output" >&0 2>&1
say "exit $?"
poweroff -f
