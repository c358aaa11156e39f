#!/bin/sh
# Process 1 of a test machine, unpacked with the project (image.py, LOADER). The serial port ttyS1 gets how the tests
# ended, as a number. Nothing that is written here outlives the machine.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /run
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mount -t securityfs securityfs /sys/kernel/security
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
ln -sfn /proc/self/fd /dev/fd
for module in overlay bridge veth nf_tables bfq loop quota_v2 xfs nfs nfsd sctp; do modprobe "$module"; done
ip link set lo up
hostname machine
echo 127.0.0.1 localhost machine > /etc/hosts
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
ulimit -n 65536

# As on a host with systemd: whoever runs the tests lives in a group of its own, and the root is not empty.
mkdir /sys/fs/cgroup/session
echo $$ > /sys/fs/cgroup/session/cgroup.procs

cd /project || exit
setsid -w sh -c 'exec sh /project/.machine-command' < /dev/null > /dev/ttyS0 2>&1
echo $? > /dev/ttyS1
sync
busybox poweroff -f
