#!/bin/bash
# Becomes systemd as the first process of namespaces of its own: a machine in a folder, with this
# machine's /usr, nothing else of it, and no network but its own loopback.
#
#     unshare --mount --pid --fork --ipc --uts --net --cgroup boot.sh FOLDER PROGRAM
set -euo pipefail
root=$1 program=$2

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p dev etc/systemd/system home opt proc root run sys tmp usr var/lib
mount --bind /usr usr
mount -o remount,bind,ro usr
for link in bin sbin lib lib64; do
    if [ -L "/$link" ]; then cp -a "/$link" .; fi
done
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
touch opt/axp-exporter
mount --bind "$program" opt/axp-exporter
cp /etc/passwd /etc/group etc/
printf '%s\n' 0123456789abcdef0123456789abcdef >etc/machine-id
# Of what units usually wait for, nothing is needed here.
printf '[Unit]\nDefaultDependencies=no\n' | tee etc/systemd/system/{sysinit,trial}.target >/dev/null

mkdir old
pivot_root . old
cd /
umount -l old
rmdir old
# As a machine has it; credentials come to services that way.
mount --make-rshared /
exec env -i container=trial PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=trial.target --log-target=console --show-status=no
