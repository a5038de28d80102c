// Command bench measures banger beside a yardstick in the same run, and prints
// medians and their ratio. The limits are what banger aims at; nothing fails by
// them, since a shared machine's noise would decide.
//
// It uses the binaries in bin/, its own home, and the end-to-end tests'
// fixtures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bangervm/banger/e2e/fixture"
)

// bench is one run: its own home with a kernel and an image in it.
type bench struct {
	out   io.Writer
	dir   string // short, removed at the end
	repo  string
	pairs int
	cache *fixture.Cache
	qemu  string // another QEMU than the one on PATH, or empty
	// driver is that of the VMs, and of the yardstick of boots; empty: what banger chooses.
	driver string
	// kit is a directory with bin/ and kitInitramfs, for a host without Go: see e2e/kvm.
	kit string
	// timelines are those of the boots that were measured.
	timelines []timeline
	templates bool // VMs start from templates where there are some
	made      int  // VMs of manyVMs
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) (err error) {
	b := &bench{out: out}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.pairs, "pairs", 7, "pairs of boots")
	only := flags.String("only", "boot,template,exec,attach,screen,list,pages,memory,network,pixel,usage", "what to measure; channel and workspace, which take many minutes, are measured when they are named")
	flags.StringVar(&b.driver, "driver", "", "driver of the VMs (default: as banger chooses)")
	flags.StringVar(&b.kit, "kit", "", "take what is built from this kit of the KVM tier (default: build it)")
	fixtureName := flags.String("fixture", "", "only print the path of this fixture, made if need be")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if b.repo = b.kit; b.repo == "" {
		if b.repo, err = os.Getwd(); err != nil {
			return err
		}
	}
	if b.cache, err = fixture.Open(); err != nil {
		return err
	}
	if *fixtureName != "" {
		path, err := b.cache.Path(ctx, *fixtureName)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, path)
		return err
	}
	if b.dir, err = os.MkdirTemp("/tmp", "bgbench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	measures := []struct {
		name string
		run  func(context.Context) error
	}{{"boot", b.boot}, {"template", b.template}, {"exec", b.exec}, {"attach", b.attach}, {"screen", b.screen}, {"list", b.list}, {"pages", b.pages}, {"memory", b.memory}, {"network", b.network}, {"pixel", b.pixel}, {"usage", b.usage}, {"channel", b.channel}, {"workspace", b.workspace}}
	for _, m := range measures {
		if !slices.Contains(strings.Split(*only, ","), m.name) {
			continue
		}
		if err := m.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// prepare imports the kernel and pulls the image.
func (b *bench) prepare(ctx context.Context) error {
	for _, dir := range []string{"home", "run"} {
		if err := os.Mkdir(filepath.Join(b.dir, dir), 0o700); err != nil {
			return err
		}
	}
	kernel, err := b.cache.Path(ctx, "kernel")
	if err != nil {
		return err
	}
	image, err := b.cache.Path(ctx, "busybox.tar")
	if err != nil {
		return err
	}
	if _, err := b.banger(ctx, "kernel", "import", "debian-12", "--from", kernel); err != nil {
		return err
	}
	_, err = b.banger(ctx, "image", "pull", "tar:"+image, "--name", "busybox")
	return err
}

func (b *bench) close(ctx context.Context) error {
	names, err := b.banger(ctx, "vm", "list", "--all", "-o", "name")
	if err == nil {
		for chunk := range slices.Chunk(strings.Fields(names), 100) {
			_, rmErr := b.banger(ctx, append([]string{"vm", "delete", "--force"}, chunk...)...)
			err = errors.Join(err, rmErr)
		}
	}
	_, stopErr := b.banger(ctx, "daemon", "stop")
	return errors.Join(err, stopErr, os.RemoveAll(b.dir))
}

// pair is one side's and the other's duration.
type pair struct{ ours, yardstick time.Duration }

// interleaved measures ours and the yardstick in turns.
func interleaved(n int, ours, yardstick func() (time.Duration, error)) ([]pair, error) {
	pairs := make([]pair, 0, n)
	for range n {
		var p pair
		var err error
		if p.yardstick, err = yardstick(); err != nil {
			return nil, err
		}
		if p.ours, err = ours(); err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

func median(pairs []pair, of func(pair) time.Duration) time.Duration {
	all := make([]time.Duration, 0, len(pairs))
	for _, p := range pairs {
		all = append(all, of(p))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// report prints one comparison.
func (b *bench) report(name, against string, limit float64, pairs []pair) error {
	ours := median(pairs, func(p pair) time.Duration { return p.ours })
	yardstick := median(pairs, func(p pair) time.Duration { return p.yardstick })
	ratio := float64(ours) / float64(yardstick)
	mark := "within"
	if ratio > limit {
		mark = "OVER"
	}
	_, err := fmt.Fprintf(b.out, "%-22s %9.1f ms   %-34s %9.1f ms   ratio %.2f   %s %.1f   (%d pairs)\n",
		name, ms(ours), against, ms(yardstick), ratio, mark, limit, len(pairs))
	return err
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
