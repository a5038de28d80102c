package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	bulkVM    = "bulk"
	bulkBytes = 256 << 20
	bulkFiles = 10_000
	smallFile = 1 << 10 // bytes of each
	// bulkLimit is how much dearer than a bare port the channel may be.
	bulkLimit = 1.5
	// bulkPairs bounds the pairs: each takes long where the CPU is emulated.
	bulkPairs = 3
)

// channel compares copies and the bytes of commands with tar, or a plain read and
// write, at both ends of a bare virtio port of the same guest.
func (b *bench) channel(ctx context.Context) (err error) {
	if _, err := b.banger(ctx, "daemon", "stop"); err != nil {
		return err
	}
	port, err := b.startWithPort(ctx)
	if err != nil {
		return err
	}
	defer func() {
		_, rmErr := b.banger(ctx, "vm", "delete", "--force", bulkVM)
		b.qemu = ""
		_, stopErr := b.banger(ctx, "daemon", "stop")
		err = errors.Join(err, port.conn.Close(), rmErr, stopErr)
	}()
	if err := b.bulkTrees(ctx); err != nil {
		return err
	}
	for _, tree := range []struct{ what, name string }{{"256 MiB", "big"}, {"10,000 files", "many"}} {
		if err := b.copies(ctx, port, tree.what, tree.name); err != nil {
			return err
		}
	}
	return b.commands(ctx, port)
}

// bulkTrees makes what is copied, each in a directory.
func (b *bench) bulkTrees(ctx context.Context) error {
	for _, dir := range []string{"big", "many"} {
		if err := os.Mkdir(filepath.Join(b.dir, dir), 0o755); err != nil {
			return err
		}
	}
	_, err := b.timed(ctx, "sh", "-c", `head -c "$2" /dev/urandom > "$1"`, "sh", filepath.Join(b.dir, "big/data"), strconv.Itoa(bulkBytes))
	data := make([]byte, smallFile)
	for i := 0; i < bulkFiles && err == nil; i++ {
		err = os.WriteFile(filepath.Join(b.dir, "many", strconv.Itoa(i)), data, 0o644)
	}
	return err
}

// copies compares both directions of one tree. In the guest it is in memory, and a
// dd ends what tar reads: busybox's reads past an archive's end.
func (b *bench) copies(ctx context.Context, port *barePort, what, name string) error {
	here, there, archive := filepath.Join(b.dir, name), "/dev/shm/"+name, filepath.Join(b.dir, name+".tar")
	if _, err := b.timed(ctx, "tar", "c", "-b", "128", "-C", b.dir, "-f", archive, name); err != nil {
		return err
	}
	info, err := os.Stat(archive)
	if err != nil {
		return err
	}
	size := info.Size()
	in := func() (time.Duration, error) {
		if _, err := b.banger(ctx, "vm", "exec", bulkVM, "--", "rm", "-rf", there); err != nil {
			return 0, err
		}
		return b.timedBanger(ctx, "vm", "cp", here, bulkVM+":/dev/shm/")
	}
	bareIn := func() (time.Duration, error) {
		if _, err := b.banger(ctx, "vm", "exec", bulkVM, "--", "rm", "-rf", there); err != nil {
			return 0, err
		}
		return port.in(ctx, fmt.Sprintf("dd bs=64k iflag=fullblock count=%d 2>/dev/null <&5 | tar x -C /dev/shm -f -", size>>16), "cat", archive)
	}
	pairs, err := interleaved(min(b.pairs, bulkPairs), in, bareIn)
	if err != nil {
		return err
	}
	if err := b.report("vm cp in, "+what, "dd and tar over a bare port", bulkLimit, pairs); err != nil {
		return err
	}
	return b.copyBack(ctx, port, what, name)
}

// copyBack compares the way out of the guest with the tree that is there.
func (b *bench) copyBack(ctx context.Context, port *barePort, what, name string) error {
	back := filepath.Join(b.dir, "back")
	out := func() (time.Duration, error) {
		if err := errors.Join(os.RemoveAll(back), os.Mkdir(back, 0o755)); err != nil {
			return 0, err
		}
		return b.timedBanger(ctx, "vm", "cp", bulkVM+":/dev/shm/"+name, back)
	}
	bareOut := func() (time.Duration, error) {
		if err := errors.Join(os.RemoveAll(back), os.Mkdir(back, 0o755)); err != nil {
			return 0, err
		}
		return port.out(ctx, "tar c -C /dev/shm -f - "+name+" >&5", untar(back))
	}
	pairs, err := interleaved(min(b.pairs, bulkPairs), out, bareOut)
	if err != nil {
		return err
	}
	return b.report("vm cp out, "+what, "tar over a bare port", bulkLimit, pairs)
}

// commands compares a command's stdin and stdout.
func (b *bench) commands(ctx context.Context, port *barePort) error {
	file := filepath.Join(b.dir, "big/data")
	take := fmt.Sprintf("dd of=/dev/null bs=64k iflag=fullblock count=%d 2>/dev/null", bulkBytes>>16)
	in := func() (time.Duration, error) {
		return b.timed(ctx, "sh", "-c", `banger vm exec -i "$1" -- sh -c "$2" < "$3"`, "sh", bulkVM, take, file)
	}
	pairs, err := interleaved(min(b.pairs, bulkPairs), in, func() (time.Duration, error) { return port.in(ctx, take+" <&5", "cat", file) })
	if err != nil {
		return err
	}
	if err := b.report("vm exec in, 256 MiB", "a bare port", bulkLimit, pairs); err != nil {
		return err
	}
	give := fmt.Sprintf("dd if=/dev/zero bs=64k count=%d 2>/dev/null", bulkBytes>>16)
	out := func() (time.Duration, error) {
		return b.timed(ctx, "sh", "-c", `banger vm exec "$1" -- sh -c "$2" > /dev/null`, "sh", bulkVM, give)
	}
	pairs, err = interleaved(min(b.pairs, bulkPairs), out, func() (time.Duration, error) { return port.out(ctx, give+" >&5", discard(bulkBytes)) })
	if err != nil {
		return err
	}
	return b.report("vm exec out, 256 MiB", "a bare port", bulkLimit, pairs)
}
